"""Published weights give the published outputs."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import facewitness
from facewitness.detectors import published_weights, zoo
from facewitness.detectors.graph import Graph, build
from facewitness.detectors.nets.autoencoders import ClassNSeg
from facewitness.media import image
from facewitness.types import CardError

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
shared = [
    pytest.mark.shared,
    pytest.mark.skipif(not REFERENCE.is_dir(), reason="../shared/reference is not here"),
]
MESONET = {  # P(real) of four images, then of patterns A and B
    "Meso4_DF": (0.04141, 0.04869, 0.98975, 0.99770, 0.66095, 0.81545),
    "MesoInception_DF": (0.02622, 0.00095, 1.00000, 1.00000, 1.00000, 0.11356),
    "Meso4_F2F": (0.83124, 0.64110, 0.88102, 0.95244, 0.98122, 0.73946),
    "MesoInception_F2F": (0.99874, 1.00000, 1.00000, 0.99083, 0.72407, 0.91878),
}
IMAGES = ("df/df00204", "df/df01254", "real/real00240", "real/real00772")


def _pattern(kind: str) -> torch.Tensor:
    i, j, c = np.ogrid[:256, :256, :3]
    if kind == "A":
        values = ((31 * i + 17 * j + 71 * c) % 256) / 255
    else:
        values = 0.5 + 0.25 * np.sin(2 * np.pi * (i / 64 + c / 3)) + 0.25 * np.cos(2 * np.pi * (j / 48 - c / 5))
    return torch.from_numpy(np.asarray(values, np.float32)).permute(2, 0, 1)[None]


def _nearest(path: Path) -> np.ndarray:
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB").resize((256, 256), Image.Resampling.NEAREST))


@pytest.fixture(scope="module", params=MESONET)
def mesonet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    file = REFERENCE / "mesonet" / "weights" / f"{request.param}.h5"
    return request.param, published_weights.import_weights(
        "mesonet", [file], tmp_path_factory.mktemp(request.param) / "out"
    )


@pytest.mark.slow
class TestPublished:
    pytestmark = shared

    def test_mesonet_on_images(self, mesonet: tuple[str, Path]) -> None:
        name, folder = mesonet
        crops = np.stack([_nearest(REFERENCE / "mesonet" / "test_images" / f"{image}.jpg") for image in IMAGES])
        np.testing.assert_allclose(1 - facewitness.load(folder)(crops).score, MESONET[name][:4], atol=1e-3)

    def test_mesonet_on_patterns(self, mesonet: tuple[str, Path]) -> None:
        name, _ = mesonet
        entry, state = published_weights.read_mesonet([REFERENCE / "mesonet" / "weights" / f"{name}.h5"])
        net = build(zoo.card(entry)).eval()
        net.load_state_dict(state)
        with torch.no_grad():
            real = [float(torch.softmax(net(_pattern(kind)).logits, 1)[0, 0]) for kind in "AB"]
        np.testing.assert_allclose(real, MESONET[name][4:], atol=1e-4)

    def test_mesonet_in_the_wrong_order_of_channels_gives_the_known_wrong_scores(self, tmp_path: Path) -> None:
        file = REFERENCE / "mesonet" / "weights" / "Meso4_DF.h5"
        crops = np.stack([_nearest(REFERENCE / "mesonet" / "test_images" / f"{image}.jpg") for image in IMAGES])
        right = facewitness.load(published_weights.import_weights("mesonet", [file], tmp_path / "rgb"))
        wrong = 1 - right(np.ascontiguousarray(crops[..., ::-1])).score
        np.testing.assert_allclose(wrong, (0.24160, 0.46706, 0.95565, 0.99209), atol=1e-3)
        turned = facewitness.load(published_weights.import_weights("mesonet", [file], tmp_path / "bgr", channels="bgr"))
        np.testing.assert_allclose(1 - turned(crops).score, wrong, atol=1e-5)

    @pytest.mark.parametrize(
        ("file", "real", "forged", "area", "right", "error"),
        [("real", 1.2222, 0.0253, 0.0, 1.0, 0.518), ("fake", 0.1487, 1.1390, 0.2868, 0.9043, 0.422)],
    )
    def test_classnseg(self, file: str, real: float, forged: float, area: float, right: float, error: float) -> None:
        folder = REFERENCE / "classnseg"
        picture = image.read(folder / f"{file}.jpg")
        crop, mask = picture[:, :256], picture[:, 256:, 0] > 127
        graph = _classnseg()
        with torch.no_grad():
            output = graph.raw(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None])
            x = graph.normalised(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None])
            net = graph.net
            assert isinstance(net, ClassNSeg)
            made = net.decode(net.select(net.encode(x), output.logits.argmax(1) == 1))
        np.testing.assert_allclose(output.logits[0], (real, forged), atol=1e-3)
        assert output.map is not None
        found = (output.map[0, 0] > 0).numpy()
        assert found.mean() == pytest.approx(area, abs=1e-3)
        assert (found == mask).mean() == pytest.approx(right, abs=1e-3)
        assert float((made.picture - x).square().mean()) == pytest.approx(error, abs=2e-3)

    def test_classnseg_on_patterns(self) -> None:
        graph = _classnseg()
        for kind, zero, one in (("A", 0.055546, 0.036662), ("B", 0.009967, 0.026756)):
            with torch.no_grad():
                forged_and_real = graph.raw(_pattern(kind) * 255).logits[0].flip(0)
            np.testing.assert_allclose(forged_and_real, (zero, one), atol=1e-4)

    def test_classnseg_scans(self, tmp_path: Path) -> None:
        files = [REFERENCE / "classnseg" / f"{part}_46.pt" for part in ("encoder", "decoder")]
        detector = facewitness.load(published_weights.import_weights("classnseg", files, tmp_path / "out"))
        assert detector.card.licence == "BSD-3-Clause"
        detection = detector(cv2.resize(image.read(REFERENCE / "classnseg" / "fake.jpg")[:, :256], (256, 256))[None])
        assert detection.score[0] > 0.5
        assert detection.map is not None


def _classnseg() -> Graph:
    files = [REFERENCE / "classnseg" / f"{part}_46.pt" for part in ("encoder", "decoder")]
    name, state = published_weights.read_classnseg(files)
    graph = Graph(zoo.card(name)).eval()
    graph.net.load_state_dict(state)
    return graph


def _fake_keras(path: Path, change: dict[str, np.ndarray | None] | None = None) -> Path:
    """A file in the published layout of Meso-4, with weights of ours."""
    rng = np.random.default_rng(0)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {}
    for number, (kernel, inputs, out) in enumerate(((3, 3, 8), (5, 8, 8), (5, 8, 16), (5, 16, 16)), 5):
        shapes[f"conv2d_{number}"] = {"kernel": (kernel, kernel, inputs, out), "bias": (out,)}
        norm: dict[str, tuple[int, ...]] = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (out,))
        shapes[f"batch_normalization_{number}"] = norm
    shapes["dense_3"] = {"kernel": (1024, 16), "bias": (16,)}
    shapes["dense_4"] = {"kernel": (16, 1), "bias": (1,)}
    with h5py.File(path, "w") as file:
        for layer, arrays in shapes.items():
            for name, shape in arrays.items():
                value: np.ndarray | None = np.abs(rng.normal(0, 0.1, shape)).astype(np.float32)
                key = f"{layer}/{name}"
                if change and key in change:
                    value = change[key]
                if value is not None:
                    file[f"{layer}/{layer}/{name}:0"] = value
        file.create_group("flatten_2")
    return path


def test_a_keras_file_becomes_a_detector(tmp_path: Path) -> None:
    folder = published_weights.import_weights("mesonet", [_fake_keras(tmp_path / "Meso4_X.h5")], tmp_path / "out")
    detector = facewitness.load(folder)
    assert detector.card.name == "meso4.meso4_x"
    assert detector.card.parameters == 27_977
    assert detector(np.zeros((1, 256, 256, 3), np.uint8)).score.shape == (1,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense_4/bias": None}, r"no 'out\.bias'.*another model"),
        ({"conv2d_6/kernel": np.zeros((8, 8, 5, 5), np.float32)}, r"blocks\.1\.0\.0\.weight.*another order"),
        ({"dense_4/kernel": np.zeros((16, 3), np.float32)}, r"'out\.weight'.*3 classes"),
        ({"dense_3/kernel": np.zeros((4096, 16), np.float32)}, r"'hidden\.weight' is \(16, 4096\).*another model"),
    ],
)
def test_a_keras_file_that_does_not_fit_is_named_with_its_key(
    change: dict[str, np.ndarray | None], message: str, tmp_path: Path
) -> None:
    file = _fake_keras(tmp_path / "x.h5", change)
    with pytest.raises(CardError, match=message) as caught:
        published_weights.import_weights("mesonet", [file], tmp_path / "out")
    assert "x.h5" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    text = tmp_path / "x.h5"
    text.write_text("no")
    with pytest.raises(CardError, match=r"x\.h5: cannot be read as Keras"):
        published_weights.import_weights("mesonet", [text], tmp_path / "out")
    with pytest.raises(CardError, match="not a plain state"):
        published_weights.import_weights("xception", [text], tmp_path / "out")
    with pytest.raises(CardError, match="no importer for 'vgg'"):
        published_weights.import_weights("vgg", [text], tmp_path / "out")
    with pytest.raises(CardError, match="not 2 files"):
        published_weights.import_weights("mesonet", [text, text], tmp_path / "out")
    with pytest.raises(CardError, match="No such file"):
        published_weights.import_weights("xception", [tmp_path / "none.pth"], tmp_path / "out")


def test_a_whole_pickled_module_is_not_opened(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.p")
    with pytest.raises(CardError, match=r"not a plain state.*state_dict"):
        published_weights.import_weights("xception", [tmp_path / "module.p"], tmp_path / "out")


@pytest.mark.parametrize("naming", ["timm", "faceforensics", "dropout"])
def test_xception_reads_both_namings(naming: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = build(zoo.card("xception"))
    state = {key.removeprefix("body."): value for key, value in net.state_dict().items()}
    if naming != "timm":
        head = "last_linear" if naming == "faceforensics" else "last_linear.1"
        state = {f"model.{key.replace('fc', head)}": value for key, value in state.items()}
        pointwise = "model.block3.rep.1.pointwise.weight"
        assert state[pointwise].ndim == 4
        state[pointwise] = state[pointwise][..., 0, 0]  # as ImageNet's first file has it
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "x.safetensors")
    name, read = published_weights.read_xception([tmp_path / "x.safetensors"])
    assert name == "xception"
    assert set(read) == set(net.state_dict())
    assert all(torch.equal(value, read[key]) for key, value in net.state_dict().items())


def test_states_that_do_not_fit_are_named_with_their_key(tmp_path: Path) -> None:
    state = build(zoo.card("classnseg")).state_dict()
    encoder = {key: value for key, value in state.items() if key.startswith("encoder")}
    torch.save(encoder, tmp_path / "encoder.pt")
    with pytest.raises(CardError, match=r"encoder\.pt: no 'decoder\.0\.bias' and \d+ more: a file is missing"):
        published_weights.import_weights("classnseg", [tmp_path / "encoder.pt"], tmp_path / "out")
    with pytest.raises(CardError, match="came with another file already"):
        published_weights.import_weights("classnseg", [tmp_path / "encoder.pt"] * 2, tmp_path / "out")
    torch.save({**state, "more.weight": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(CardError, match=r"unknown 'more\.weight'"):
        published_weights.import_weights("classnseg", [tmp_path / "more.pt"], tmp_path / "out")


def test_nothing_is_written_over(tmp_path: Path) -> None:
    file = _fake_keras(tmp_path / "x.h5")
    published_weights.import_weights("mesonet", [file], tmp_path / "out")
    with pytest.raises(CardError, match="already holds a detector"):
        published_weights.import_weights("mesonet", [file], tmp_path / "out")
