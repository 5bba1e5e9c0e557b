"""Co-occurrences of noise residuals, as a fixed descriptor under a linear SVM and as the network it can be recast into.

The descriptor (Fridrich & Kodovsky, TIFS 2012, as FaceForensics++ uses it): third-order
residuals along rows and columns, rounded and cut off at -1..1, counted in fours. ``ResidualNet`` (Cozzolino et al.,
IH&MMSec 2017; section 6) computes the same with convolutions and a soft-max, and then lets go of what was fixed.
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facewitness.detectors.nets.autocast import full_precision
from facewitness.detectors.output import NetOutput

TAPS = (1.0, -3.0, 3.0, -1.0)
STEP = 3.0
"""Quantisation step: the residual's largest tap times SRM's q = 1. FaceForensics++ does not say which q it took."""
BORDER = 2  # pixels of the residual that are left out on every side
FAR = 64.0
"""Codes that are less likely than the best by more than exp(-FAR) count as that: still nothing, but what is smaller yet
would be denormal numbers, with which a processor is many times slower."""
CODES = tuple(itertools.product((-1.0, 0.0, 1.0), repeat=4))  # the 81 bins, the last of the four counting fastest


def luminance(x: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] to 8-bit luminance (N, 1, S, S), not rounded."""
    weight = torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype, device=x.device).view(1, 3, 1, 1)
    return (x * weight).sum(1, keepdim=True) * 255


def descriptor(gray: Tensor, step: float = STEP) -> Tensor:
    """Histograms (N, 162) of a luminance picture (N, 1, S, S) with whole values: 81 bins along, 81 across.

    *Along*: residuals along rows counted along rows, and along columns counted along columns. *Across*: the other two.
    Each 81 sum to 1.
    """
    rows, columns = (_levels(F.conv2d(gray, kernel), step) for kernel in (_row(gray), _row(gray).mT))
    along = _count(rows, 3) + _count(columns, 2)
    across = _count(rows, 2) + _count(columns, 3)
    return torch.cat([part / part.sum(1, keepdim=True) for part in (along, across)], dim=1)


def _row(like: Tensor) -> Tensor:
    return torch.tensor(TAPS, dtype=like.dtype, device=like.device).view(1, 1, 1, 4)


def _levels(residual: Tensor, step: float) -> Tensor:
    """One-hot levels (N, 3, h, w) of a residual (N, 1, H, W): below, about and above zero, without the border."""
    inner = residual[:, 0, BORDER:-BORDER, BORDER:-BORDER]
    level = torch.round(inner / step).clamp(-1, 1)
    return torch.stack([(level == value).to(residual.dtype) for value in (-1, 0, 1)], dim=1)


def _count(levels: Tensor, axis: int) -> Tensor:
    """How often each run of four levels stands along an axis of (N, 3, h, w): (N, 81)."""
    size = levels.shape[axis]
    one, two, three, four = (levels.narrow(axis, start, size - 3) for start in range(4))
    first = (one[:, :, None] * two[:, None]).flatten(1, 2).flatten(2)  # (N, 9, P)
    second = (three[:, :, None] * four[:, None]).flatten(1, 2).flatten(2)
    return (first @ second.mT).flatten(1)


class StegSvm(nn.Module):
    """(N, 3, S, S) in [0, 1] -> logits and the 162 features; no map. 164 parameters, those of a linear SVM.

    Trained by ``training.svm``, which folds the features' scale into ``classify``.
    """

    def __init__(self, step: float = STEP) -> None:
        super().__init__()
        self.step = step
        self.classify = nn.Linear(162, 1)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        features = descriptor(torch.round(luminance(x)), self.step)
        return NetOutput(F.pad(self.classify(features), (1, 0)), features)


class ResidualNet(nn.Module):
    """(N, 3, S, S) in [0, 1] -> logits and 162 features; no map. Begins as the descriptor and learns from there.

    For each of the four scans one convolution with four filters gathers four neighbouring residuals, a linear layer
    (the paper's 1 x 1 convolution) compares them with the 81 codes, soft-max picks the nearest, and the mean over the
    picture counts. With ``hard`` the soft-max is an arg-max and the features are the descriptor. The supports of the
    filters and the soft-max's sharpness are ours: the paper's are not known to us.
    """

    def __init__(self, step: float = STEP, sharpness: float = 8.0, hard: bool = False) -> None:
        super().__init__()
        self.sharpness, self.hard = sharpness, hard
        self.scans = nn.ModuleList(
            _Scan(horizontal, along, step) for along in (True, False) for horizontal in (True, False)
        )
        codes = torch.tensor(CODES)
        books = [nn.Linear(4, 81) for _ in range(2)]
        for book in books:
            book.weight = nn.Parameter(codes.clone())
            book.bias = nn.Parameter(-codes.square().sum(1) / 2)
        self.books = nn.ModuleList(books)
        self.classify = nn.Linear(162, 2)

    def forward(self, x: Tensor) -> NetOutput:
        """One pass."""
        with full_precision(x):
            features = self.histograms(luminance(x.float()))
        return NetOutput(self.classify(features * 162), features)  # bins are small numbers: brought to about 1

    def histograms(self, gray: Tensor) -> Tensor:
        """(N, 1, S, S) luminance to (N, 162): 81 along, 81 across; each sums to 1."""
        parts = []
        for number, book in enumerate(self.books):
            fours = torch.stack([scan(gray).flatten(2) for scan in self.scans[2 * number : 2 * number + 2]], dim=1)
            # A fifth that is 1 takes the bias along: adding it afterwards is one more way through all the likenesses.
            fives = torch.cat([fours, torch.ones_like(fours[:, :, :1])], dim=2)  # (N, 2, 5, P)
            weight = torch.cat([book.get_parameter("weight"), book.get_parameter("bias")[:, None]], dim=1)
            parts.append(_mean(self._codes(F.linear(fives.mT, self.sharpness * weight))))
        return torch.cat(parts, dim=1)

    def _codes(self, likeness: Tensor) -> Tensor:
        """(N, 2, P, 81): which code each place shows."""
        if self.hard:
            return F.one_hot(likeness.argmax(3), 81).to(likeness.dtype)
        least = likeness.detach().amax(3) - FAR
        return torch.softmax(torch.maximum(likeness, least[..., None]), dim=3)


def _mean(codes: Tensor) -> Tensor:
    """(N, 2, P, 81) to (N, 81): the mean over the places, as a product since that is the quicker on onnxruntime."""
    places = codes.shape[2]
    return (codes.new_full((1, places), 1 / places) @ codes).mean((1, 2))


class _Scan(nn.Module):
    """Four residuals next to each other as four channels: (N, 1, S, S) to (N, 4, h, w), without the border."""

    def __init__(self, horizontal: bool, along: bool, step: float) -> None:
        super().__init__()
        kernel = torch.zeros(4, 1, 1, 7) if along else torch.zeros(4, 1, 4, 4)
        for shift in range(4):
            at = (0, slice(shift, shift + 4)) if along else (shift, slice(0, 4))
            kernel[shift, 0][at] = torch.tensor(TAPS) / step
        self.weight = nn.Parameter(kernel if horizontal else kernel.mT.contiguous())

    def forward(self, gray: Tensor) -> Tensor:
        inner = gray[:, :, BORDER:-BORDER, BORDER:-BORDER]
        return F.conv2d(inner, self.weight)
