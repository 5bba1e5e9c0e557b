"""Who is forged how: counts, balance, donors, without a picture."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from facewitness.forge import pairing
from facewitness.forge.methods import METHODS
from facewitness.types import Sample, Split


def _people(sizes: dict[tuple[str, str], int], *, squares: bool = True) -> pairing.People:
    """So many people of each source and split, one photograph each; in london every second has a smiling one too."""
    rng = np.random.default_rng(0)
    samples = []
    for (source, split), count in sizes.items():
        for number in range(count):
            tags = ("neutral", "smiling") if source == "london" and number % 2 else ("neutral",)
            for tag in tags:
                samples.append(
                    Sample(
                        Path(f"{source}-{split}-{number}-{tag}.jpg"),
                        0,
                        identities=(f"{source}-{split}-{number}",),
                        dataset=source,
                        split=cast(Split, split),
                        landmarks=rng.random((68, 2)).astype(np.float32),
                        attributes=(tag,),
                    )
                )
    return pairing.People(samples, 3, squares=squares)


SIZES = {("london", "train"): 12, ("everyday", "train"): 40, ("lfw", "train"): 60, ("lfw", "test"): 30}
COUNTS = {"train": 20, "test": 10}


def test_every_method_gets_its_count_from_every_source_that_allows_it() -> None:
    people = _people({**SIZES, ("london", "test"): 8})
    made = pairing.drawn(people, list(METHODS), COUNTS)
    found = Counter((name, task.sample.split) for task in made.tasks for name in task.donors)
    assert found == {(name, split): count for name in METHODS for split, count in COUNTS.items()}
    for name, method in METHODS.items():
        sources = {t.sample.dataset for t in made.tasks if name in t.donors and t.sample.split == "train"}
        assert sources == ({"london", "everyday", "lfw"} if method.keeps_identity else {"london", "lfw"})


def test_there_are_as_many_real_photographs_of_each_source_as_forgeries_where_there_are_so_many() -> None:
    people = _people({("lfw", "train"): 60, ("everyday", "train"): 40})
    made = pairing.drawn(people, ["selfblend", "faceswap", "inpaint-patch"], {"train": 20})
    for source in ("lfw", "everyday"):
        own = [task for task in made.tasks if task.sample.dataset == source]
        assert sum(task.real for task in own) == sum(len(task.donors) for task in own) > 0


def test_photographs_are_used_in_turn() -> None:
    made = pairing.drawn(_people({("lfw", "train"): 30}), ["selfblend", "inpaint-patch", "blended"], {"train": 20})
    uses = Counter(len(task.donors) for task in made.tasks)
    assert uses == {2: 30}  # 3 methods x 20 over 30 photographs, and never one twice by one method


def test_a_shortage_is_told() -> None:
    made = pairing.drawn(_people({("lfw", "train"): 30}), ["selfblend", "face2face"], {"train": 40})
    assert made.passed_over == {
        "selfblend: fewer photographs in split train than asked for": 10,
        "face2face: fewer photographs in split train than asked for": 40,  # nobody there lends an expression
    }


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.needs_donor])
def test_a_donor_is_somebody_else_of_the_same_split(name: str) -> None:
    people = _people({**SIZES, ("london", "test"): 8})
    for number, sample in enumerate(people.samples):
        if people.obstacle(number, METHODS[name]):
            continue
        donor = people.donor(number, METHODS[name])
        assert donor is not None
        assert donor.sample.split == sample.split
        assert donor.sample.identities != sample.identities
        if METHODS[name].donor == "expression":
            assert "smiling" in donor.sample.attributes
            assert donor.neutral is not None
        else:
            assert pairing.may_swap(donor.sample)


def test_a_whole_picture_is_made_only_of_a_head_square() -> None:
    made = pairing.each(_people({("lfw", "train"): 3}, squares=False), ["synthesis", "selfblend"])
    assert all(list(task.donors) == ["selfblend"] for task in made.tasks)
    assert made.passed_over == {"synthesis: makes whole pictures: only for head squares": 3}
