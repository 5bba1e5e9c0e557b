"""What LAE's reconstruction is held against: the DCGAN discriminator and the VGG-16 comparator. Training only."""

from pathlib import Path
from typing import Any, Self, cast

import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms.v2.functional import normalize, resize

from facewitness.detectors.architectures import IMAGENET_MEAN, IMAGENET_STD
from facewitness.types import RecipeError

LAYERS = 23  # of VGG-16's: up to the activation behind the tenth convolution, 512 x 28 x 28 for 224 px


class Discriminator(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] to logits, high for photographs. 2,765,568 parameters.

    Made for 64 px, where it gives one logit; a larger picture gives one for each place, or is reduced to ``size_px``.
    """

    def __init__(self, size_px: int | None = None) -> None:
        super().__init__()
        self.size_px = size_px
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(((3, 64), (64, 128), (128, 256), (256, 512))):
            layers += [nn.Conv2d(a, b, 4, 2, 1, bias=False), *([nn.BatchNorm2d(b)] if number else [])]
            layers += [nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, bias=False))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (N, 1, h, w)."""
        return cast(Tensor, self.layers(_resized(pictures, self.size_px or pictures.shape[-1])))


class Comparator(nn.Module):
    """Pictures (N, 3, S, S) in [-1, 1] to features of a frozen VGG-16, which sees them ImageNet-normalised."""

    def __init__(self, weights: str, size_px: int) -> None:
        super().__init__()
        self.size_px = size_px
        self.layers = _vgg(weights).eval().requires_grad_(False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, 512, h, w)."""
        shown = _resized(pictures, self.size_px)
        return cast(Tensor, self.layers(normalize((shown + 1) / 2, IMAGENET_MEAN, IMAGENET_STD)))

    def train(self, mode: bool = True) -> Self:
        """It never learns."""
        return super().train(False)


def _vgg(weights: str) -> nn.Sequential:
    """The first layers of VGG-16.

    Raises:
        RecipeError: the weights cannot be had; no others are taken in their place.
    """
    published = torchvision.models.VGG16_Weights.IMAGENET1K_V1 if weights == "imagenet" else None
    try:
        network: Any = torchvision.models.vgg16(weights=published)
    except Exception as error:  # sockets, the hub and the file system raise kinds of their own
        raise RecipeError(
            f"reconstruct.comparator: ImageNet's VGG-16 could not be had ({error}): give a file of its weights, or "
            "say --set reconstruct.comparator=random"
        ) from error
    if weights not in ("imagenet", "random"):
        try:
            network.load_state_dict(torch.load(Path(weights), map_location="cpu", weights_only=True))
        except Exception as error:  # pickle, zip and torch raise kinds of their own
            reason = " ".join(str(error).strip().splitlines()[:1])
            raise RecipeError(f"reconstruct.comparator: {weights} holds no weights of VGG-16: {reason}") from error
    features: nn.Sequential = network.features[:LAYERS]
    return features


def _resized(pictures: Tensor, side: int) -> Tensor:
    return cast(Tensor, resize(pictures.float(), [side, side]))  # reducing with antialiasing knows no bfloat16
