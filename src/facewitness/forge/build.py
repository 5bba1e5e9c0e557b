"""``facewitness forge build``: make a benchmark set from a recipe, methods x splits x counts with as many reals."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, field_validator

from facewitness import config
from facewitness.compute.progress import Progress
from facewitness.config import Recipe
from facewitness.data import sources, splits
from facewitness.forge import generators, pairing, report
from facewitness.forge.dataset import SQUARE_MARGIN, check_methods, make_set
from facewitness.forge.methods import METHODS
from facewitness.forge.render import Style
from facewitness.media import image
from facewitness.types import CropProfile, ForgeError, Sample


class DataSection(Recipe):
    """The photographs: a manifest, or a folder that a reader of ``facewitness.data.sources`` knows."""

    path: str = ""  # see ``data.sources.read``; no photographs come with the package
    people: int | None = Field(None, ge=2)  # at most so many people of each source in each split; all if left out
    leave_out: tuple[str, ...] = ()  # file names without suffix, as of near-duplicates that `data audit` found


class SquareSection(Recipe):
    """Head squares, so that neither the size nor the background of a photograph tells its source."""

    size_px: int = Field(224, ge=64)
    margin: float = Field(SQUARE_MARGIN, ge=0, le=2)


class CountsSection(Recipe):
    """Forgeries of each method in each split."""

    train: int = Field(0, ge=0)
    val: int = Field(0, ge=0)
    test: int = Field(0, ge=0)


class BuildRecipe(Recipe):
    """One complete benchmark set."""

    name: str
    data: DataSection
    counts: CountsSection
    seed: int = Field(0, ge=0)
    methods: tuple[str, ...] = ()  # all if empty
    encoding: str = "jpeg:92"
    square: SquareSection = SquareSection()

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        image.suffix(value)
        return value


def build(
    recipe: Path,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    report_file: Path | None = None,
    command: Sequence[str] = (),
    workers: int | None = None,
    progress: Progress = None,
) -> Path:
    """Make the benchmark set of a recipe in ``out`` (``out/NAME`` if left out); return its manifest.

    Started again, it goes on where it stopped. ``report_file`` gets a report on the set, with a contact sheet of people
    who may be shown beside it.

    Raises:
        RecipeError: the recipe does not fit.
        ForgeError: an unknown method, one whose generator was not trained, or ``out`` holds another set.
        ManifestError: the photographs cannot be used, or one person is in two splits.
    """
    settings = config.load(recipe, BuildRecipe, overrides)
    methods = check_methods(settings.methods) or list(METHODS)
    untrained = [name for name in methods if METHODS[name].generator and not generators.ready(name)]
    if untrained:
        fits = "; ".join(f"facewitness forge train-generator {name}" for name in untrained)
        raise ForgeError(f"{', '.join(untrained)}: no weights yet; run once: {fits}")
    counts: Mapping[str, int] = {split: n for split, n in settings.counts.model_dump().items() if n}
    everything = sources.read_divided(config.named(settings.data.path), settings.seed)
    samples = [s for s in everything if s.label == 0 and s.split in counts]
    samples = [s for s in samples if s.path.stem not in settings.data.leave_out]
    if not samples:
        raise ForgeError(f"{settings.data.path}: no real photograph in the splits that counts names")
    splits.verify(samples)
    if settings.data.people:
        samples = _fewer(samples, settings.data.people)
    out = out or Path("out") / settings.name
    square = CropProfile(size_px=settings.square.size_px, margin=settings.square.margin)

    def planned(people: pairing.People, names: Sequence[str]) -> pairing.Plan:
        return pairing.drawn(people, names, counts)

    style = Style(settings.seed, settings.encoding, square)
    manifest = make_set(samples, out, methods, style, planned, workers=workers, progress=progress)
    if report_file is not None:
        report.write(report_file, out, name=settings.name, style=style, command=command)
    return manifest


def _fewer(samples: Sequence[Sample], people: int) -> list[Sample]:
    """All photographs of ``people`` people of each source and split, spread evenly."""
    there: dict[tuple[str, str], dict[tuple[str, ...], None]] = defaultdict(dict)
    for sample in samples:
        there[sample.dataset, sample.split][sample.identities] = None
    kept = set()
    for (dataset, split), persons in there.items():
        kept |= {(dataset, split, person) for person in splits.spread(list(persons), people)}
    return [s for s in samples if (s.dataset, s.split, s.identities) in kept]
