"""Toy recipes of every kind of experiment, and the photographs that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facewitness.data import manifest
from facewitness.media import faces, image
from facewitness.types import Sample
from tests.fakes import astronaut, save, toy_training

COMPARISON = """
name = "toy"
title = "Toy comparison"
manifest = "{manifest}"
common = {{ train = ["optim.epochs=1", "optim.warmup_steps=0"] }}
[[run]]
name = "meso4"
recipe = "meso4.toml"
seeds = [1, 2]
methods = ["blur"]
reported = "0.9 in a paper"
[[run]]
name = "steg-svm"
recipe = "steg-svm.toml"
set = ["optim.optimizer=svm"]
methods = ["blur"]
[[section]]
kind = "comparison"
seen = ["blur"]
"""

MAPS = """
name = "toy"
title = "Toy maps"
manifest = "{manifest}"
limit = 4
named_by_path = true
common = {{ train = ["augment.jitter=0"] }}
[[run]]
name = "plain"
recipe = "toy.toml"
methods = ["blur"]
seeds = []
[[run]]
name = "led"
recipe = "toy.toml"
methods = ["blur"]
set = ["attention.parts=landmarks", "augment.p_fake=0"]
from = "plain"
seeds = []
[[section]]
kind = "runs"
[[section]]
kind = "metrics"
title = "Table one"
text = "Seen and not."
runs = ["plain", "led"]
judged = {{ seen = ["blur"], unseen = ["white"] }}
metrics = ["balanced_accuracy@0.5", "eer", "coss", "psnr", "iinc@0.1", "area@0.1"]
clustered = true
mean_map = true
[[section]]
kind = "metrics"
title = "Small regions"
runs = ["led"]
judged = {{ all = ["blur", "white"], odd = ["blur/odd"] }}
metrics = ["recall_gray@0.1", "coss_inside"]
small = 0.9
[[section]]
kind = "reals"
runs = ["plain", "led"]
[[section]]
kind = "degradation"
run = "led"
methods = ["blur"]
limit = 3
[[section]]
kind = "maps"
runs = ["plain", "led"]
methods = ["blur"]
"""

CELLS = """
name = "cells"
title = "Toy cells"
manifest = "{manifest}"
named_by_path = true
[[run]]
name = "short"
kind = "search"
recipe = "search.toml"
methods = ["blur"]
[[run]]
name = "found"
recipe = "add.toml"
methods = ["blur"]
cells = "short"
parameters = 90000
seeds = [1, 2]
[[run]]
name = "drawn"
recipe = "add.toml"
methods = ["blur"]
set = ["net.args.genotype=random-3", "net.args.channels=4"]
seeds = []
[[section]]
kind = "runs"
[[section]]
kind = "metrics"
title = "Cells"
runs = ["found", "drawn"]
judged = {{ seen = ["blur"] }}
metrics = ["balanced_accuracy@0.5", "hull_iou@0.5"]
[[section]]
kind = "cells"
"""
SEARCH = """
[search]
sampler = "gumbel"
channels = 2
blocks = 2
operations = ["identity", "conv-3", "max-3"]
"""

MASKS = """
name = "toy"
title = "Toy masks"
manifest = "{manifest}"
seeds = [1, 2]
common = {{ finetune = ["data.pairs_per_epoch=3"] }}
[matrix]
masks = [{{ n = "1", count = 1 }}, {{ n = "2", count = 2 }}]
[[run]]
name = "one"
kind = "lae"
label = "LAE, no masks"
recipe = "lae.toml"
set = ["name=one"]
methods = ["blur"]
[[run]]
name = "one, {{masks.n}} masks"
kind = "finetune"
label = "LAE, {{masks.n}} masks"
from = "one"
masks = "{{masks.count}}"
[[run]]
name = "without"
kind = "finetune"
from = "one"
masks = 2
set = ["attend.lambda_attention=0"]
[[run]]
name = "empty"
kind = "finetune"
from = "one"
masks = 2
set = ["attend.real_is_empty=true"]
[[run]]
name = "one, {{masks.n}} random masks"
kind = "finetune"
label = "{{masks.n}} masks, random"
from = "one"
masks = "{{masks.count}}"
choice = "random"
[[run]]
name = "lambda 0.1"
kind = "finetune"
from = "one"
masks = 2
set = ["attend.lambda_attention=0.1"]
[[run]]
name = "latent only"
kind = "lae"
recipe = "lae.toml"
set = ["name=one", "reconstruct.alpha_rec=0"]
folder = "one-{{seed}}"
methods = ["blur"]
[[run]]
name = "meso4"
recipe = "meso4.toml"
methods = ["blur"]
[[section]]
kind = "seen-unseen"
title = "Table 3, one"
runs = ["one", "one, 1 masks", "one, 2 masks", "without", "meso4"]
seen = "blur"
unseen = "white"
[[section]]
kind = "seen-unseen"
title = "Where the attention lies, one"
runs = ["one", "one, 1 masks", "one, 2 masks", "without"]
seen = "blur"
unseen = "white"
metrics = ["mass_inside", "pointing", "pixel_auc"]
[[section]]
kind = "maps"
title = "Maps, one"
runs = ["one", "one, 2 masks", "meso4"]
methods = ["blur", "white"]
each = 3
fakeness = false
file = "one"
[[section]]
kind = "mask-gain"
[[section.tasks]]
name = "one"
unseen = "white"
runs = [
    "one, 1 masks", "one, 2 masks", "without", "empty", "one, 1 random masks", "one, 2 random masks", "lambda 0.1",
]
[[section]]
kind = "seen-unseen"
title = "What else was tried"
runs = ["empty", "lambda 0.1"]
seen = "blur"
unseen = "white"
metrics = ["balanced_accuracy@0.5", "mass_inside"]
[[section]]
kind = "seen-unseen"
title = "Tables 4 and 5"
runs = ["latent only"]
seen = "blur"
unseen = "white"
metrics = ["balanced_accuracy@0.5", "mass_inside"]
[[section]]
kind = "mask-curve"
title = "Figure 5"
task = "one"
seen = "blur"
unseen = "white"
none = "one"
active = ["one, 1 masks", "one, 2 masks"]
random = ["one, 1 random masks", "one, 2 random masks"]
"""
LAE = """
[reconstruct]
comparator = "random"
comparator_px = 32
[attend]
epochs = 1
batch_masks = 2
[ask]
epochs = 1
"""

STUDY = """
name = "toy"
title = "Toy study"
manifest = "{manifest}"
[matrix]
root = [{{ name = "BLUR", methods = ["blur"], more = ["blur", "white"], sources = ["london"] }}]
[[run]]
name = "meso-{{root.name}}-original"
recipe = "toy.toml"
set = ["name=meso-{{root.name}}-original-{{seed}}"]
methods = "{{root.methods}}"
sources = "{{root.sources}}"
folder = "meso-{{root.name}}-original-{{seed}}"
group = {{ detector = "meso", root = "{{root.name}}", type = "original" }}
[[run]]
name = "meso-{{root.name}}-transfer"
recipe = "toy.toml"
set = ["name=meso-{{root.name}}-transfer-{{seed}}", 'optim.learn=["hidden", "out"]']
methods = "{{root.more}}"
sources = "{{root.sources}}"
from = "meso-{{root.name}}-original"
folder = "meso-{{root.name}}-transfer-{{seed}}"
group = {{ detector = "meso", root = "{{root.name}}", type = "transfer" }}
[[run]]
name = "meso-{{root.name}}-merge"
recipe = "toy.toml"
set = ["name=meso-{{root.name}}-merge-{{seed}}"]
methods = "{{root.more}}"
sources = "{{root.sources}}"
from = "meso-{{root.name}}-original"
folder = "meso-{{root.name}}-merge-{{seed}}"
group = {{ detector = "meso", root = "{{root.name}}", type = "merge" }}
[[run]]
name = "meso-{{root.name}}-permuted"
recipe = "toy.toml"
labels = "permuted"
set = ["name=meso-{{root.name}}-permuted-{{seed}}", "data.paired=0"]
methods = "{{root.methods}}"
sources = "{{root.sources}}"
folder = "meso-{{root.name}}-permuted-{{seed}}"
group = {{ detector = "meso", root = "{{root.name}}", type = "permuted" }}
[[run]]
name = "meso-{{root.name}}-again"
recipe = "toy.toml"
set = ["name=meso-{{root.name}}-again-{{seed}}", "seed=1001"]
methods = "{{root.methods}}"
sources = "{{root.sources}}"
folder = "meso-{{root.name}}-again-{{seed}}"
group = {{ detector = "meso", root = "{{root.name}}", type = "again" }}
[[set]]
name = "white"
methods = ["white"]
sources = ["london"]
[[set]]
name = "dark"
methods = ["dark"]
sources = ["london"]
[[set]]
name = "blur-other"
methods = ["blur"]
sources = ["canada"]
people = "any"
[[set]]
name = "dark-known"
methods = ["dark"]
sources = ["london"]
people = "trained"
[[section]]
kind = "generalization"
unseen = ["white", "dark"]
pictures = 3
neurons = 6
shares = [0.25, 0.5]
[[section.roots]]
name = "BLUR"
methods = ["blur"]
sources = ["london"]
same_method = ["blur-other"]
same_people = ["dark-known"]
"""


def comparison(folder: Path) -> Path:
    """Seven people, each real, blurred and whitened, and a recipe that compares two detectors on them."""
    samples = []
    for number in range(7):
        picture = np.roll(astronaut(), 6 * number, axis=1)
        pictures = {"real": picture, "blur": cv2.blur(picture, (5, 5)), "white": picture // 2 + 127}
        for method, forged in pictures.items():
            path = save(np.asarray(forged, np.uint8), folder / "data" / f"{number}-{method}.png")
            split = _split(number, 3, 5)
            samples.append(Sample(path, int(method != "real"), method, identities=(str(number),), split=split))
    for name in ("meso4", "steg-svm"):
        (folder / f"{name}.toml").write_text(toy_training(name))
    return _recipe(folder, COMPARISON, samples)


def maps(folder: Path, recipe: str = MAPS) -> Path:
    """Ten people with masks of what a blur and a whitening changed, and a recipe about FakeLocator's maps, or ADD's."""
    samples = []
    for number in range(10):
        picture = np.roll(astronaut(), 5 * number, axis=1)
        landmarks = faces.find(picture)[0].landmarks
        for method, change in {"real": picture, "blur": cv2.blur(picture, (9, 9)), "white": picture // 2 + 127}.items():
            forged = picture.copy()
            forged[80:200] = change[80:200]
            path = save(forged, folder / "data" / f"{number}-{method}.png")
            gap = np.abs(forged.astype(float) - picture) @ np.array([0.299, 0.587, 0.114]) / 255
            mask = folder / "data" / f"{number}-{method}-mask.png"
            region = save(np.uint8(gap > 0) * np.uint8(255), folder / "data" / f"{number}-{method}-region.png")
            mask.write_bytes(image.encode_plane16(gap.astype(np.float32)))
            known: dict[str, Any] = {"mask": mask, "region": region} if method != "real" else {}
            known |= {"attributes": ("odd" if number % 2 else "even",), "landmarks": landmarks}
            known |= {"identities": (str(number),), "dataset": "london", "split": _split(number, 3, 5)}
            samples.append(Sample(path, int(method != "real"), method, **known))
    (folder / "toy.toml").write_text(toy_training("fakelocator-mobilenet", '[loss]\nkind = "fakeness"\n'))
    potential = '[loss]\nkind = "potential"\n'
    (folder / "add.toml").write_text(toy_training("add", potential).replace("[crop]", "args = { normal = 1 }\n[crop]"))
    (folder / "search.toml").write_text(toy_training("add", potential + SEARCH).replace("average = 0\n", ""))
    return _recipe(folder, recipe, samples)


def masks(folder: Path) -> Path:
    """Seven people with regions, and a recipe about LAE."""
    samples = []
    for number in range(7):
        picture = np.roll(astronaut(), 6 * number, axis=1)
        region = np.zeros(picture.shape[:2], np.uint8)
        region[80:200] = 255
        pictures = {"real": picture, "blur": cv2.blur(picture, (5, 5)), "white": picture // 2 + 127}
        for method, change in pictures.items():
            forged = np.where(region[..., None] > 0, change, picture).astype(np.uint8)
            path = save(forged, folder / "data" / f"{number}-{method}.png")
            known = save(region, folder / "data" / f"{number}-{method}-region.png") if method != "real" else None
            who: dict[str, Any] = {"identities": (str(number),), "split": _split(number, 3, 5), "dataset": "london"}
            samples.append(Sample(path, int(method != "real"), method, region=known, **who))
    (folder / "lae.toml").write_text(toy_training("lae", LAE, pairs=2))
    (folder / "meso4.toml").write_text(toy_training("meso4", pairs=2))
    return _recipe(folder, MASKS, samples)


def study(folder: Path) -> Path:
    """Fourteen people of two sources, forged in three ways, and a recipe of a study of one detector."""
    samples = []
    landmarks = faces.find(astronaut())[0].landmarks
    for number in range(14):
        picture = np.roll(astronaut(), 3 * number, axis=0)
        known: dict[str, Any] = {"identities": (str(number),), "dataset": "canada" if number > 10 else "london"}
        known |= {"split": _split(number, 4, 7), "landmarks": landmarks + np.array([0, 3 * number])}
        kinds = {"real": picture, "blur": cv2.blur(picture, (9, 9)), "white": picture // 2 + 127, "dark": picture // 2}
        for method, forged in kinds.items():
            path = save(np.asarray(forged, np.uint8), folder / "data" / f"{number}-{method}.png")
            samples.append(Sample(path, int(method != "real"), method, **known))
    (folder / "toy.toml").write_text(toy_training("meso4"))
    return _recipe(folder, STUDY, samples)


def _split(number: int, train: int, validation: int) -> Any:
    return "train" if number < train else "val" if number < validation else "test"


def _recipe(folder: Path, text: str, samples: list[Sample]) -> Path:
    manifest.write(samples, folder / "data" / "manifest.parquet")
    path = folder / "experiment.toml"
    path.write_text(text.format(manifest=folder / "data" / "manifest.parquet"))
    return path
