"""C2PA manifests (Content Credentials): who signed a file, what the signer said of it, and whether it still holds.

Validated by ``c2pa-python`` (extra ``provenance``). Nothing is fetched: neither manifests kept elsewhere nor lists of
revoked or trusted certificates, so that a name in a certificate is reported as what it says and not as who it is.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from facewitness.media.metadata.declared import SYNTHETIC, in_words, term
from facewitness.media.metadata.source import one_line
from facewitness.provenance import install_command
from facewitness.types import Evidence, EvidenceKind

_MARKS = (b"jumb", b"c2pa")  # box type and label, present in every embedded manifest store
_OFFLINE = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
_UNTRUSTED = "signingCredential.untrusted"
_TYPES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_BRANDS = {b"avif": "image/avif", b"heic": "image/heic", b"heix": "image/heic", b"mif1": "image/heif"}


def read(data: bytes) -> Iterator[Evidence]:
    """What the manifest in a file's bytes says and whether it holds; nothing where there is none.

    Raises:
        Exception: whatever the library raises for a damaged manifest.
    """
    if not all(mark in data for mark in _MARKS):
        return
    try:
        import c2pa
    except ImportError:
        yield Evidence(
            EvidenceKind.C2PA,
            f"A C2PA manifest is in the file and was not read: {install_command('provenance')}",
            "Nothing until it is validated.",
            "Anything that the manifest says.",
        )
        return
    with c2pa.Context(c2pa.Settings.from_dict(_OFFLINE)) as context:
        reader = c2pa.Reader.try_create(media_type(data), io.BytesIO(data), context=context)
        if reader is None:
            return
        with reader:
            state, store = reader.get_validation_state(), json.loads(reader.json())
            results = reader.get_validation_results() or {}
    failures = [one["code"] for one in results.get("activeManifest", {}).get("failure", ())]
    yield _evidence(state, failures, store["manifests"][store["active_manifest"]])


def media_type(data: bytes) -> str:
    """The media type of a file by its first bytes; ``video/mp4`` of any other file of ISO boxes."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "video/mp4")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((name for magic, name in _TYPES if data.startswith(magic)), "application/octet-stream")


def _evidence(state: str, failures: list[str], manifest: Mapping[str, Any]) -> Evidence:
    signature = manifest.get("signature_info", {})
    signer = one_line(signature.get("issuer") or signature.get("common_name") or "an unnamed signer")
    when = f" on {one_line(signature['time'])}" if signature.get("time") else ""
    actions, terms = _origin(manifest)
    done = f"; actions: {', '.join(actions)}" if actions else ""
    origin = f"; source: {', '.join(map(in_words, terms))}" if terms else ""
    said = f'A C2PA manifest signed by "{signer}"{when}{_program(manifest)}{done}{origin}.'
    synthetic = not SYNTHETIC.isdisjoint(terms)
    broken = [code for code in failures if code != _UNTRUSTED]
    if broken or state == "Invalid":
        return Evidence(
            EvidenceKind.C2PA,
            f"{said} It does not validate: {', '.join(broken) or 'the file and the manifest do not fit'}.",
            "That the file was changed after it was signed, or that the manifest is of another file.",
            "That a face was changed: a harmless re-encoding has the same effect.",
            synthetic,
        )
    return Evidence(
        EvidenceKind.C2PA,
        f"{said} Signature and file fit together.",
        "That no byte which the signature covers has changed since the holder of that certificate signed it.",
        "Who the holder is (the certificate was not checked against a list of trusted or revoked ones), or that what "
        "the signer says of the picture is true.",
        synthetic,
    )


def _program(manifest: Mapping[str, Any]) -> str:
    generators = manifest.get("claim_generator_info") or [{}]
    name = generators[0].get("name") or manifest.get("claim_generator")
    return f", written by {one_line(str(name))}" if name else ""


def _origin(manifest: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What a manifest says that was done, and the terms of the source types that it names."""
    asserted = [one for one in manifest.get("assertions", ()) if one["label"].startswith("c2pa.actions")]
    actions = [action for one in asserted for action in one["data"].get("actions", ())]
    terms = [term(action["digitalSourceType"]) for action in actions if "digitalSourceType" in action]
    done = [one_line(action["action"].removeprefix("c2pa.")) for action in actions]
    return list(dict.fromkeys(done)), list(dict.fromkeys(terms))
