"""What the terms of a source of photographs allow: identity swaps, figures.

The rules are data: the forge and everything that draws a figure read them here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What the terms of a source let us do. Forgeries that keep the person's identity are allowed for every source."""

    swap_allowed: bool  # identity swaps, as training data at least
    figures_allowed: bool  # may be shown in figures, reports kept in the project and documentation
    citation: str
    terms: str


def _research(citation: str, terms: str) -> SourceRule:
    return SourceRule(False, False, citation, f"{terms}; training and measuring only, no swaps, no figures")


_WILD = {
    "attgan": ("He et al. (2019), AttGAN, after CelebA", "CelebA: non-commercial research"),
    "stargan": ("Choi et al. (2018), StarGAN, after CelebA", "CelebA: non-commercial research"),
    "celebahq_starganv2": ("Choi et al. (2020), StarGAN v2, CelebA-HQ", "CC BY-NC 4.0"),
    "ffhq_dina": ("Karras et al. (2019), Flickr-Faces-HQ", "Creative Commons, by photograph"),
    "dfl_swap": ("DeepFaceLive, example swaps", "GPL-3.0"),
    "dfl_photos": ("DeepFaceLive, example photographs", "GPL-3.0"),
    "deepface_tests": ("deepface, test photographs", "MIT"),
    "talking_real": ("example clips of talking-head repositories", "MIT, Apache-2.0"),
    "t2i_sfhq": ("SFHQ-T2I, text-to-image portraits", "MIT"),
    "fakefaces_basemax": ("StyleGAN2 portraits", "GPL-3.0"),
    "seegma": ("StyleGAN2 portraits, and photographs", "MIT"),
    "tpdne_dina": ("StyleGAN2 portraits", "none stated"),
    "tpdne_u1i": ("StyleGAN2 portraits", "none stated"),
}

RULES: Mapping[str, SourceRule] = MappingProxyType(
    {
        "london": SourceRule(
            swap_allowed=True,
            figures_allowed=True,
            citation="DeBruine & Jones (2017), Face Research Lab London Set, doi 10.6084/m9.figshare.5047666",
            terms="CC BY 4.0; written consent to use in original or altered form",
        ),
        "canada": SourceRule(
            swap_allowed=True,
            figures_allowed=True,
            citation="DeBruine & Jones, Young Adult White Faces with Manipulated Versions, figshare",
            terms="CC BY 4.0",
        ),
        "everyday": SourceRule(
            swap_allowed=False,  # some photographs show children
            figures_allowed=False,
            citation="MEBeauty database",
            terms="non-commercial research only; no identity swaps, no figures",
        ),
        "lfw": SourceRule(
            swap_allowed=True,
            figures_allowed=False,
            citation="Huang et al. (2012), Labeled Faces in the Wild, deep-funneled",
            terms="research benchmark without a formal licence; training forgeries only, no figures",
        ),
        **{source: _research(citation, terms) for source, (citation, terms) in _WILD.items()},
    }
)


def swap_allowed(dataset: str) -> bool:
    """Whether the terms of a source allow identity swaps; a source without a rule is the user's own."""
    return dataset not in RULES or RULES[dataset].swap_allowed


def may_be_shown(dataset: str) -> bool:
    """Whether the people of a source agreed to be shown, in original or altered form."""
    return dataset in RULES and RULES[dataset].figures_allowed


def credits() -> str:
    """Whom to thank for the people who may be shown."""
    return "; ".join(rule.citation for rule in RULES.values() if rule.figures_allowed)
