"""The list of manipulations, and the command that makes a labelled set of them: images, masks, regions, a manifest."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from forgesight.forge.forgery import Method
from forgesight.forge.inpainting import inpaint
from forgesight.forge.pseudo import selfblend
from forgesight.forge.swap import faceswap

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method(
                "faceswap",
                "swap",
                "a donor's face: mesh warp, colour transfer, feathered blend",
                faceswap,
                needs_donor=True,
                keeps_identity=False,
            ),
            Method("selfblend", "pseudo", "the face blended with an altered copy of itself", selfblend),
            Method("inpaint", "inpainting", "the centre or features of the face filled from around", inpaint),
        )
    }
)
