"""What a file declares: our own stamp, the IPTC source type, traces that image generators and editors leave.

Anybody can write or remove a declaration. One that says "made by a machine" is rarely a lie; its absence says nothing.
"""

import json
import re
from collections.abc import Iterator

from PIL import ExifTags

from facewitness.media.metadata.source import Source, one_line
from facewitness.types import Evidence, EvidenceKind

_VOCABULARY = {  # IPTC NewsCodes "Digital Source Type"
    "digitalCapture": "captured by a digital camera",
    "computationalCapture": "computed by a camera from several captures",
    "negativeFilm": "digitised from a negative",
    "positiveFilm": "digitised from a positive",
    "print": "digitised from a print",
    "minorHumanEdits": "captured, with minor edits by a person",
    "humanEdits": "captured, edited by a person",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "composite": "a composite",
    "compositeCapture": "a composite of captured parts",
    "compositeSynthetic": "a composite that contains synthetic parts",
    "compositeWithTrainedAlgorithmicMedia": "edited by a generative model",
    "trainedAlgorithmicMedia": "made by a generative model",
    "algorithmicMedia": "made by an algorithm without training data",
    "dataDrivenMedia": "made from data",
    "digitalArt": "drawn with digital tools",
    "digitalCreation": "made by a person with digital tools",
    "virtualRecording": "recorded from a virtual event",
    "screenCapture": "a screenshot",
    "softwareImage": "made by software",
}
SYNTHETIC = frozenset(
    (
        "compositeSynthetic",
        "compositeWithTrainedAlgorithmicMedia",
        "trainedAlgorithmicMedia",
        "algorithmicMedia",
        "softwareImage",
    )
)
_GENERATORS = re.compile(
    r"\b(midjourney|dall[-·]?e|stable ?diffusion|comfyui|automatic1111|invokeai|novelai|fooocus|firefly|imagen|"
    r"made with google ai|ideogram|leonardo\.ai|flux\.1|gpt-4o|chatgpt|openai|grok|stylegan\d?|runway|"
    r"faceapp|reface|facefusion|roop|deepfacelab|faceswap)\b",
    re.IGNORECASE,
)
_JOB = re.compile(r"\bJob ID: [0-9a-f]{8}-[0-9a-f]{4}-")  # of Midjourney, in descriptions
_STEPS = re.compile(r"\bSteps: \d")  # followed by the sampler: of the Stable Diffusion web interfaces
_INVOKE = ("invokeai_metadata", "sd-metadata", "Dream")
_OURS = "facewitness"


def term(uri: str) -> str:
    """The term of an IPTC digital source type, the last part of its address."""
    return one_line(uri.rstrip("/").rpartition("/")[2])


def in_words(term: str) -> str:
    """A term of the vocabulary in words; an unknown one as it stands."""
    return f"{_VOCABULARY[term]} ({term})" if term in _VOCABULARY else term


def stamp(source: Source) -> Iterator[Evidence]:
    """Our own stamp, on what ``media.image.encode`` wrote."""
    software = source.tag(ExifTags.Base.Software) or one_line(source.texts.get("Software", ""))
    if software != _OURS:
        return
    told = source.tag(ExifTags.Base.ImageDescription) or one_line(source.texts.get("Description", ""))
    if term(source.xmp.first("DigitalSourceType")) in SYNTHETIC:
        yield Evidence(
            EvidenceKind.STAMP,
            f'Stamped as a forgery: "{told}".',
            "That the file says it was forged with this software.",
            "Which photograph it was made from.",
            synthetic=True,
        )
        return
    yield Evidence(
        EvidenceKind.STAMP,
        f'Written by Facewitness without forging: "{told}".',
        "That the file says it passed through this software as a genuine picture of a data set.",
        "That the picture was genuine before, or that the stamp was not copied.",
    )


def source_type(source: Source) -> Iterator[Evidence]:
    """The property ``Iptc4xmpExt:DigitalSourceType``."""
    declared = term(source.xmp.first("DigitalSourceType"))
    if not declared:
        return
    synthetic = declared in SYNTHETIC
    yield Evidence(
        EvidenceKind.SOURCE_TYPE,
        f"Declared IPTC digital source type: {in_words(declared)}.",
        "That a program or a person declared the picture synthetic, as the terms of most generators ask for."
        if synthetic
        else "That a program or a person declared this.",
        "That it is true: the field is not signed and anybody can write it.",
        synthetic,
    )


