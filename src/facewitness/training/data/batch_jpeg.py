"""JPEG compression of a batch on its device, each picture at a quality of its own: what is lost of it, without a file.

Only the lossless part of the standard (ITU-T T.81) is left out, so what remains is what a decoder would show, but for
rounding: libjpeg's tables and scaling by quality, chroma at half size.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, *(99,) * 32,
)  # fmt: skip
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def compressed(images: Tensor, quality: Tensor) -> Tensor:
    """Images (N, 3, H, W) in 0..255 as JPEG of ``quality`` (N,) in 1..100 leaves them; whole numbers, same type."""
    height, width = images.shape[2:]
    right, below = -width % 16, -height % 16
    pixels = F.pad(images.float(), (0, right, 0, below), mode="replicate")
    to_ycc = torch.tensor(_TO_YCC, device=pixels.device)
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, pixels)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    luma = _coded(ycc[:, :1] - 128, _table(_LUMA, scale)) + 128
    chroma = _coded(F.avg_pool2d(ycc[:, 1:], 2), _table(_CHROMA, scale))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    made = torch.einsum("ij,njhw->nihw", torch.linalg.inv(to_ycc), torch.cat([luma, chroma], dim=1))
    return made[:, :, :height, :width].round().clamp(0, 255).to(images.dtype)


def _table(base: tuple[int, ...], scale: Tensor) -> Tensor:
    """The quantisation tables (N, 8, 8) of some qualities' scales (N,), as libjpeg computes them."""
    table = torch.tensor(base, device=scale.device, dtype=torch.float32).view(8, 8)
    return ((table * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)


def _coded(planes: Tensor, table: Tensor) -> Tensor:
    """Planes (N, C, H, W) after the cosine transform of each block of 8 x 8 was quantised by its picture's table."""
    count, channels, height, width = planes.shape
    basis = _cosines(planes.device)
    blocks = planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    table = table.view(count, 1, 1, 1, 8, 8)
    levels = (basis @ blocks @ basis.T / table).round() * table
    return (basis.T @ levels @ basis).transpose(3, 4).reshape(count, channels, height, width)


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal cosine transform of 8 values, (8, 8)."""
    place = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * place[None] + 1) * place[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    return basis
