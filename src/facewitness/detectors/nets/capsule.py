"""Capsule-Forensics v2 (Nguyen et al., 2019)."""

from typing import Any, Self

import timm
import torch
from torch import Tensor, nn

from facewitness.detectors.nets.backbone import take_imagenet
from facewitness.detectors.output import NetOutput

NOISE = 0.01  # added to the routing weights in training
DROPPED = 0.05  # share of the votes set to zero in training, without scaling up the rest


class CapsuleV2(nn.Module):
    """(N, 3, S, S) with ImageNet's mean and deviation -> logits, 8 features and no map. 3,896,638 parameters.

    VGG-19 up to its third pool feeds ten capsules, whose votes are routed to two classes of four dimensions. The
    features (N, 8) are those of the classes, dimension by dimension; the loss reads them. ``frozen`` keeps VGG as it
    came, as published; it then wants ImageNet's weights.
    """

    def __init__(self, capsules: int = 10, frozen: bool = True) -> None:
        super().__init__()
        body: Any = timm.create_model("vgg19", pretrained=False)
        self.vgg: nn.Sequential = body.features[:19]
        self.frozen = frozen
        self.vgg.requires_grad_(not frozen)
        self.capsules = nn.ModuleList(_capsule() for _ in range(capsules))
        self.routes = nn.Parameter(torch.randn(2, capsules, 4, 8))
        for module in self.capsules.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        planes = self.vgg(x)
        poses = squash(torch.stack([capsule(planes) for capsule in self.capsules], dim=2), 2)  # (N, 8, capsules)
        classes = self._route(poses.mT)  # (N, 4, 2)
        return NetOutput(torch.log(torch.softmax(classes, 2).mean(1)), classes.flatten(1))

    def train(self, mode: bool = True) -> Self:
        """A frozen VGG stays as it is in evaluation."""
        super().train(mode)
        if self.frozen:
            self.vgg.eval()
        return self

    def load_imagenet(self) -> None:
        """Take ImageNet's weights for VGG."""
        body = nn.Module()
        body.features = self.vgg
        take_imagenet(body, "vgg19")

    def _route(self, poses: Tensor) -> Tensor:
        """Two rounds of routing of poses (N, capsules, 8) to classes (N, 4, 2)."""
        routes = self.routes + NOISE * torch.randn_like(self.routes) if self.training else self.routes
        votes = torch.einsum("kcde,nce->nkcd", routes, poses)
        if self.training:
            votes = votes * (torch.rand_like(votes) >= DROPPED)
        agreement = torch.zeros_like(votes)
        outputs = votes
        for _ in range(2):
            outputs = squash((torch.softmax(agreement, 2) * votes).sum(2, keepdim=True), 3)
            agreement = agreement + votes * outputs
        return outputs[:, :, 0].mT


def squash(values: Tensor, dim: int) -> Tensor:
    """Shorten vectors along ``dim`` to below 1, keeping their direction."""
    square = values.square().sum(dim, keepdim=True)
    return values * (square / (1 + square)) / (square + 1e-12).sqrt()


class _Statistics(nn.Module):
    """Mean and unbiased deviation over space: (N, C, H, W) to (N, 2, C)."""

    def forward(self, planes: Tensor) -> Tensor:
        flat = planes.flatten(2)
        mean = flat.mean(2)
        variance = (flat - mean[..., None]).square().sum(2) / (flat.shape[2] - 1)
        return torch.stack([mean, (variance + 1e-12).sqrt()], dim=1)


def _capsule() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(256, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU()),
        *(nn.Conv2d(64, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()),
        _Statistics(),
        *(nn.Conv1d(2, 8, 5, 2, 2), nn.BatchNorm1d(8)),
        *(nn.Conv1d(8, 1, 3, 1, 1), nn.BatchNorm1d(1)),
        nn.Flatten(),
    )
