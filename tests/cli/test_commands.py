"""The commands as somebody types them: what they print, what they write, how they end."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

import facewitness
from facewitness.cli import app
from facewitness.detectors import cards, throughput, zoo
from facewitness.detectors.base import ONNX_FILE
from tests import fakes


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Every command and group of the application."""
    for name, command in group.commands.items():
        yield [*path, name]
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))


COMMANDS = list(_commands(typer.main.get_command(app)))


def run(*arguments: object) -> Result:
    """One command in this process; anything unforeseen is raised here."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="facewitness")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def one_line(result: Result) -> str:
    """The single line of a failure."""
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that loads as the fake detector."""
    monkeypatch.setattr(zoo, "load", lambda name, threads=None, device="auto": fakes.FakeDetector())
    folder = tmp_path / "detector"
    folder.mkdir()
    return folder


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return fakes.save(fakes.astronaut(), tmp_path / "photos" / "astronaut.png")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example_that_parses(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    example = result.stdout.partition("Example")[2]
    assert " ".join(["facewitness", *command[:1]]) in example


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert all(f"\n  {command[0]} " in result.stdout for command in COMMANDS if len(command) == 1)
    assert len(COMMANDS) > 25


def test_version() -> None:
    assert run("--version").stdout == f"facewitness {facewitness.__version__}\n"


def test_scan_prints_a_line_for_each_face_and_writes_the_report(detector: Path, photo: Path, tmp_path: Path) -> None:
    broken = photo.parent / "broken.jpg"
    broken.write_text("no picture")
    out = tmp_path / "report"
    result = run("scan", photo.parent, "--out", out, "--detector", detector)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert any("astronaut.png" in line and "face 1" in line and line.split()[-1] == "inconclusive" for line in lines)
    assert any("broken.jpg" in line and line.split()[-1] == "unsupported" for line in lines)
    assert lines[-1] == f"report: {out / 'report.html'}"
    assert (out / "report.html").is_file()
    found = {
        Path(item["path"]).name: item for item in map(json.loads, (out / "results.jsonl").read_text().splitlines())
    }
    assert found.keys() == {"astronaut.png", "broken.jpg"}
    assert found["broken.jpg"]["score"] is None
    assert f"{found['astronaut.png']['score']:.3f}" in result.stdout
    assert "broken.jpg" in result.stderr  # one line for each failure


def test_calibrate_prints_what_it_promises_and_scan_uses_it(detector: Path, tmp_path: Path) -> None:
    for number in range(6):
        fakes.save(fakes.astronaut() // 8 * (number + 1) // 2, tmp_path / "reals" / "press" / f"{number}.png")
    out = tmp_path / "mine"
    few = run("calibrate", tmp_path / "reals", "--out", out, "--detector", detector)
    assert few.exit_code == 1
    assert "too few to promise 1 %" in few.stderr
    result = run("calibrate", tmp_path / "reals", "--out", out, "--detector", detector, "--rate", "0.45")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"press +6 +0 +39.30 %", result.stdout)
    assert "no more than 45 % of such photographs are called fake" in result.stdout
    photo = fakes.save(fakes.astronaut(), tmp_path / "a.png")
    scan = run("scan", photo, "--profile", out, "--out", tmp_path / "report", "--detector", detector)
    assert scan.stdout.splitlines()[0].split()[-1] == "fake"
    wrong = run("scan", photo, "--rate", "0.2", "--out", tmp_path / "report", "--detector", detector)
    assert (wrong.exit_code, "learn another rate" in wrong.stderr) == (1, True)


def test_a_second_scan_says_what_was_kept(detector: Path, photo: Path, tmp_path: Path) -> None:
    command = ("scan", photo, "--out", tmp_path / "report", "--detector", detector)
    assert "kept" not in run(*command).stdout
    assert "1 kept from an earlier scan" in run(*command).stdout


def test_quiet_prints_nothing(detector: Path, photo: Path, tmp_path: Path) -> None:
    result = run("scan", photo, "--out", tmp_path / "report", "--detector", detector, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("names", [[], ["a.txt", "b.mp3"], ["a.jpg", "b.heic"]])
def test_a_scan_that_read_no_photograph_says_so(detector: Path, tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "folder").mkdir()
    for name in names:
        (tmp_path / "folder" / name).write_text("no picture")
    result = run("scan", tmp_path / "folder", "--out", tmp_path / "report", "--detector", detector)
    assert result.exit_code == 1
    assert "no photograph was read" in result.stderr
    assert all(name in result.stderr for name in names if name.endswith(("jpg", "heic")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jpg", "--out", "report"], "nowhere.jpg' does not exist"),
        ([".", "--out", "report", "--detector", "defalt"], "did you mean 'default'?"),
        ([".", "--out", "report", "--detector", "meso4"], "is an architecture without weights"),
        ([".", "--out", "report", "--workers", "0"], "--workers"),
        (["."], "--out"),
        (["--out", "report"], "PATH"),
    ],
)
def test_wrong_usage_of_scan(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("scan", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_weights_of_another_detector_are_one_line(photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    cards.write(fakes.FAKE_CARD, folder)
    (folder / ONNX_FILE).write_bytes(b"of another")
    result = run("scan", photo, "--out", tmp_path / "report", "--detector", folder)
    assert result.exit_code == 1
    assert "not the weights of fake.brightness" in one_line(result)


def test_forge_writes_a_manifest_and_make_may_be_left_out(photo: Path, tmp_path: Path) -> None:
    options = ("--method", "inpaint-diffusion", "--seed", 3, "--encoding", "jpeg:90", "--quiet")
    short = run("forge", photo, "--out", tmp_path / "short", *options)
    long = run("forge", "make", photo, "--out", tmp_path / "long", *options)
    assert (short.exit_code, long.exit_code) == (0, 0)
    written = [Path(result.stdout.removeprefix("manifest: ").strip()) for result in (short, long)]
    assert [path.parent.name for path in written] == ["short", "long"]
    files = [{path.relative_to(m.parent): path.read_bytes() for path in m.parent.rglob("*.jpg")} for m in written]
    assert len(files[0]) == 2  # the original and its forgery
    assert files[0] == files[1]


def test_forge_options_may_stand_first(photo: Path, tmp_path: Path) -> None:
    result = run("forge", "--out", tmp_path / "forged", "--method", "inpaint-diffusion", "--quiet", photo)
    assert result.exit_code == 0


def test_forge_list_names_every_method() -> None:
    from facewitness.forge.methods import METHODS

    lines = run("forge", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(METHODS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "inpaint-path"], "did you mean 'inpaint-patch'?"),
        (["--method", "zzz"], "known: faceswap"),
        (["--method", "selfblend", "--split", "training"], "did you mean 'train'?"),
        (["--encoding", "bmp"], "unknown encoding 'bmp'"),
        (["--encoding", "jpeg:300"], "unknown encoding 'jpeg:300'"),
    ],
)
def test_wrong_usage_of_forge(arguments: list[str], message: str, photo: Path, tmp_path: Path) -> None:
    result = run("forge", photo, "--out", tmp_path / "forged", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "forged").exists()


def test_an_unknown_recipe_key_is_one_line(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "x"\n[data]\npath = "nowhere"\n', encoding="utf-8")
    result = run("train", recipe, "--out", tmp_path / "run", "--set", "optim.epoch=3")
    assert result.exit_code == 1
    assert "unknown key 'optim.epoch'; did you mean 'epochs'?" in one_line(result)
    assert not (tmp_path / "run").exists()


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.touch()
    for module in ("facewitness.training.train", "facewitness.detectors.graph"):  # which another test may have loaded
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    result = run("train", recipe)
    assert result.exit_code == 1
    assert re.search(r'pip install "[^"]+\[train\]"', one_line(result))


def test_detectors_lists_the_zoo() -> None:
    lines = run("detectors").stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(zoo.names())]] == zoo.names()


@pytest.mark.slow
def test_detectors_shows_what_was_measured_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(zoo, "ARCHITECTURES", {"meso4": zoo.card("meso4")})
    monkeypatch.setattr(throughput, "CROPS", 1)
    monkeypatch.setattr(throughput.measure, "__defaults__", (0.0,))
    assert "not measured yet" in run("detectors").stdout
    measured = run("detectors", "--measure")
    assert "measuring meso4" in measured.stderr
    assert "not measured" not in measured.stdout
    assert [throughput.known(name) for name in ("default", "meso4")] != [None, None]
    assert measured.stdout == run("detectors").stdout
    (tmp_path / "facewitness" / "speed.json").write_text("[]")
    assert throughput.known("meso4") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vgg", "x.h5"), "no 'vgg'; known: mesonet, classnseg, xception"),
        (("mesonet", "x.h5", "--channels", "gbr"), "did you mean 'rgb'"),
        (("mesonet", "none.h5"), "does not exist"),
    ],
)
def test_import_refuses_in_the_words_of_a_wrong_usage(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.h5").write_text("no")
    result = run("import", *arguments, "--out", "out")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_import_of_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    file = tmp_path / "x.h5"
    file.write_text("no")
    result = run("import", "mesonet", file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cannot be read as Keras weights" in one_line(result)


def test_an_experiment_of_a_wrong_recipe_says_so(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('name = "x"\n')
    result = run("experiment", "run", file)
    assert result.exit_code == 1
    assert "manifest" in one_line(result)


def test_detectors_shows_one_card_in_full(tmp_path: Path) -> None:
    lines = dict(line.split(maxsplit=1) for line in run("detectors", "meso4").stdout.splitlines())
    assert lines["crop.size_px"] == "256"
    assert lines["calibration"] == "-"
    cards.write(fakes.FAKE_CARD, tmp_path)
    lines = dict(line.split(maxsplit=1) for line in run("detectors", tmp_path).stdout.splitlines())
    assert lines["calibration.fake_above"] == "0.8"


def test_detectors_of_an_unknown_name() -> None:
    result = run("detectors", "meso5")
    assert result.exit_code == 2
    assert "did you mean 'meso4'?" in result.stderr


def test_evaluate_prints_auc_and_writes_table_and_report(detector: Path, photo: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    dark = fakes.save(fakes.astronaut() // 2, tmp_path / "photos" / "dark.png")
    rows = ["path,label,method,dataset,split", f"{photo},1,bright,nasa,test", f"{dark},0,real,nasa,test"]
    manifest.write_text("\n".join(rows) + "\n", encoding="utf-8")
    out, report = tmp_path / "evaluation", tmp_path / "report.md"
    result = run(
        "evaluate", manifest, "--detector", detector, "--out", out, "--report", report, "--workers", 1, "--quiet"
    )
    assert result.exit_code == 0
    lines = [line.split() for line in result.stdout.splitlines()]
    assert ["method", "bright", "1.000"] in [line[:3] for line in lines]  # the brighter one is fake
    assert (out / "table.csv").is_file()
    assert report.read_text(encoding="utf-8").startswith("# Results: fake.brightness")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "tset"], "did you mean 'test'?"),
        (["--left-out", "inpaint"], "METHOD=DETECTOR"),
        (["--left-out", "inpaint=defalt"], "did you mean 'default'?"),
        (["--detector", "meso4"], "is an architecture without weights"),
    ],
)
def test_wrong_usage_of_evaluate(arguments: list[str], message: str, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.touch()
    result = run("evaluate", manifest, "--out", tmp_path / "evaluation", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "evaluation").exists()


def test_a_manifest_that_cannot_be_read_is_one_line(detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label\na.jpg,two\n", encoding="utf-8")
    result = run("evaluate", manifest, "--detector", detector, "--out", tmp_path / "evaluation", "--quiet")
    assert result.exit_code == 1
    assert "label" in one_line(result)
