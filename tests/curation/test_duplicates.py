"""Perceptual hashes, and near pairs against comparing everything with everything."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from facewitness.curation.duplicates import pairs, perceptual_hash
from tests.fakes import astronaut, texture


@pytest.mark.parametrize("distance", [0, 1, 4, 7])
def test_pairs_are_those_of_brute_force(distance: int) -> None:
    rng = np.random.default_rng(distance)
    hashes = [int(v) for v in rng.integers(0, 2**63, 60)]
    for place in range(0, 60, 3):  # copies with a few bits turned, some of them exact
        flips = rng.choice(64, rng.integers(0, 9), replace=False)
        hashes.append(hashes[place] ^ sum(1 << int(bit) for bit in flips))
    expected = [
        (i, j) for i, j in combinations(range(len(hashes)), 2) if (hashes[i] ^ hashes[j]).bit_count() <= distance
    ]
    assert pairs(hashes, distance) == expected
    assert distance == 0 or expected


def _apart(one: int, other: int) -> int:
    return (one ^ other).bit_count()


def test_the_hash_stays_under_encoding_and_scale_and_changes_with_the_picture() -> None:
    gray = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    base = perceptual_hash(gray)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", gray, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)
    assert _apart(base, perceptual_hash(jpeg)) <= 2
    assert _apart(base, perceptual_hash(cv2.resize(gray, (200, 200), interpolation=cv2.INTER_AREA))) <= 2
    assert _apart(base, perceptual_hash(np.clip(gray.astype(int) + 20, 0, 255).astype(np.uint8))) <= 4
    assert _apart(base, perceptual_hash(gray[:, ::-1])) > 16
    assert _apart(base, perceptual_hash(cv2.cvtColor(texture(64, 64), cv2.COLOR_RGB2GRAY))) > 16
