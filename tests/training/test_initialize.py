"""Where a net begins, and nets that are solved instead of stepped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from skimage import data
from skimage.transform import resize

from facewitness.data import manifest
from facewitness.detectors import cards, zoo
from facewitness.detectors.graph import Graph, build
from facewitness.detectors.nets.backbone import imagenet_weights
from facewitness.detectors.nets.effnet import EffnetMap
from facewitness.training import supervised, train
from facewitness.training.recipe import LossSection, OptimSection
from facewitness.types import FacewitnessError, RecipeError, Sample
from tests.fakes import LIGHTNING_CHATTER, astronaut, save

pytestmark = [*LIGHTNING_CHATTER, pytest.mark.slow]
TINY = ["optim.epochs=1", "crop.size_px=64", "optim.average=0"]


def _train(recipe: Path, out: Path, *overrides: str) -> Path:
    return train.train(recipe, out, [*TINY, *overrides], progress=None)


def test_imagenet_is_taken_for_all_but_the_last_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model
    torch.manual_seed(1)
    published = create("resnet18")

    def answer(name: str, pretrained: bool = False, **rest: object) -> object:
        return published if pretrained else create(name, **rest)

    monkeypatch.setattr(timm, "create_model", answer)
    net = build(zoo.card("resnet18"))
    last = net.body.fc.weight.clone()
    net.load_imagenet()
    assert torch.equal(net.body.conv1.weight, published.conv1.weight)
    assert torch.equal(net.body.fc.weight, last)


def test_lite0_from_its_package_fills_the_encoder_and_its_widened_first_layer() -> None:
    net = EffnetMap(backbone="tf_efficientnet_lite0", activation="relu6")
    net.load_imagenet()
    published = imagenet_weights("tf_efficientnet_lite0")
    stem = net.encoder.conv_stem.weight
    assert torch.equal(stem[:, :3], published["conv_stem.weight"])
    assert torch.equal(stem[:, 3:], published["conv_stem.weight"] / 4)
    assert torch.equal(net.encoder.blocks[-1][-1].conv_pw.weight, published["blocks.4.2.conv_pw.weight"])


def test_imagenet_of_lite0_knows_a_cat() -> None:
    pixels = torch.from_numpy(resize(data.cat(), (224, 224)).astype(np.float32)).permute(2, 0, 1)[None]
    net = timm.create_model("tf_efficientnet_lite0").eval()
    net.load_state_dict(imagenet_weights("tf_efficientnet_lite0"))
    with torch.inference_mode():
        assert int(net(pixels * 2 - 1).argmax()) in range(281, 287)  # ImageNet's cats; 285 is the Egyptian cat


def test_imagenet_that_cannot_be_had_is_an_error_and_nothing_else(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **rest: object) -> object:
        if pretrained:
            raise OSError("no connection")
        return create(name, **rest)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(RecipeError, match=r"no connection.*net\.init=random"):
        _train(recipe, tmp_path / "run", "net.entry=resnet18", "net.init=imagenet")
    with pytest.raises(RecipeError, match="meso4 has no ImageNet weights"):
        _train(recipe, tmp_path / "other", "net.entry=meso4", "net.init=imagenet")


def test_a_start_that_does_not_fit_is_named(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere.*cannot be a start for meso4"):
        _train(recipe, tmp_path / "run", "net.entry=meso4", "net.init=nowhere")


def test_a_spectrum_is_observed_before_the_first_step(recipe: Path, tmp_path: Path) -> None:
    folder = _train(recipe, tmp_path / "run", "net.entry=dct-cnn", "optim.rate=1e-9")
    net = zoo.load(folder).graph.net  # type: ignore[attr-defined]
    assert net.mean.abs().sum() > 0
    assert not torch.equal(net.deviation, torch.ones_like(net.deviation))


def test_templates_are_learnt_before_the_first_step(recipe: Path, tmp_path: Path) -> None:
    before = build(zoo.card("ffd-xception-mam"))
    folder = _train(recipe, tmp_path / "run", "net.entry=ffd-xception-mam", "loss.kind=attention")
    net = zoo.load(folder).graph.net  # type: ignore[attr-defined]
    assert not torch.equal(net.mean, before.mean)
    assert not torch.equal(net.templates, before.templates)


def test_a_svm_is_solved_and_folded_into_the_net(recipe: Path, tmp_path: Path, toy_data: Path) -> None:
    folder = _train(recipe, tmp_path / "run", "net.entry=steg-svm", "optim.optimizer=svm")
    card = cards.read(folder)
    assert card.calibration is not None
    net = zoo.load(folder).graph.net  # type: ignore[attr-defined]
    assert net.classify.weight.abs().sum() > 0
    again = _train(recipe, tmp_path / "again", "net.entry=steg-svm", "optim.optimizer=svm")
    assert cards.read(again).weights == card.weights


def test_a_svm_of_too_few_says_so(tmp_path: Path, recipe: Path, toy_data: Path) -> None:
    few = [sample for sample in manifest.read(toy_data / "manifest.parquet") if sample.path.stem not in ("2", "3")]
    manifest.write(few, tmp_path / "few.parquet")
    with pytest.raises(FacewitnessError, match="2 pairs are too few"):
        _train(
            recipe, tmp_path / "run", "net.entry=steg-svm", "optim.optimizer=svm", f"data.path={tmp_path}/few.parquet"
        )


def test_a_svm_wants_a_net_that_ends_in_one_unit(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="one linear unit"):
        _train(recipe, tmp_path / "run", "net.entry=resnet18", "optim.optimizer=svm")


def test_the_constraint_holds_after_training_steps(recipe: Path, tmp_path: Path) -> None:
    folder = _train(recipe, tmp_path / "run", "net.entry=suppressnet", "optim.rate=0.05")
    weight = zoo.load(folder).graph.net.constrained.weight.detach()[:, 0]  # type: ignore[attr-defined]
    assert torch.equal(weight[:, 2, 2], torch.full((12,), -1.0))
    torch.testing.assert_close(weight.sum((1, 2)), torch.zeros(12), atol=1e-4, rtol=0)


def test_at_first_only_the_last_layer_learns() -> None:
    graph = Graph(zoo.card("resnet18"))
    module = supervised.Supervised(graph, LossSection(), OptimSection(head_epochs=2), total_steps=1)
    module.on_train_epoch_start()  # of epoch 0
    learning = [name for name, parameter in graph.net.named_parameters() if parameter.requires_grad]
    assert learning == ["body.fc.weight", "body.fc.bias"]
    module = supervised.Supervised(Graph(zoo.card("capsule-v2")), LossSection(), OptimSection(head_epochs=1), 1)
    with pytest.raises(RecipeError, match="no last layer"):
        module.on_train_epoch_start()


def test_after_that_everything_learns(recipe: Path, tmp_path: Path) -> None:
    given = ("net.entry=resnet18", "optim.head_epochs=1", "optim.rate=0.01", "optim.average=0", "crop.size_px=64")
    one, two = (
        train.train(recipe, tmp_path / str(epochs), [*given, f"optim.epochs={epochs}"], progress=None)
        for epochs in (1, 2)
    )
    first, second = (zoo.load(folder).graph.net.body.conv1.weight for folder in (one, two))  # type: ignore[attr-defined]
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [("constant", [1, 1, 1, 1]), ("steps", [1, 0.1, 0.01, 0.01]), ("cosine", [1, 0.75, 0.25, 0])],
)
def test_schedules(schedule: str, rates: list[float]) -> None:
    optim = OptimSection(schedule=schedule, rate=1e-3, drop_every_steps=10, lowest_rate=1e-5, warmup_steps=0)
    module = supervised.Supervised(Graph(zoo.card("meso4")), LossSection(), optim, total_steps=30)
    np.testing.assert_allclose([module._rate(step) for step in (0, 10, 20, 30)], rates, atol=1e-9)


def test_only_the_wanted_methods_of_a_manifest_are_trained_on(recipe: Path, tmp_path: Path) -> None:
    samples = []
    for number in range(6):
        picture = np.roll(astronaut(), 5 * number, axis=1)
        split = "train" if number < 4 else "val"
        for method in ("real", "one", "two"):
            path = save(picture, tmp_path / f"{number}-{method}.png")
            samples.append(Sample(path, int(method != "real"), method, identities=(str(number),), split=split))
    manifest.write(samples, tmp_path / "m.parquet")
    given = [f"data.path={tmp_path / 'm.parquet'}", "forge.methods={}", "net.entry=meso4", 'data.methods=["two"]']
    folder = _train(recipe, tmp_path / "run", *given)
    kept = manifest.read(folder / "manifest.parquet")
    assert {sample.method for sample in kept} == {"real", "two"}
    with pytest.raises(FacewitnessError, match="no fake of the method 'three'"):
        _train(recipe, tmp_path / "other", *given[:-1], 'data.methods=["three"]')
