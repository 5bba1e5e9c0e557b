"""An evaluation from photographs to report, stopped and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from facewitness.data import manifest
from facewitness.evaluation import scores as scoring
from facewitness.evaluation.evaluate import evaluate
from facewitness.evaluation.requirements import read
from facewitness.types import CardError, CropProfile, Detection, Image, ManifestError, Sample
from tests.evaluation import scene
from tests.fakes import FAKE_CARD, FakeDetector, save

ROOT = Path(__file__).parents[2]
COMMAND = ("facewitness", "evaluate", "my set.csv", "--out", "eval")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny set, one evaluation of it and its report."""
    at = tmp_path_factory.mktemp("set")
    table = scene.write(at)
    quiet = {"workers": 0, "progress": None}
    evaluate(
        table,
        FakeDetector(),
        at / "eval",
        report_file=at / "docs" / "report.md",
        trained_on=["whiten"],
        command=COMMAND,
        **quiet,
    )
    return at


def shown(detector: FakeDetector) -> int:
    return sum(shape[0] for shape in detector.calls)


def test_rows_are_the_samples_in_their_order(made: Path) -> None:
    found = pl.read_parquet(made / "eval" / "scores.parquet")
    samples = manifest.read(made / "manifest.parquet")
    assert found["path"].to_list() == [str(sample.path) for sample in samples]
    assert found["method"].to_list() == [sample.method for sample in samples]
    assert found["person"][0] == "identity p0"


def test_a_failure_has_a_status_and_no_number(made: Path) -> None:
    found = pl.read_parquet(made / "eval" / "scores.parquet")
    (failed,) = found.filter(pl.col("path").str.ends_with("broken.jpg")).iter_rows(named=True)
    assert failed["status"] == "unsupported"
    assert failed["note"]
    assert failed["score"] is failed["verdict"] is failed["iou"] is None
    assert found["score"].null_count() == 1


def test_maps_are_judged_where_the_truth_is_known(made: Path) -> None:
    found = pl.read_parquet(made / "eval" / "scores.parquet")
    assert found.filter(pl.col("method") == "whiten")["iou"].is_between(0.5, 0.8).all()  # the white square is the face
    assert found.filter(pl.col("method") == "whiten2")["iou"].null_count() == 3  # nobody drew a mask
    reals = found.filter((pl.col("label") == 0) & (pl.col("status") == "ok"))
    assert reals["iou"].to_list() == [0.0] * 6  # the detector of this test calls every bright pixel forged
    assert reals["false_positive_area"].is_between(0.2, 0.6).all()
    assert reals["pixel_auc"].null_count() == 6


def test_the_further_faces_of_a_photograph_count_as_in_a_scan(tmp_path: Path) -> None:
    bright = scene.pair()
    bright[:, 310:] = np.minimum(255, bright[:, 310:].astype(int) + 60)  # the smaller face, on the right
    samples = [Sample(save(bright, tmp_path / "two.png"), 0), Sample(save(scene.pair(), tmp_path / "plain.png"), 0)]
    manifest.write(samples, tmp_path / "m.csv")
    evaluate(tmp_path / "m.csv", FakeDetector(), tmp_path / "eval", split="all", workers=0, progress=None)
    two, plain = pl.read_parquet(tmp_path / "eval" / "scores.parquet").iter_rows(named=True)
    assert two["faces"] == plain["faces"] == 2
    assert two["score"] == pytest.approx(plain["score"], abs=0.02)
    assert two["highest"] > two["score"] + 0.1


def test_table_and_record(made: Path) -> None:
    evaluation = read(made / "eval")
    auc = evaluation.row("auc", "whiten")
    assert (auc["value"], auc["n_real"], auc["n_fake"], auc["n_unscored"]) == (1.0, 6, 6, 1)
    assert evaluation.record["counts"]["real"] == {"street": {"ok": 3, "unsupported": 1}, "studio": {"ok": 3}}
    assert evaluation.record["manifest"]["sha256"] == manifest.digest(made / "manifest.parquet")
    assert evaluation.record["detector"]["weights"] == FAKE_CARD.weights
    text = pl.read_csv(made / "eval" / "table.csv")
    assert text.height == evaluation.table.height
    assert not (made / "eval" / "parts").exists()


