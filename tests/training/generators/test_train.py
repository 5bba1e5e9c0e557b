"""Networks behind manipulations: what they are taught, and one of each kind fitted, published and used, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from facewitness.forge import generators
from facewitness.forge.forgery import Portrait
from facewitness.forge.methods import METHODS
from facewitness.forge.render import forge_one
from facewitness.media import faces
from facewitness.training.generators.adversarial import difference, hinge, steepness, window
from facewitness.training.generators.generator import UPSAMPLERS, Critic, FirUp, Generator, Quantizer
from facewitness.training.generators.tasks import TASKS, Face, components, groups
from facewitness.training.generators.train import mirrored, tile, train_generator
from facewitness.training.losses import discriminated, fooled
from facewitness.types import CropProfile, ForgeError, RecipeError
from tests.fakes import astronaut

pytestmark = [
    pytest.mark.slow,  # the others: Lightning's own, as in test_run.py
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
    pytest.mark.filterwarnings("ignore:.*Experiment logs directory.*"),
    pytest.mark.filterwarnings("ignore:.*Checkpoint directory.*"),
]

TINY = (
    *("data.size_px=32", "data.workers=0", "optim.epochs=1", "optim.steps=2", "optim.batch=2", "net.width=4"),
    *("net.depth=2", "optim.critic_width=4", "trainer.accelerator=cpu", "trainer.devices=1", "trainer.threads=1"),
)


@pytest.fixture(scope="module")
def head() -> Portrait:
    rgb = astronaut()
    square = generators.square(Portrait(rgb, faces.find(rgb)[0].landmarks), CropProfile(size_px=96, margin=0.5))
    return Portrait(square.image, square.landmarks)


def test_every_network_method_has_a_task_and_no_other() -> None:
    assert set(TASKS) == {name for name, method in METHODS.items() if method.generator}


@pytest.mark.parametrize("name", TASKS)
def test_what_a_network_is_taught_is_what_the_forge_will_show_it(name: str, head: Portrait) -> None:
    task = TASKS[name]
    code = np.zeros(task.net.get("noise", 0), np.float32)
    one, two = (task.example(Face(head, 0, code), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.input, two.input)
    assert one.truth.shape == (3, 96, 96)
    assert one.weight.shape == (96, 96)
    assert one.weight.min() >= 0
    if not task.net.get("noise"):
        assert one.input.shape == (task.net.get("inputs", 3), 96, 96)
        seen = torch.from_numpy(one.input[None])
        options = {key: value for key, value in task.net.items() if key != "width"}
        assert Generator(96, width=4, **options)(seen).shape == (1, 3, 96, 96)


def test_the_mouth_is_not_given_away(head: Portrait) -> None:
    example = TASKS["neuraltextures"].example(Face(head, 0, np.zeros(0, np.float32)), np.random.default_rng(0))
    inside = example.weight > example.weight.max() * 0.9
    assert np.abs(example.input[:3] - example.truth)[:, inside].mean() > 0.02
    assert np.abs(example.input[:3] - example.truth)[:, ~(example.weight > 0.06)].max() < 0.002


@pytest.mark.parametrize("up", UPSAMPLERS)
@pytest.mark.parametrize("skip", [True, False])
def test_the_generator_keeps_size_and_range(up: str, skip: bool) -> None:
    made = Generator(32, 5, width=4, depth=3, up=up, skip=skip, decoders=2).eval()(torch.rand(2, 5, 32, 32)).detach()
    assert made.shape == (2, 6, 32, 32)
    assert float(made.min()) >= 0
    assert float(made.max()) <= 1


def test_the_up_sampling_of_stylegan_keeps_the_scale_of_its_features() -> None:
    torch.manual_seed(0)
    layer = FirUp(16, 8)
    with torch.no_grad():
        layer.style.weight.zero_()
        layer.style.bias.fill_(4.0)  # five times as large: the demodulation takes it back
    made = layer(torch.randn(2, 16, 32, 32)).detach()
    assert made.shape == (2, 8, 64, 64)
    assert 0.2 < float(made.std()) < 1.0  # of 1, less what the low-pass takes away


def test_quantised_features_take_few_values_and_pass_gradients() -> None:
    torch.manual_seed(0)
    layer = Quantizer(16, 5)
    layer.widen.weight.data = torch.eye(16)[:, :, None, None]
    layer.widen.bias.data.zero_()
    features = torch.randn(1, 16, 8, 8, requires_grad=True)
    made = layer(features * 3)
    assert set(made.detach().unique().tolist()) <= {-2.0, -1.0, 0.0, 1.0, 2.0}
    made.sum().backward()
    assert features.grad is not None
    assert float(features.grad.abs().sum()) > 0


def test_a_tile_is_cut_from_anywhere_and_mirrored_where_the_picture_is_smaller(head: Portrait) -> None:
    rng = np.random.default_rng(0)
    small = tile(head, 32, rng)
    assert small.image.shape == (32, 32, 3)
    moved = (head.landmarks - small.landmarks)[0].round().astype(int)
    np.testing.assert_array_equal(small.image, head.image[moved[1] : moved[1] + 32, moved[0] : moved[0] + 32])
    assert tile(head, 128, rng).image.shape == (128, 128, 3)


def test_logistic_and_steepness_by_hand() -> None:
    real, forged = torch.tensor([0.0, np.log(3)]), torch.tensor([-np.log(3)])
    assert float(discriminated(real, forged)) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2 + np.log(4 / 3))
    assert float(fooled(forged)) == pytest.approx(np.log(4))
    critic = Critic(width=4, spectral=False)
    critic.layers = torch.nn.Sequential(_Slope())
    assert float(steepness(critic, torch.rand(2, 3, 4, 4))) == pytest.approx(48 * (2 * 3) ** 2 / 48**2 / 2)


class _Slope(torch.nn.Module):
    """Three times the mean of a picture, as a logit."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 3 * images.mean((1, 2, 3), keepdim=True)