def generator(source: Source) -> Iterator[Evidence]:
    """Parameters and names that image generators leave."""
    for seen in dict.fromkeys((*_parameters(source), *_names(source))):
        yield Evidence(
            EvidenceKind.GENERATOR,
            seen,
            "That a generator, or a program that imitates its metadata, wrote this file.",
            "That the whole picture was generated: generators also retouch and enlarge photographs.",
            synthetic=True,
        )


def history(source: Source) -> Iterator[Evidence]:
    """Editing programs by EXIF and XMP, and the steps of an XMP history."""
    programs = [source.tag(ExifTags.Base.Software), source.texts.get("Software", ""), source.xmp.first("CreatorTool")]
    programs += [step.get("softwareAgent", "") for step in source.xmp.history]
    named = [one_line(name) for name in programs if name and name != _OURS]
    if not named and not source.xmp.history:
        return
    steps = source.xmp.history
    actions = ", ".join(dict.fromkeys(one_line(step["action"]) for step in steps if "action" in step))
    listed = f"; {len(steps)} steps in its history ({actions})".replace("1 steps", "1 step", len(steps) == 1)
    yield Evidence(
        EvidenceKind.HISTORY,
        f"Software: {', '.join(dict.fromkeys(named)) or 'not named'}{listed if steps else ''}.",
        "That these programs say they wrote the file. A camera's own firmware is listed here too.",
        "What was changed: every export leaves such traces, also that of an untouched photograph.",
    )


def _parameters(source: Source) -> Iterator[str]:
    comment = source.tag(ExifTags.Base.UserComment).removeprefix("UNICODE").removeprefix("ASCII").strip("\x00 ")
    for where, text in (("PNG text", source.texts.get("parameters", "")), ("EXIF comment", _wide(source) or comment)):
        steps = _STEPS.search(text)
        if steps and text.find("Sampler: ", steps.end()) >= 0:
            yield f'Stable Diffusion parameters in the {where}: "{one_line(text)}".'
    nodes = sum(_is_graph(source.texts.get(key, "")) for key in ("prompt", "workflow"))
    if nodes:
        yield "A ComfyUI graph in the PNG text (prompt or workflow)."
    for key in _INVOKE:
        if key in source.texts:
            yield f'InvokeAI parameters in the PNG text: "{one_line(source.texts[key])}".'


def _wide(source: Source) -> str:
    """The user comment of EXIF where it is UTF-16, as the Stable Diffusion web interfaces write it into JPEG."""
    value = source.exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment, b"")
    if not isinstance(value, bytes) or not value.startswith(b"UNICODE\x00"):
        return ""
    text = value[8:]
    return text.decode("utf-16-le" if text[1:2] == b"\x00" else "utf-16-be", "replace")


def _is_graph(text: str) -> bool:
    try:
        graph = json.loads(text)
    except ValueError:
        return False
    if not isinstance(graph, dict):
        return False
    nodes = graph.get("nodes") if isinstance(graph.get("nodes"), list) else list(graph.values())
    return any(isinstance(node, dict) and ("class_type" in node or "type" in node) for node in nodes or ())


def _names(source: Source) -> Iterator[str]:
    software = {
        "EXIF software": source.tag(ExifTags.Base.Software),
        "EXIF maker": source.tag(ExifTags.Base.Make),
        "XMP creator tool": source.xmp.first("CreatorTool"),
        "XMP credit": source.xmp.first("Credit"),
        "text 'Software'": source.texts.get("Software", ""),
        "text 'Source'": source.texts.get("Source", ""),
    }
    for place, text in software.items():
        if _GENERATORS.search(text):
            yield f'The name of a generator in the {place}: "{one_line(text)}".'
    described = (source.tag(ExifTags.Base.ImageDescription), source.texts.get("Description", ""))
    for text in (*described, *source.xmp.properties.get("description", ())):
        if _JOB.search(text):
            yield f'The number of a Midjourney job in the description: "{one_line(text)}".'