def test_the_report_says_what_a_reader_must_know(made: Path) -> None:
    text = (made / "docs" / "report.md").read_text()
    for needed in (
        "# Results: fake.brightness",
        "`facewitness evaluate 'my set.csv' --out eval`",
        FAKE_CARD.weights or "",
        manifest.digest(made / "manifest.parquet"),
        "seed 0",
        "| AUC, whiten | at least 0.95 | 1.000 (1.000-1.000) | yes |",
        "AUC on whiten when trained without it: not measured",
        "whiten2 (never trained on)",
        "whiten2: compared with the reals of studio only",
        "| real | street | 4 | 1 |",
        f"numpy {np.__version__}",
    ):
        assert needed in text
    assert "AUC, whiten2" not in text  # no requirement for what it was not trained on
    assert str(made) not in text  # nobody's home folder in a public report


def test_a_finished_evaluation_is_not_scored_again(made: Path) -> None:
    before = pl.read_parquet(made / "eval" / "scores.parquet")
    detector = FakeDetector()
    evaluate(made / "manifest.parquet", detector, made / "eval", seed=9, progress=None)
    assert shown(detector) == 0
    assert pl.read_parquet(made / "eval" / "scores.parquet").equals(before)
    assert json.loads((made / "eval" / "evaluation.json").read_text())["seed"] == 9


def copied(at: Path) -> tuple[Path, Path]:
    """A set of its own with a finished evaluation, for tests that change it."""
    table = scene.write(at, people=2)
    evaluate(table, FakeDetector(), at / "eval", workers=0, progress=None)
    return table, at / "eval"


def test_a_photograph_that_changed_is_scored_again_and_only_that(tmp_path: Path) -> None:
    table, out = copied(tmp_path)
    before = pl.read_parquet(out / "scores.parquet")["score"].to_list()
    save(scene.photograph(5), tmp_path / "real-0.png")
    detector = FakeDetector()
    evaluate(table, detector, out, workers=0, progress=None)
    assert shown(detector) == 1
    after = pl.read_parquet(out / "scores.parquet")["score"].to_list()
    assert after[0] != before[0]
    assert after[1:] == before[1:]


@pytest.mark.parametrize("what", ["weights", "crop", "no weights", "manifest"])
def test_another_detector_or_manifest_starts_anew(tmp_path: Path, what: str) -> None:
    table, out = copied(tmp_path)
    cards = {
        "weights": replace(FAKE_CARD, weights="1" * 64),
        "crop": replace(FAKE_CARD, crop=CropProfile(size_px=48)),
        "no weights": replace(FAKE_CARD, weights=None),
        "manifest": FAKE_CARD,
    }
    if what == "manifest":
        manifest.write(manifest.read(table)[:-1], table)
    detector = FakeDetector(cards[what])
    evaluate(table, detector, out, workers=0, progress=None)
    assert shown(detector) == 5  # two reals, two of whiten, one of whiten2


KILLED = """
import os, sys
from pathlib import Path
from facewitness.evaluation import scores
from facewitness.evaluation.evaluate import evaluate
from tests.fakes import FakeDetector

scores._BATCH, scores._ROWS_PER_PART = 2, 2

class Dying(FakeDetector):
    def __call__(self, crops):
        if len(self.calls) == 3:
            os.kill(os.getpid(), 9)
        return super().__call__(crops)

evaluate(Path(sys.argv[1]), Dying(), Path(sys.argv[2]), workers=0, progress=None)
"""


