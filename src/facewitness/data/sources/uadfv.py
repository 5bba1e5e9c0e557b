"""Reader for UADFV (Yang et al., 2019): 49 real videos and 49 in which the face is swapped.

    real/0000.mp4  fake/0000_fake.mp4

There is no official split; a fake and its original are one identity, so that they stay together when one is made.
"""

from dataclasses import replace
from pathlib import Path

from facewitness.data.sources.layouts import VIDEOS, Choice, chosen, demand, files
from facewitness.types import REAL_METHOD, Sample

METHOD = "fakeapp"


def read(root: Path, choice: Choice) -> list[Sample]:
    """A sample for each video, all in the split ``train``.

    Raises:
        ManifestError: the wrong folder, or an unknown method.
    """
    chosen(choice, (METHOD,))
    samples = [
        Sample(path, label, method, f"{folder}/{path.stem}", (f"uadfv:{path.stem.removesuffix('_fake')}",), "uadfv")
        for label, folder, method in ((0, "real", REAL_METHOD), (1, "fake", METHOD))
        for path in files(root / folder, VIDEOS)
    ]
    originals = {sample.identities: sample.path for sample in samples if not sample.label}
    samples = [replace(s, original=originals.get(s.identities)) if s.label else s for s in samples]
    return demand(samples, root, "real/0000.mp4 and fake/0000_fake.mp4")
