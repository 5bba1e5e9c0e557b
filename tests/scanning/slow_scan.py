"""A scan in its own process, slow enough to be killed; arguments: folder, out, seconds for each batch, workers."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from facewitness.scanning.pipeline import scan_paths
from facewitness.types import Detection, Image
from tests.fakes import FakeDetector


class SlowDetector(FakeDetector):
    """Takes its time over every batch."""

    def __call__(self, crops: Image) -> Detection:
        time.sleep(float(sys.argv[3]))
        return super().__call__(crops)


if __name__ == "__main__":
    summary = scan_paths([Path(sys.argv[1])], Path(sys.argv[2]), SlowDetector(), workers=int(sys.argv[4]))
    print(json.dumps({"scanned": summary.scanned, "resumed": summary.resumed, "files": summary.files}))
