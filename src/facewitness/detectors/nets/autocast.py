"""Where 8 bits of a mantissa are too few: spectra and noise residuals stay in float32 under mixed precision."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Switch mixed precision off for what follows; nothing where it is off already, so that an export never sees it."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()
