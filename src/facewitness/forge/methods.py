"""The list of manipulations, name -> method. Everything that makes, lists or learns from forgeries reads it here."""

from collections.abc import Mapping
from types import MappingProxyType

from facewitness.forge.forgery import Method
from facewitness.forge.manipulations import (
    attribute,
    inpainting,
    mouth,
    pseudo,
    reconstruction,
    reenactment,
    swap,
    synthesis,
)

_ALL = (
    Method(
        "faceswap",
        "swap",
        "a donor's face: mesh warp, colour transfer, feathered blend",
        swap.faceswap,
        donor="face",
        keeps_identity=False,
    ),
    Method(
        "faceswap-poisson",
        "swap",
        "a donor's face: mesh warp, blended in the gradient domain",
        swap.faceswap_poisson,
        donor="face",
        keeps_identity=False,
    ),
    Method(
        "deepfake",
        "swap",
        "the face redrawn by the decoder of another group of people",
        swap.deepfake,
        keeps_identity=False,
        generator=True,
    ),
    Method(
        "face2face",
        "reenactment",
        "the face's mesh moved by a donor's expression",
        reenactment.face2face,
        donor="expression",
    ),
    Method(
        "neuraltextures",
        "reenactment",
        "the mouth alone rendered anew, after a donor's expression",
        mouth.neuraltextures,
        donor="expression",
        generator=True,
    ),
    *(
        Method(
            f"attribute-{up}",
            "attribute",
            f"hair, skin, lips or brows recoloured by a generator with {up} up-sampling",
            make,
            generator=True,
        )
        for up, make in (
            ("transposed", attribute.attribute_transposed),
            ("nearest", attribute.attribute_nearest),
            ("bilinear", attribute.attribute_bilinear),
        )
    ),
    Method(
        "inpaint-diffusion",
        "inpainting",
        "brows, patches of skin or strokes across the face filled from around",
        inpainting.inpaint_diffusion,
    ),
    Method("inpaint-patch", "inpainting", "the same, covered with patches of the photograph", inpainting.inpaint_patch),
    Method(
        "inpaint-conv",
        "inpainting",
        "the centre or features of the face drawn anew by a generator",
        inpainting.inpaint_conv,
        generator=True,
    ),
    Method(
        "synthesis",
        "synthesis",
        "a whole face from noise",
        synthesis.synthesis,
        keeps_identity=False,
        whole=True,
        generator=True,
    ),
    *(
        Method(
            f"reconstruct-{kind}",
            "reconstruction",
            f"the photograph or its face as an autoencoder draws it: {how}",
            reconstruction.RECONSTRUCT[f"reconstruct-{kind}"],
            generator=True,
        )
        for kind, how in reconstruction.KINDS.items()
    ),
    Method("selfblend", "pseudo", "the face blended with an altered copy of itself", pseudo.selfblend),
    Method(
        "blended",
        "pseudo",
        "another person's face of like shape blended in",
        pseudo.blended,
        donor="face",
        keeps_identity=False,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
