"""Members that judge together: the formula, the files, and what every user of a detector sees of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import facewitness
from facewitness.data import manifest
from facewitness.detectors import cards, zoo
from facewitness.detectors.architectures import ARCHITECTURES
from facewitness.detectors.export import export
from facewitness.detectors.fused import FusedDetector, member_margins
from facewitness.detectors.graph import fresh
from facewitness.detectors.onnx_backend import OnnxDetector
from facewitness.evaluation import evaluate as evaluating
from facewitness.evaluation.fuse import calibrated, fit, fuse
from facewitness.media import faces
from facewitness.types import CardError, CropProfile, FacewitnessError, Sample, Verdict
from tests.fakes import astronaut, crowd, save

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two untrained nets: one sees the aligned face, the other tiles."""
    home = tmp_path_factory.mktemp("members")
    square, tiles = CropProfile(size_px=64), CropProfile(alignment=faces.TILES, size_px=48, tiles=4)
    made = {}
    for name, entry, crop in (("blend", "effnet-map", square), ("trace", "effnet-map", tiles)):
        card = zoo.resized(ARCHITECTURES[entry], crop)
        made[name] = export(replace(card, name=f"{name}.test"), fresh(card), home / name)
    return made


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many copies of one face, dark ones called fake."""
    folder = tmp_path_factory.mktemp("data")
    samples = []
    for number in range(8):
        label = number % 2
        rgb = (astronaut() // 2 if label else astronaut())[number:]
        path = save(np.ascontiguousarray(rgb), folder / f"{number}.png")
        samples.append(Sample(path, label, "dark" if label else "real", dataset="own", split="val"))
    manifest.write(samples, folder / "manifest.parquet")
    return folder / "manifest.parquet"


@pytest.fixture(scope="module")
def fused(members: dict[str, Path], data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fused")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facewitness.evaluation.fuse.FAKE_RATE", 0.6)  # four reals can promise no less
        patch.setattr("facewitness.evaluation.fuse.REAL_RATE", 0.8)
        return fuse(members, data, out, name="both", workers=0)


def test_the_score_is_the_formula_of_its_card(fused: Path) -> None:
    detector = zoo.load(fused)
    assert isinstance(detector, FusedDetector)
    face = faces.find(astronaut())[0]
    crop = faces.crop(astronaut(), face.landmarks, detector.card.crop)[0]
    views = faces.views(astronaut(), face.landmarks, detector.card.crop)
    assert [view.shape for view in views] == [(4, 48, 48, 3)]
    found = detector.detect(crop[None], [views])
    blend, trace = detector.members
    own = blend(crop[None]).score[0], trace(views[0]).score
    logit = np.array([np.log(own[0] / (1 - own[0])), np.log(own[1] / (1 - own[1])).mean()])
    bias, *weights = detector.card.fusion
    assert found.score[0] == pytest.approx(1 / (1 + np.exp(-(bias + logit @ weights))), abs=1e-5)
    assert found.members is not None
    np.testing.assert_allclose(found.members[0], 1 / (1 + np.exp(-logit)), atol=1e-5)
    assert found.map is not None


def test_a_crop_without_views_is_refused(fused: Path) -> None:
    with pytest.raises(CardError, match="1 crops came with 0 views"):
        zoo.load(fused)(np.zeros((1, 64, 64, 3), np.uint8))


def test_a_scan_says_what_each_member_thinks(fused: Path, tmp_path: Path) -> None:
    report = facewitness.scan(save(crowd(), tmp_path / "crowd.png"), detector=fused)
    assert len(report.findings) == 2
    for face in report.findings:
        assert set(face.members) == {"blend", "trace"}
        assert face.map is not None
        assert isinstance(face.verdict, Verdict)
    plain = report.findings[0].to_json()
    assert plain["members"] == {name: round(score, 6) for name, score in report.findings[0].members.items()}
    assert type(report.findings[0]).from_json(plain).members == plain["members"]


def test_it_is_evaluated_like_any_other(fused: Path, data: Path, tmp_path: Path) -> None:
    import polars as pl

    evaluating.evaluate(data, fused, tmp_path / "out", split="val", workers=0)
    scores = pl.read_parquet(tmp_path / "out" / "scores.parquet")["score"]
    kept = np.load(fused / "validation_scores.npz")
    np.testing.assert_allclose(scores.to_numpy(), kept["score"], atol=1e-5)


def test_a_member_that_was_exchanged_is_noticed(fused: Path, tmp_path: Path) -> None:
    shutil.copytree(fused, tmp_path / "other")
    file = tmp_path / "other" / "trace" / "card.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"weights": "0" * 64}))
    with pytest.raises(CardError):
        zoo.load(tmp_path / "other")
    shutil.copytree(fused / "trace", tmp_path / "other" / "trace", dirs_exist_ok=True)
    card = cards.read(tmp_path / "other")
    cards.write(replace(card, fusion=card.fusion[:-1]), tmp_path / "other")
    with pytest.raises(CardError, match="one weight for each member"):
        zoo.load(tmp_path / "other")


def test_a_member_that_says_nothing_gets_no_weight_and_a_contrary_one_none_either() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 400)
    good = labels * 2.0 - 1 + rng.normal(0, 1, 800)
    fusion = fit(np.stack([good, rng.normal(0, 1, 800), -good], 1), labels, np.full(800, "swap"))
    assert fusion[1] > 1
    assert abs(fusion[2]) < 0.2
    assert fusion[3] == 0
    with pytest.raises(FacewitnessError, match="one of the two is absent"):
        fit(np.zeros((3, 2)), np.ones(3, int), np.full(3, "swap"))


def test_a_rare_method_weighs_as_much_as_a_common_one() -> None:
    rng = np.random.default_rng(0)
    labels = np.r_[np.zeros(500, int), np.ones(500, int)]
    methods = np.array(["real"] * 500 + ["common"] * 480 + ["rare"] * 20)
    for_common, for_rare = ((methods == name) * 3.0 + rng.normal(0, 1, 1000) for name in ("common", "rare"))
    margins = np.stack([for_common, for_rare], 1)
    alike, plain = fit(margins, labels, methods), fit(margins, labels, np.where(labels, "one", "real"))
    assert alike[2] > 2 * plain[2]


def test_the_worst_source_sets_the_threshold_and_its_promise_is_kept() -> None:
    rng = np.random.default_rng(0)
    scores = np.r_[rng.uniform(0, 0.5, 1000), rng.uniform(0, 0.8, 400), 0.99].astype(np.float32)
    sources = np.array(["calm"] * 1000 + ["loud"] * 400 + ["small"])
    found = calibrated(scores, np.zeros(1401, int), sources, 1.0)
    assert found.fake_above > 0.78
    assert found.real_below < found.fake_above
    assert found.bounds["loud"] <= 0.01
    assert found.bounds["small"] == 1
    with pytest.raises(FacewitnessError, match="200 real photographs are too few to promise 1%"):
        calibrated(scores[:200], np.zeros(200, int), sources[:200], 1.0)


def test_no_face_has_no_margins(members: dict[str, Path]) -> None:
    joined = [OnnxDetector(folder) for folder in members.values()]
    margins, first = member_margins(joined, np.zeros((0, 64, 64, 3), np.uint8), ())
    assert margins.shape == (0, 2)
    assert len(first.score) == 0
