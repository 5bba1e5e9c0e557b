"""LAE, the Locality-Aware AutoEncoder (Du et al., CIKM 2020): its encoder and decoder (table 2).

Discriminator and comparator belong to training and are not here; nor is any loss.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from facewitness.detectors.architectures import IMAGENET_MEAN, IMAGENET_STD
from facewitness.detectors.nets.autoencoders import Decoded, SplitLatent
from facewitness.detectors.output import NetOutput

CHANNELS = 512
_SHOWN = 1e-4  # a shown map is cut off this far from 0 and 1


class Encoded(NamedTuple):
    """What the encoder makes of a picture."""

    planes: Tensor  # (N, 512, S / 16, S / 16), the last convolution's
    pooled: Tensor  # (N, 512), their means: the channels' concepts
    latent: Tensor  # (N, d), the first half for true, the second for fake


class Lae(SplitLatent):
    """(N, 3, S, S) with ImageNet's mean and deviation -> logits, 512 features and the attention map at S / 16.

    5,183,808 parameters encode; 1,224,555 decode at 256 px, which only training does. The soft-max of the logits is
    a_F / (a_T + a_F) of eq. 3. ``NetOutput.map`` is eq. 8, cut off to 0..1; ``attention`` gives it raw.
    """

    def __init__(self, size_px: int = 256, latent: int = 128) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for number, (a, b) in enumerate(((3, 64), (64, 128), (128, 256), (256, CHANNELS))):
            layers += [nn.Conv2d(a, b, 4, 2, 1), *([nn.BatchNorm2d(b)] if number else []), nn.ReLU()]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.ReLU())
        self.units = nn.Linear(CHANNELS, latent)
        self.decoder = nn.Sequential(*_decoder(latent, size_px))
        for module in self.modules():  # He's: through the layers without a norm, torch's own lets little of the picture
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, module.bias))

    def forward(self, x: Tensor) -> NetOutput:
        """One pass of the encoder."""
        encoded = self.look(x)
        plane = self.attention(encoded)
        shown = plane + (plane.clamp(_SHOWN, 1 - _SHOWN) - plane).detach()  # the gradient knows nothing of the cut
        activity = self.activity(encoded.latent)
        return NetOutput(torch.log(activity + 1e-6), encoded.pooled, torch.logit(shown))

    def look(self, x: Tensor) -> Encoded:
        """Planes, their means, and the latent (eq. 1)."""
        planes = self.encoder(x)
        pooled = planes.mean((2, 3))
        return Encoded(planes, pooled, self.units(pooled))

    def restore(self, latent: Tensor) -> Tensor:
        """A picture (N, 3, S, S) in [-1, 1] from a latent (eq. 1)."""
        picture: Tensor = self.decoder(latent[..., None, None])
        return picture

    def attention(self, encoded: Encoded) -> Tensor:
        """How much each place speaks for fake, (N, 1, h, w), raw: eq. 8 as a mean over the half's units, as eq. 3 is.

        As a sum, a fake's map would have a mean of up to d/2, and the masks it is held against one of less than 1. The
        units' bias has no place and no part.
        """
        half = encoded.latent.shape[1] // 2
        weight = encoded.latent[:, half:].abs() @ self.units.weight[half:] / half  # (N, 512)
        return (encoded.planes * weight[..., None, None]).sum(1, keepdim=True)

    def prepared(self, x: Tensor) -> Tensor:
        """The picture in [-1, 1], which the decoder is to give back."""
        mean, std = (
            torch.tensor(of, dtype=x.dtype, device=x.device).view(1, 3, 1, 1) for of in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return (x * std + mean) * 2 - 1

    def encode(self, x: Tensor) -> Tensor:
        """The latent (N, d)."""
        return self.look(x).latent

    def decode(self, latent: Tensor) -> Decoded:
        """See ``SplitLatent``."""
        return Decoded(self.restore(latent))

    def select(self, latent: Tensor, forged: Tensor) -> Tensor:
        """LAE decodes the whole latent."""
        return latent


def _decoder(latent: int, size_px: int) -> list[nn.Module]:
    """Transposed convolutions from 1 x 1 to the picture: 4 x 4 at first, doubled until the size is reached."""
    doublings = (size_px // 4).bit_length() - 1
    if size_px != 4 * 2**doublings:
        raise TypeError(f"size_px must be 4 times a power of two, not {size_px}")
    layers: list[nn.Module] = []
    channels = latent
    for number in range(doublings):
        width = max(256 >> number, 8)
        stride, padding = (1, 0) if number == 0 else (2, 1)
        layers += [nn.ConvTranspose2d(channels, width, 4, stride, padding), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return [*layers, nn.ConvTranspose2d(channels, 3, 4, 2, 1), nn.Tanh()]
