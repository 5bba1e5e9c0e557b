"""The main job, start to end: take a photograph, forge it, scan both, and say where the report is.

Run by ``make demo`` on the base install. Needs no download: the photograph (NASA's portrait of the astronaut Eileen
Collins, public domain) comes inside scikit-image. Where ``../shared/faces`` exists, some of its test photographs are
scanned too. Ends with 1 if a forged copy does not score above its original.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skimage import data

import facewitness
from facewitness.data import manifest, terms
from facewitness.data.sources import faces
from facewitness.media import image
from facewitness.types import Sample

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "faces"
GENERATORS = ROOT / "weights" / "generators"
ALONE = {  # by family, what needs no second person
    "blending": ("selfblend",),
    "retouching": ("inpaint-diffusion", "inpaint-patch"),
    "a decoder's reconstruction": ("reconstruct-fir-4", "reconstruct-shuffle-8"),
}
NEVER_SEEN = ("inpaint-patch", "reconstruct-shuffle-8")  # by the default detector
SHOWN_PER_SOURCE = 2  # forged, scanned and reported: sources that allow figures
SEED = 4
COUNTED_PER_SOURCE = 8  # scanned and counted, with no report: the others

Result = dict[str, Any]  # one line of results.jsonl


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="where everything is written")
    parser.add_argument("--detector", default="default", help="a name of the zoo or a folder")
    options = parser.parse_args()
    out, detector = options.out, options.detector
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)

    photo = out / "astronaut.png"
    photo.write_bytes(image.encode(data.astronaut(), "png"))
    cache = out / "cache"
    (cache / "facewitness").mkdir(parents=True)
    (cache / "facewitness" / "forge").symlink_to(GENERATORS)
    samples = forge(photo, out / "forged", [name for names in ALONE.values() for name in names], cache)
    results = scan(samples, out / "report", detector)
    failed = report_failures(samples, results)
    if SHARED.is_dir():
        scan_shared(out / "shared", detector)
    else:
        print(f"\n{SHARED} is not on this machine: nothing more to scan")
    print(f"\nreport: {out / 'report' / 'report.html'}")
    return 1 if failed else 0


def forge(source: Path, out: Path, methods: Sequence[str] = (), cache: Path | None = None) -> list[Sample]:
    """Forge photographs by the command, by all methods at hand if none is named; what it wrote, through one encoder.

    ``cache`` holds generators that are not the user's own.
    """
    options = [part for name in methods for part in ("--method", name)]
    command("forge", str(source), "--out", str(out), "--seed", str(SEED), *options, cache=cache)
    return manifest.read(next(out.glob("manifest.*")))


def scan(samples: Sequence[Sample], out: Path, detector: str) -> list[Result]:
    """Scan photographs by the command, print a verdict for each face; the results in the order of ``samples``."""
    folders = dict.fromkeys(str(sample.path.parent) for sample in samples)
    command("scan", *folders, "--out", str(out), "--detector", detector, "--quiet")
    lines = (out / "results.jsonl").read_text(encoding="utf-8").splitlines()
    found = {Path(line["path"]).resolve(): line for line in map(json.loads, lines)}
    results = [found[sample.path.resolve()] for sample in samples]
    for sample, result in zip(samples, results, strict=True):
        for number, face in enumerate(result["faces"], 1):
            score = "     " if face["score"] is None else f"{face['score']:.3f}"
            verdict = face["verdict"] or face["status"]
            print(f"  {sample.path.name:28} {sample.method:20} face {number}: {score} {verdict}")
        if not result["faces"]:
            print(f"  {sample.path.name:28} {sample.method:20} {result['status']}")
    return results


def report_failures(samples: Sequence[Sample], results: Sequence[Result]) -> bool:
    """Whether a forged copy of the one photograph does not score above it, at its true face; says what was found."""
    scores = {s.method: score_of_face(s, result) for s, result in zip(samples, results, strict=True)}
    verdicts = {s.method: result.get("verdict") for s, result in zip(samples, results, strict=True)}
    original = scores.pop("real")
    family = {method: name for name, methods in ALONE.items() for method in methods}
    failed = False
    print()
    for method, score in scores.items():
        if original is None or score is None or score <= original:
            print(f"FAILED: {method} scores {score}, its original {original}", file=sys.stderr)
            failed = True
            continue
        found = "found" if verdicts[method] == "fake" else f"MISSED: {verdicts[method]}"
        seen = " (never trained on)" if method in NEVER_SEEN else ""
        print(f"  {family[method]}, {method}{seen}: {found}; scores {score:.3f}, its original {original:.3f}")
    print("  not shown: swaps, which need a second person, and generated portraits; see docs/results/default.md")
    return failed


def score_of_face(sample: Sample, result: Result) -> float | None:
    """The score of the face that was forged, not of something else that was taken for a face."""
    if sample.landmarks is None:
        return None
    x, y = sample.landmarks.mean(0)
    for face in result["faces"]:
        left, top, right, bottom = face["box"]
        if left <= x < right and top <= y < bottom:
            return None if face["score"] is None else float(face["score"])
    return None


def scan_shared(out: Path, detector: str) -> None:
    """Test photographs: of sources whose people agreed, forged copies and a report; of the others, counts only."""
    samples = [sample for sample in faces.read(SHARED) if sample.split == "test"]
    ready = facewitness.load(detector)
    for source in dict.fromkeys(sample.dataset for sample in samples):
        rule = terms.RULES[source]
        own = [sample for sample in samples if sample.dataset == source]
        if rule.figures_allowed:
            originals = out / source / "originals.csv"
            originals.parent.mkdir(parents=True)
            manifest.write(own[:SHOWN_PER_SOURCE], originals)
            forged = forge(originals, out / source / "forged")
            scan(forged, out / source / "report", detector)
            print(f"report: {out / source / 'report' / 'report.html'}  ({rule.citation})")
        else:
            reports = [facewitness.scan(sample.path, ready) for sample in own[:COUNTED_PER_SOURCE]]
            verdicts = Counter(str(report.verdict or report.status) for report in reports)
            print(f"\n{source}: {len(reports)} real photographs: {dict(verdicts)}")


def command(*arguments: str, cache: Path | None = None) -> None:
    """Run one ``facewitness`` command, the script that was installed beside this interpreter."""
    shown = [os.path.relpath(argument) if os.path.isabs(argument) else argument for argument in arguments]
    print(f"\n$ facewitness {' '.join(shown)}", flush=True)
    script = Path(sys.executable).with_name("facewitness")
    environment = os.environ | ({"XDG_CACHE_HOME": str(cache)} if cache else {})
    if code := subprocess.run([script, *arguments], check=False, env=environment).returncode:
        sys.exit(code)


if __name__ == "__main__":
    sys.exit(main())
