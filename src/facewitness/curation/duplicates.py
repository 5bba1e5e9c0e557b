"""Pictures that show nearly the same: a perceptual hash, and all pairs of hashes that differ in a few bits.

The hash is the sign, about their median, of the 8 x 8 lowest frequencies of a 32 x 32 picture (pHash, after Zauner,
2010). Encoding, scale and small edits change a few bits of the 64, another photograph about half of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

DISTANCE = 4
"""Bits in which two pictures may differ and still count as near-duplicates."""

_BITS = 64


def perceptual_hash(gray: NDArray[np.uint8] | np.ndarray) -> int:
    """The hash of a picture (H, W), 64 bits."""
    small = cv2.resize(np.asarray(gray), (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness, which says nothing
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def pairs(hashes: Sequence[int], distance: int = DISTANCE) -> list[tuple[int, int]]:
    """All pairs (i, j), i < j, whose hashes differ in at most ``distance`` bits, sorted.

    Cut into one band more than bits may differ, two such hashes agree in at least one band; only those are compared.
    """
    places: dict[int, list[int]] = defaultdict(list)
    for place, value in enumerate(hashes):
        places[value].append(place)
    unique = np.array(sorted(places), np.uint64)
    near: set[tuple[int, int]] = set()
    edges = np.linspace(0, _BITS, distance + 2).round().astype(int)
    for low, high in pairwise(edges.tolist()):
        band = (unique >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(band, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(band[order])) + 1):
            near.update(_within(unique, np.sort(group), distance))
    found = [pair for own in places.values() for pair in combinations(own, 2)]
    for one, other in near:
        found += [(min(i, j), max(i, j)) for i in places[int(unique[one])] for j in places[int(unique[other])]]
    return sorted(found)


def _within(values: NDArray[np.uint64], group: NDArray[np.int64], distance: int) -> list[tuple[int, int]]:
    """Of the hashes of a group, those pairs that are near."""
    found = []
    for place, number in enumerate(group[:-1].tolist()):
        rest = group[place + 1 :]
        apart = np.bitwise_count(values[rest] ^ values[number])
        found += [(number, other) for other in rest[apart <= distance].tolist()]
    return found