def test_hinge_and_difference_by_hand() -> None:
    assert float(hinge(torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0]))) == pytest.approx(0.25 + 0.5)
    truth = torch.zeros(1, 3, 2, 2)
    made = truth.clone()
    made[..., 0, 0] = 1.0
    weight = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert float(difference(made, truth, weight, edges=0.0)) == pytest.approx(0.5)  # 1 of the 2 pixels that count


def test_the_window_is_where_the_weight_is() -> None:
    picture, weight = torch.zeros(1, 3, 32, 32), torch.zeros(1, 32, 32)
    picture[..., 20:24, 4:8] = 1
    weight[..., 20:24, 4:8] = 1
    assert window(picture, weight).mean() > 3 * picture.mean()


def test_the_critic_is_spectrally_normalised() -> None:
    critic = Critic(width=8)
    critic(torch.rand(4, 3, 32, 32))
    for _ in range(20):
        critic(torch.rand(4, 3, 32, 32))  # power iteration settles
    for layer in critic.layers:
        if isinstance(layer, torch.nn.Conv2d):
            assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.1)


def test_mirroring_twice_changes_nothing_and_once_exchanges_the_eyes(head: Portrait) -> None:
    twice = mirrored(mirrored(head))
    np.testing.assert_array_equal(twice.image, head.image)
    np.testing.assert_allclose(twice.landmarks, head.landmarks, atol=1e-3)
    once = mirrored(head)
    assert once.landmarks[36, 0] < once.landmarks[45, 0], "the eye on the left is still the first"


def test_groups_and_components(head: Portrait) -> None:
    dark = Portrait(np.ascontiguousarray(head.image[::-1]), head.landmarks)
    people = [head, dark, head, dark, head, dark]
    number = groups(people, 2, seed=0)
    assert len(set(number[::2])) == len(set(number[1::2])) == 1
    assert number[0] != number[1]
    rng = np.random.default_rng(0)
    noise = [Portrait(rng.integers(0, 256, (16, 16, 3), np.uint8), head.landmarks) for _ in range(12)]
    parts = components(noise, 4, seed=0)
    assert parts.codes.shape == (12, 4)
    np.testing.assert_allclose(parts.codes.std(0), 1, atol=0.25)
    with pytest.raises(ValueError, match="12 faces cannot have 12"):
        components(noise, 12, seed=0)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        *(("inpaint-conv", ()), ("deepfake", ("data.groups=2",)), ("synthesis", ("net.noise=2",))),
        *(("reconstruct-fir-8", ()), ("reconstruct-quantised-4", ())),
    ],
)
def test_a_network_is_fitted_published_and_used(
    name: str, extra: tuple[str, ...], head: Portrait, toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ForgeError, match=f"forge train-generator {name}"):
        generators.load(name)
    folder = train_generator(name, toy_data, overrides=[*TINY, *extra], progress=None)
    card = json.loads((folder / "card.json").read_text())
    assert card["trained_on"] == {"d0": 2, "d1": 2}, "the train split alone"
    assert (folder / "run" / "samples.png").is_file()
    made = forge_one(METHODS[name], head, np.random.default_rng(0))
    assert made.region.any()
    assert np.array_equal(made.image[~made.region], head.image[~made.region])


def test_fitting_stops_and_goes_on(toy_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = [*TINY, "optim.epochs=2"]
    run = generators.folder("inpaint-conv") / "run"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("facewitness.training.generators.train._publish", stop)
        with pytest.raises(KeyboardInterrupt):
            train_generator("inpaint-conv", toy_data, overrides=options, progress=None)
    assert not generators.ready("inpaint-conv")
    with pytest.raises(RecipeError, match="already holds a run"):
        train_generator("inpaint-conv", toy_data, overrides=options, progress=None)
    train_generator("inpaint-conv", toy_data, overrides=options, resume=True, progress=None)
    assert generators.ready("inpaint-conv")
    assert (run / "finished").exists()


def test_what_cannot_be_fitted_is_said(toy_data: Path) -> None:
    with pytest.raises(ForgeError, match="'selfblend' has no network to fit"):
        train_generator("selfblend", toy_data, progress=None)
    with pytest.raises(RecipeError, match="did you mean 'epochs'"):
        train_generator("deepfake", toy_data, overrides=["optim.epoch=3"], progress=None)
