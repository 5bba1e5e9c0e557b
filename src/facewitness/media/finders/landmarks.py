"""The 68 landmarks of a face whose place is known: dlib's predictor with the model of ``face_recognition_models``.

The model was trained on iBUG 300-W and is for research use. Pixel centres lie on whole numbers.
"""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facewitness.media.finders.face import TEMPLATE, cut, moved, similarity
from facewitness.types import Image, MissingExtraError, Points

# Where the predictor expects the rectangle of dlib's own HOG detector, in units of TEMPLATE: mean over 147 photographs.
_CENTRE = np.array([0.014, -0.082], np.float32)
_SIDE = 1.03
_FACE_PX = 120  # side of a face as the predictor is shown it


def predict(rgb: Image, rectangle: Any) -> Points:
    """The landmarks (68, 2) of a face in a ``dlib.rectangle`` of an upright picture."""
    return np.array([(p.x, p.y) for p in predictor()(rgb, rectangle).parts()], float)


def refine(rgb: Image, five: Points) -> Points:
    """The landmarks (68, 2) of a face, however turned, from rough eye centres, nose tip and mouth corners (5, 2)."""
    import dlib

    size = 2 * _FACE_PX
    matrix = similarity(five, TEMPLATE * _FACE_PX + (size - 1) / 2)
    window = cut(rgb, matrix, size)
    centre = _CENTRE * _FACE_PX + (size - 1) / 2
    (left, top), (right, bottom) = np.rint([centre - _SIDE * _FACE_PX / 2, centre + _SIDE * _FACE_PX / 2]).astype(int)
    points = predict(window, dlib.rectangle(int(left), int(top), int(right), int(bottom)))
    return moved(points, cv2.invertAffineTransform(matrix))


@lru_cache(maxsize=1)
def predictor() -> Any:
    """dlib's shape predictor.

    Raises:
        MissingExtraError: dlib or the model is not installed.
    """
    try:
        import dlib
    except ImportError as error:
        raise MissingExtraError("landmarks of faces need dlib: pip install dlib-bin") from error
    folder = package_folder("face_recognition_models", "landmarks of faces need their model")
    return dlib.shape_predictor(str(folder / "models" / "shape_predictor_68_face_landmarks.dat"))


def package_folder(package: str, needs: str) -> Path:
    """The folder of an installed package, which is not imported: those with models bring old code.

    Raises:
        MissingExtraError: it is not installed; ``needs`` says who misses it.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(f"{needs}: pip install {package.replace('_cv2', '-opencv').replace('_', '-')}")
    return Path(spec.submodule_search_locations[0])
