"""The augmentation of ``augment``, of a whole batch of pairs on its device: one draw for each pair, masks follow.

Same steps, same ranges, same order. A GPU does it for hundreds of pairs while a core does it for one. What is drawn is
drawn on the processor, so that it never waits for the device.
"""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from facewitness.training.data.batch_jpeg import compressed
from facewitness.training.recipe import AugmentSection

_SIZES = 4  # so many factors are drawn for the pairs of a batch that are shrunk
_GRAY = (0.299, 0.587, 0.114)


def augmented(crops: Tensor, regions: Tensor, section: AugmentSection, chance: Generator) -> tuple[Tensor, Tensor]:
    """Mirror half of the pairs and degrade them: crops (B, 2, 3, S, S), regions (B, 2, S, S), uint8 both.

    ``chance`` is of the processor; noise comes from the device's own.
    """
    mirrored = (torch.rand(len(crops), generator=chance) < 0.5).to(crops.device, non_blocking=True)
    crops = torch.where(mirrored[:, None, None, None, None], crops.flip(-1), crops)
    regions = torch.where(mirrored[:, None, None, None], regions.flip(-1), regions)
    pixels = crops.float()
    low, high = section.jpeg_quality
    steps: tuple[tuple[float, Callable[[Tensor], Tensor]], ...] = (
        (section.colour, lambda some: _coloured(some, chance)),
        (section.resize, lambda some: _resized(some, chance)),
        (section.blur, lambda some: blurred(some, _drawn(len(some), *section.blur_sigma, chance))),
        (section.retouch, lambda some: _retouched(some, chance)),
        (section.noise, lambda some: some + torch.randn_like(some) * _wide(_drawn(len(some), 0, 6, chance), some)),
        (section.jpeg / 2, lambda some: _compressed(some, low, high, chance)),
    )
    for share, step in steps:
        chosen = torch.nonzero(torch.rand(len(pixels), generator=chance) < share)[:, 0]
        if len(chosen):
            chosen = chosen.to(pixels.device, non_blocking=True)
            pixels[chosen] = step(pixels[chosen]).round().clamp(0, 255)
    return pixels.to(torch.uint8), regions


def _drawn(count: int, low: float, high: float, chance: Generator) -> Tensor:
    """A number from a range for each pair, (B,)."""
    return low + (high - low) * torch.rand(count, generator=chance)


def _wide(numbers: Tensor, like: Tensor) -> Tensor:
    """A number for each pair, where and as the pairs (B, 2, 3, S, S) are."""
    return numbers[:, None, None, None, None].to(like.device, non_blocking=True)


def _coloured(some: Tensor, chance: Generator) -> Tensor:
    """Brightness, contrast and saturation by up to 15 %, hue by up to 0.02 of a turn."""
    brightness, contrast, saturation = (_wide(_drawn(len(some), 0.85, 1.15, chance), some) for _ in range(3))
    pixels = (some * brightness).clamp(0, 255)
    gray = torch.tensor(_GRAY, device=some.device).view(3, 1, 1)
    mean = (pixels * gray).sum(2, keepdim=True).mean((3, 4), keepdim=True)
    pixels = (mean + (pixels - mean) * contrast).clamp(0, 255)
    light = (pixels * gray).sum(2, keepdim=True)
    pixels = (light + (pixels - light) * saturation).clamp(0, 255)
    turns = _turns(_drawn(len(some), -0.02, 0.02, chance)).to(some.device, non_blocking=True)
    return torch.einsum("bij,bpjhw->bpihw", turns, pixels)


def _turns(turns: Tensor) -> Tensor:
    """The rotations (B, 3, 3) of colours about the gray axis by so many turns (Rodrigues)."""
    angle = turns * 2 * math.pi
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None] / math.sqrt(3)
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return cosine * torch.eye(3) + sine * cross + (1 - cosine) / 3


def _resized(some: Tensor, chance: Generator) -> Tensor:
    """Shrink by a random factor and enlarge again."""
    size = some.shape[-2:]
    made = []
    factors = _drawn(min(_SIZES, len(some)), 0.5, 1, chance).tolist()
    for part, factor in zip(some.chunk(len(factors)), factors, strict=False):
        small = [max(1, round(side * factor)) for side in size]
        shrunk = F.interpolate(part.flatten(0, 1), small, mode="bilinear", antialias=True)
        made.append(F.interpolate(shrunk, size, mode="bilinear", antialias=True).view_as(part))
    return torch.cat(made)


def blurred(some: Tensor, sigma: Tensor) -> Tensor:
    """Pairs (B, 2, 3, S, S) blurred by a Gaussian of their own ``sigma`` (B,) in pixels, which is on the processor."""
    reach = math.ceil(3 * float(sigma.max()))
    place = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (place / sigma[:, None].clamp(min=1e-3)) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(6, 0).to(some.device, non_blocking=True)
    planes = F.pad(some.flatten(0, 1), (reach,) * 4, mode="reflect").flatten(0, 1)[None]
    planes = F.conv2d(planes, kernel[:, None, :, None], groups=len(kernel))
    return F.conv2d(planes, kernel[:, None, None, :], groups=len(kernel)).view_as(some)


def _retouched(some: Tensor, chance: Generator) -> Tensor:
    """A third each: the skin smoothed by a bilateral filter, a median, a sharpening."""
    amount = _wide(_drawn(len(some), 0, 1, chance), some)
    kind = _wide(_drawn(len(some), 0, 3, chance).floor(), some)
    soft = blurred(some, torch.ones(len(some)))
    sharp = some + (some - soft) * amount
    return torch.where(kind == 0, _bilateral(some, 15 + 60 * amount), torch.where(kind == 1, _median(some), sharp))


def _median(some: Tensor) -> Tensor:
    return torch.stack(_shifted(some, 1)).median(0).values


def _bilateral(some: Tensor, colour_sigma: Tensor, space_sigma: float = 5.0, reach: int = 3) -> Tensor:
    """Means over a disc of ``reach`` pixels, of what has like colours."""
    total, weights = torch.zeros_like(some), torch.zeros_like(some[:, :, :1])
    places = [(y, x) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    for (y, x), moved in zip(places, _shifted(some, reach), strict=True):
        if y * y + x * x > reach * reach:
            continue
        apart = (moved - some).abs().sum(2, keepdim=True)
        near = math.exp(-0.5 * (y * y + x * x) / space_sigma**2)
        weight = near * torch.exp(-0.5 * (apart / colour_sigma) ** 2)
        total += moved * weight
        weights += weight
    return total / weights


def _shifted(some: Tensor, reach: int) -> list[Tensor]:
    """The pairs moved by every step of up to ``reach`` pixels, row by row."""
    height, width = some.shape[-2:]
    wide = F.pad(some.flatten(0, 1), (reach,) * 4, mode="replicate").view(
        *some.shape[:3], height + 2 * reach, width + 2 * reach
    )
    steps = range(2 * reach + 1)
    return [wide[..., y : y + height, x : x + width] for y in steps for x in steps]


def _compressed(some: Tensor, low: int, high: int, chance: Generator) -> Tensor:
    quality = torch.randint(low, high + 1, (len(some),), generator=chance).repeat_interleave(2)
    return compressed(some.flatten(0, 1), quality.float().to(some.device, non_blocking=True)).view_as(some)
