"""The sixth type: what every net returns. Apart from ``facewitness.types`` because it holds torch tensors."""

from typing import NamedTuple

from torch import Tensor


class NetOutput(NamedTuple):
    """Raw results of a forward pass, before temperature and squashing."""

    logits: Tensor  # (N, 2), column 1 = fake
    features: Tensor  # (N, D)
    map: Tensor | None = None  # (N, 1, h, w) logits of the map; None if the net has none
