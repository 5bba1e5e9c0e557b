"""What the audit finds in sets of which we know what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image as Pillow

from facewitness.curation import audit as auditing
from facewitness.curation.audit import Audit, audit, category_auc, markdown
from facewitness.curation.file_stats import file_statistics, quality
from facewitness.data import manifest
from facewitness.media import image
from facewitness.types import Sample, Split, Status
from tests.fakes import texture

PAIRS = 30


def _set(folder: Path, encode: Callable[[int, int], tuple[str, bytes]], split: str = "train") -> list[Sample]:
    """So many textures, each as a real and as a fake; ``encode(label, number)`` gives a suffix and the file."""
    samples = []
    for number in range(PAIRS):
        for label in (0, 1):
            suffix, content = encode(label, number)
            path = folder / f"{split}-{label}-{number}{suffix}"
            path.write_bytes(content)
            method, person = ("mine" if label else "real"), f"{split}-{number}"
            samples.append(Sample(path, label, method, None, (person,), "here", cast(Split, split)))
    return samples


def _picture(label: int, number: int) -> np.ndarray:
    del label
    return texture(40, 40 + 2 * (number % 7), number)


def _audit(folder: Path, samples: list[Sample]) -> Audit:
    manifest.write(samples, folder / "manifest.parquet")
    return audit(folder / "manifest.parquet", workers=0, progress=None)


def _auc(found: Audit, trait: str, where: str = "all") -> float:
    return next(
        (shortcut.auc for shortcut in found.shortcuts if (shortcut.where, shortcut.feature) == (where, trait)), 0.5
    )


def test_a_clean_set_is_clean(tmp_path: Path) -> None:
    found = _audit(tmp_path, _set(tmp_path, lambda label, n: (".jpg", image.encode(_picture(label, n), "jpeg:90"))))
    assert found.warnings == []
    assert found.counts == {"real": {"train": PAIRS}, "mine": {"train": PAIRS}}
    assert _auc(found, "size") == pytest.approx(0.5, abs=0.1)  # many sizes, the same on both sides
    assert "Nothing to warn of" in markdown(found, "clean")


def test_two_formats_are_told_apart(tmp_path: Path) -> None:
    def encode(label: int, number: int) -> tuple[str, bytes]:
        return (".png" if label else ".jpg"), image.encode(_picture(label, number), "png" if label else "jpeg:90")

    found = _audit(tmp_path, _set(tmp_path, encode))
    for trait in ("format", "suffix", "jpeg_table", "jpeg_quality"):
        assert _auc(found, trait) == 1
        assert _auc(found, trait, "source here") == 1
        assert _auc(found, trait, "method mine") == 1
    assert any("format alone reaches AUC 1.000" in w and "one encoder" in w for w in found.warnings)
    assert _auc(found, "width") == 0.5


def test_two_qualities_are_told_apart_and_estimated(tmp_path: Path) -> None:
    def encode(label: int, number: int) -> tuple[str, bytes]:
        return ".jpg", image.encode(_picture(label, number), "jpeg:75" if label else "jpeg:92")

    samples = _set(tmp_path, encode)
    assert {file_statistics(s.path).jpeg_quality for s in samples if s.label} == {75.0}
    assert {file_statistics(s.path).jpeg_quality for s in samples if not s.label} == {92.0}
    assert _auc(_audit(tmp_path, samples), "jpeg_quality") == 1


def test_metadata_tells_forgeries_unless_the_photographs_are_stamped_too(tmp_path: Path) -> None:
    def stamped(label: int, number: int) -> tuple[str, bytes]:
        told = "made by us" if label else None
        return ".jpg", image.encode(_picture(label, number), "jpeg:90", told)

    def both(label: int, number: int) -> tuple[str, bytes]:
        told = {"synthetic": "made by us"} if label else {"genuine": "photograph"}
        return ".jpg", image.encode(_picture(label, number), "jpeg:90", **{k: v.ljust(20) for k, v in told.items()})

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert _auc(_audit(tmp_path / "one", _set(tmp_path / "one", stamped)), "metadata_bytes") == 1
    assert _audit(tmp_path / "two", _set(tmp_path / "two", both)).warnings == []


def test_a_source_that_has_fakes_only_is_a_tell(tmp_path: Path) -> None:
    samples = _set(tmp_path, lambda label, n: (".jpg", image.encode(_picture(label, n), "jpeg:90")))
    samples = [replace(s, dataset="studio" if s.label else "street") for s in samples]
    found = _audit(tmp_path, samples)
    assert _auc(found, "source") == 1
    assert any("--match-sources" in warning for warning in found.warnings)


def test_people_and_near_duplicates_in_two_splits_are_named(tmp_path: Path) -> None:
    def encode(label: int, number: int) -> tuple[str, bytes]:
        return ".jpg", image.encode(_picture(label, number), "jpeg:90")

    def other(label: int, number: int) -> tuple[str, bytes]:
        source = texture(40, 40, 3 if number == 0 and not label else 100 + 2 * number + label)
        return ".jpg", image.encode(np.asarray(Pillow.fromarray(source).resize((80, 80))), "jpeg:60")

    train, test = _set(tmp_path, encode), _set(tmp_path, other, "test")
    train[6] = replace(train[6], path=tmp_path / "planted.jpg", identities=("test-7",))
    (tmp_path / "planted.jpg").write_bytes(image.encode(texture(40, 40, 3), "jpeg:90"))
    found = _audit(tmp_path, train + test)
    assert found.people == ["test-7"]
    assert (str(tmp_path / "planted.jpg"), str(test[0].path)) in found.near
    assert len(found.near) <= 3  # that one, and no crowd of accidents
    assert sum("two splits" in warning for warning in found.warnings) == 2


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    samples = _set(tmp_path, lambda label, n: (".jpg", image.encode(_picture(label, n), "jpeg:90")))
    samples[0].path.write_bytes(b"")
    found = _audit(tmp_path, samples)
    assert found.unreadable == {str(samples[0].path): "unreadable"}
    assert file_statistics(tmp_path / "absent.jpg").status is Status.UNREADABLE


def test_rare_categories_do_not_look_telling() -> None:
    """Each category of its own, or none at all: by construction nothing can be learnt."""
    labels = np.arange(200) % 2
    assert category_auc(list(range(200)), labels, list(range(200))) == pytest.approx(0.5)
    assert category_auc(["same"] * 200, labels, list(range(200))) == pytest.approx(0.5)
    assert category_auc(labels.tolist(), labels, list(range(200))) == 1


def test_the_interval_of_an_auc_is_that_of_hanley_and_mcneil() -> None:
    """Their worked case: 58 normal and 51 abnormal, area 0.893, standard error 0.032 (table II)."""
    assert auditing._standard_error(0.893, 51, 58) == pytest.approx(0.032, abs=1e-3)


@pytest.mark.parametrize("number", [10, 50, 75, 92, 100])
def test_the_quality_of_a_table(number: int, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(image.encode(texture(), f"jpeg:{number}"))
    with Pillow.open(path) as picture:
        assert quality(picture.quantization) == number  # type: ignore[attr-defined]
    assert np.isnan(quality({}))