def test_killed_in_the_middle_it_goes_on_and_loses_nothing(made: Path, tmp_path: Path) -> None:
    paths = [str(made / "manifest.parquet"), str(tmp_path / "eval")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    killed = subprocess.run([sys.executable, "-c", KILLED, *paths], env=environment, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert not (tmp_path / "eval" / "scores.parquet").exists()
    detector = FakeDetector()
    evaluate(made / "manifest.parquet", detector, tmp_path / "eval", workers=0, progress=None)
    assert shown(detector) == 15 - 6  # three batches of two were kept
    whole, again = (pl.read_parquet(at / "eval" / "scores.parquet") for at in (made, tmp_path))
    assert again["path"].to_list() == whole["path"].to_list()
    assert np.allclose(again["score"].drop_nulls().to_numpy(), whole["score"].drop_nulls().to_numpy(), atol=1e-6)


def test_left_out_methods_are_judged_alone(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = FakeDetector(replace(FAKE_CARD, name="fake.without", weights="2" * 64))
    monkeypatch.setattr("facewitness.detectors.zoo.load", lambda name: {"without": other}[str(name)])
    report_file, out = tmp_path / "report.md", tmp_path / "eval"
    left_out = {"whiten2": "without"}
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n")
    written = {"report_file": report_file, "readme": readme}
    evaluate(made / "manifest.parquet", FakeDetector(), out, **written, left_out=left_out, workers=0, progress=None)
    found = pl.read_parquet(out / "left-out" / "whiten2" / "scores.parquet")
    assert set(found["method"]) == {"real", "whiten2"}
    text = report_file.read_text()
    assert "| AUC on whiten2 when trained without it | to be reported | 1.000 (1.000-1.000) | reported |" in text
    assert "fake.without `222222222222`" in text
    short = readme.read_text()
    assert short.startswith("before\n<!-- results -->\n| method | AUC |")
    assert short.endswith("<!-- /results -->\nafter\n")
    assert "old" not in short
    assert next(line for line in short.splitlines() if line.startswith("| whiten2")).endswith("| 1.000 (1.000-1.000) |")


def test_a_file_without_marks_is_not_written_to(made: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing to fill in\n")
    with pytest.raises(ManifestError, match="no <!-- results -->"):
        evaluate(made / "manifest.parquet", FakeDetector(), tmp_path, readme=readme, workers=0, progress=None)
    assert readme.read_text() == "nothing to fill in\n"


@dataclass
class Broken(FakeDetector):
    """Answers with what is no score."""

    answer: float = float("nan")

    def __call__(self, crops: Image) -> Detection:
        return replace(super().__call__(crops), score=np.full(len(crops), self.answer, np.float32))


@pytest.mark.parametrize("answer", [float("nan"), 1.5])
def test_a_detector_that_gives_no_scores_is_refused(made: Path, tmp_path: Path, answer: float) -> None:
    with pytest.raises(CardError, match=r"one score in 0\.\.1"):
        evaluate(made / "manifest.parquet", Broken(answer=answer), tmp_path / "eval", workers=0, progress=None)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"split": "val"}, "no sample in the split 'val'; its splits are: test"),
        ({"split": "dev"}, "'dev' is no split; choose one of train, val, test, or all"),
        ({"methods": ["swap"]}, "no fake of the method 'swap' .* it has: whiten, whiten2"),
        ({"trained_on": ["whitem"]}, "no fake of the method 'whitem'"),
        ({"left_out": {"swap": "x"}}, "no detector 'x'|no fake of the method 'swap'"),
    ],
)
def test_what_cannot_be_judged_is_said_before_anything_is_read(
    made: Path, tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    detector = FakeDetector()
    with pytest.raises((ManifestError, CardError), match=message):
        evaluate(made / "manifest.parquet", detector, tmp_path / "eval", progress=None, **asked)
    assert not detector.calls
    assert not (tmp_path / "eval").exists()


def test_a_person_in_two_splits_is_refused(made: Path, tmp_path: Path) -> None:
    samples = manifest.read(made / "manifest.parquet")
    samples[0] = replace(samples[0], split="train")
    manifest.write(samples, tmp_path / "leak.parquet")
    with pytest.raises(ManifestError, match="'p0' is in two splits"):
        evaluate(tmp_path / "leak.parquet", FakeDetector(), tmp_path / "eval", progress=None)


def test_only_what_was_made_by_the_same_way_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = scoring.key(FAKE_CARD, "digest", "test")
    assert before == scoring.key(FAKE_CARD, "digest", "test")
    assert before != scoring.key(FAKE_CARD, "digest", "all")
    assert FAKE_CARD.calibration is not None
    recoloured = replace(FAKE_CARD, calibration=replace(FAKE_CARD.calibration, map_scale=0.1))
    assert before == scoring.key(recoloured, "digest", "test"), "how maps are drawn changes no number"
    stricter = replace(FAKE_CARD, calibration=replace(FAKE_CARD.calibration, fake_above=0.9))
    assert before != scoring.key(stricter, "digest", "test")
    monkeypatch.setattr(scoring, "_VERSION", 99)
    assert before != scoring.key(FAKE_CARD, "digest", "test")
