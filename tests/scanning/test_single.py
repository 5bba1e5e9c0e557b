"""A photograph from Python: as a file, as bytes, as pixels."""

from __future__ import annotations

import numpy as np
import pytest

import facewitness
from facewitness.media import image
from facewitness.types import Status, Verdict
from tests.fakes import FakeDetector, astronaut


def test_bytes_and_pixels_give_the_report_of_the_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("p") / "a.png"
    data = image.encode(astronaut(), "png")
    path.write_bytes(data)
    reports = [facewitness.scan(one, FakeDetector()) for one in (path, str(path), data, astronaut())]
    assert [str(report.source) for report in reports] == [str(path), str(path), "<bytes>", "<pixels>"]
    assert len({report.score for report in reports}) == 1
    assert {report.verdict for report in reports} == {Verdict.INCONCLUSIVE}
    assert reports[0].sha256 == reports[2].sha256 is not None
    assert reports[3].sha256 is None
    assert reports[2].provenance
    assert reports[3].provenance == ()


def test_bytes_that_are_no_picture_have_a_status() -> None:
    report = facewitness.scan(b"no picture", FakeDetector())
    assert (report.status, report.score) == (Status.UNSUPPORTED, None)
    assert "facewitness-" not in report.notes[0]


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_other_pixels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8 RGB"):
        facewitness.scan(np.zeros(shape, np.uint8), FakeDetector())
    with pytest.raises(ValueError, match="float"):
        facewitness.scan(np.zeros((8, 8, 3)), FakeDetector())


def test_stability_can_be_asked_for() -> None:
    (face,) = facewitness.scan(astronaut(), FakeDetector(), stability=True).findings
    assert len(face.variants) == 6
