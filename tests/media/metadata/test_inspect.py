"""What a file says of its own origin: each kind of evidence is found, and none where there is none."""

from __future__ import annotations

import io
import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from PIL import ExifTags
from PIL.PngImagePlugin import PngInfo

from facewitness.media import image
from facewitness.media.metadata import inspect
from facewitness.media.metadata.xmp import parse
from facewitness.types import Evidence, EvidenceKind, Image
from tests.fakes import astronaut, texture
from tests.media.metadata.signing import signed

XMP = """<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/"
 xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" xmp:CreatorTool="Darkroom 3"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{term}">
<xmpMM:History><rdf:Seq>
<rdf:li stEvt:action="created" stEvt:softwareAgent="Darkroom 3"/>
<rdf:li rdf:parseType="Resource"><stEvt:action>saved</stEvt:action><stEvt:softwareAgent>Painter 9</stEvt:softwareAgent>
</rdf:li></rdf:Seq></xmpMM:History></rdf:Description></rdf:RDF></x:xmpmeta>"""


def jpeg(rgb: Image, quality: int = 90, **more: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(rgb).save(buffer, "JPEG", quality=quality, **more)
    return buffer.getvalue()


def found(tmp_path: Path, data: bytes) -> dict[EvidenceKind, Evidence]:
    (tmp_path / "x").write_bytes(data)
    evidence = inspect(tmp_path / "x")
    assert [one.kind for one in evidence] == sorted((one.kind for one in evidence), key=list(EvidenceKind).index)
    assert all(one.seen and one.proves and one.limits for one in evidence)
    return {one.kind: one for one in evidence}


def png(rgb: Image, **texts: str) -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    for key, text in texts.items():
        info.add_text(key, text)
    PIL.Image.fromarray(rgb).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def test_a_bare_picture_says_that_it_says_nothing(tmp_path: Path) -> None:
    assert set(found(tmp_path, png(texture()))) == {EvidenceKind.NONE}
    assert set(found(tmp_path, jpeg(texture()))) == {EvidenceKind.JPEG, EvidenceKind.NONE}


def test_a_manifest_is_validated_against_the_bytes(tmp_path: Path) -> None:
    data = signed(jpeg(texture()), "digitalCapture")
    whole = found(tmp_path, data)[EvidenceKind.C2PA]
    assert 'signed by "Test Newsroom"' in whole.seen
    assert "captured by a digital camera" in whole.seen
    assert "fit together" in whole.seen
    assert not whole.synthetic
    changed = bytearray(data)
    changed[-100] ^= 1
    broken = found(tmp_path, bytes(changed))[EvidenceKind.C2PA]
    assert "does not validate: assertion.dataHash.mismatch" in broken.seen
    assert found(tmp_path, signed(jpeg(texture()), "trainedAlgorithmicMedia"))[EvidenceKind.C2PA].synthetic


def test_a_manifest_without_the_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = signed(jpeg(texture()), "digitalCapture")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert "[provenance]" in found(tmp_path, data)[EvidenceKind.C2PA].seen
    assert EvidenceKind.C2PA not in found(tmp_path, jpeg(texture()))


@pytest.mark.parametrize("encoding", ["jpeg:95", "png", "webp:90"])
def test_our_own_stamp_is_recognised(tmp_path: Path, encoding: str) -> None:
    forged = found(tmp_path, image.encode(texture(), encoding, synthetic="Synthetic: forged by facewitness"))
    assert forged[EvidenceKind.STAMP].synthetic
    assert forged[EvidenceKind.SOURCE_TYPE].synthetic
    assert "Synthetic: forged by facewitness" in forged[EvidenceKind.STAMP].seen
    assert EvidenceKind.GENERATOR not in forged
    genuine = found(tmp_path, image.encode(texture(), encoding, genuine="Photograph, not forged"))
    assert not genuine[EvidenceKind.STAMP].synthetic
    assert EvidenceKind.SOURCE_TYPE not in genuine


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ({"parameters": "a face\nSteps: 20, Sampler: Euler a, CFG scale: 7"}, "Stable Diffusion"),
        ({"prompt": json.dumps({"3": {"class_type": "KSampler", "inputs": {}}})}, "ComfyUI"),
        ({"workflow": json.dumps({"nodes": [{"type": "KSampler"}]})}, "ComfyUI"),
        ({"invokeai_metadata": "{}"}, "InvokeAI"),
        ({"Software": "NovelAI"}, "NovelAI"),
        ({"Description": "a runner --v 6 Job ID: 1b4db7eb-4057-5ddf-91e0-36dec72071f5"}, "Midjourney"),
    ],
)
def test_traces_of_generators_are_seen(tmp_path: Path, texts: dict[str, str], word: str) -> None:
    trace = found(tmp_path, png(texture(), **texts))[EvidenceKind.GENERATOR]
    assert word in trace.seen
    assert trace.synthetic


@pytest.mark.parametrize(
    "texts",
    [
        {"prompt": "what is this?"},
        {"workflow": "[1, 2]"},
        {"Description": "the runway of the troops, preface, reface"},
        {"parameters": "Steps: none"},
        {"Software": "Troop manager"},
    ],
)
def test_ordinary_texts_are_no_traces(tmp_path: Path, texts: dict[str, str]) -> None:
    assert EvidenceKind.GENERATOR not in found(tmp_path, png(texture(), **texts))


def test_parameters_in_a_jpeg_comment_are_seen(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    comment = "a face\nSteps: 20, Sampler: Euler".encode("utf-16-be")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\x00" + comment
    assert "EXIF comment" in found(tmp_path, jpeg(texture(), exif=exif))[EvidenceKind.GENERATOR].seen


def test_source_type_and_history_come_from_xmp(tmp_path: Path) -> None:
    evidence = found(tmp_path, jpeg(texture(), xmp=XMP.format(term="trainedAlgorithmicMedia").encode()))
    assert "made by a generative model" in evidence[EvidenceKind.SOURCE_TYPE].seen
    assert evidence[EvidenceKind.SOURCE_TYPE].synthetic
    history = evidence[EvidenceKind.HISTORY].seen
    assert history == "Software: Darkroom 3, Painter 9; 2 steps in its history (created, saved)."
    captured = found(tmp_path, jpeg(texture(), xmp=XMP.format(term="digitalCapture").encode()))
    assert not captured[EvidenceKind.SOURCE_TYPE].synthetic


def test_a_camera_and_its_dates(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 5D"
    exif[ExifTags.Base.DateTime] = "2024:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2025:03:01 09:00:00"
    seen = found(tmp_path, jpeg(texture(), exif=exif))[EvidenceKind.CAMERA].seen
    assert "camera Canon EOS 5D, taken 2025:03:01 09:00:00" in seen
    assert "changed 2024:01:01 00:00:00 (before it was taken)" in seen


def with_thumbnail(picture: Image, small: Image) -> bytes:
    """A JPEG whose EXIF has a thumbnail: two directories of TIFF, the second with its place and length."""
    thumbnail = jpeg(small)
    first = struct.pack("<HHHIII", 1, ExifTags.Base.Orientation, 3, 1, 1, 26)
    place = 26 + 2 + 2 * 12 + 4
    second = struct.pack("<HHHII", 2, ExifTags.Base.JpegIFOffset, 4, 1, place)
    second += struct.pack("<HHIII", ExifTags.Base.JpegIFByteCount, 4, 1, len(thumbnail), 0)
    return jpeg(picture, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + first + second + thumbnail)


def test_a_thumbnail_of_another_picture_is_told(tmp_path: Path) -> None:
    rgb = astronaut()
    small = np.asarray(PIL.Image.fromarray(rgb).resize((120, 120)))
    same = found(tmp_path, with_thumbnail(rgb, small))[EvidenceKind.THUMBNAIL]
    assert "shows the same picture" in same.seen
    boxed = np.zeros((120, 160, 3), np.uint8)
    boxed[:, 20:140] = small
    assert "same picture" in found(tmp_path, with_thumbnail(rgb, boxed))[EvidenceKind.THUMBNAIL].seen
    changed = rgb.copy()
    changed[60:200, 160:300] = changed[300:440, 160:300]  # over the face
    other = found(tmp_path, with_thumbnail(changed, small))[EvidenceKind.THUMBNAIL]
    assert "shows something else" in other.seen
    assert "other proportions" in found(tmp_path, with_thumbnail(rgb[:300], small))[EvidenceKind.THUMBNAIL].seen


@pytest.mark.parametrize(("first", "second"), [(60, 90), (75, 95), (90, 95), (60, 75)])
def test_two_compressions_are_told_from_one(tmp_path: Path, first: int, second: int) -> None:
    rgb = np.asarray(PIL.Image.fromarray(astronaut()).resize((420, 420), PIL.Image.Resampling.LANCZOS))
    once = found(tmp_path, jpeg(rgb, second))
    assert EvidenceKind.RECOMPRESSION not in once
    assert f"JPEG of quality {second} by the tables of libjpeg, chroma 4:2:0" in once[EvidenceKind.JPEG].seen
    again = np.asarray(PIL.Image.open(io.BytesIO(jpeg(rgb, first))))
    twice = found(tmp_path, jpeg(again, second))[EvidenceKind.RECOMPRESSION]
    quality = int(twice.seen.split("of quality about ")[1].split()[0])
    assert abs(quality - first) <= 2


def test_tables_that_are_not_libjpegs_are_told(tmp_path: Path) -> None:
    own = [[3 + i // 4 for i in range(64)]] * 2
    assert "tables of its own" in found(tmp_path, jpeg(texture(), qtables=own))[EvidenceKind.JPEG].seen


def test_damaged_metadata_is_reported_and_loses_nothing(tmp_path: Path) -> None:
    bad = found(tmp_path, jpeg(texture(), xmp=b"<x:xmpmeta><unclosed>"))
    assert "XMP (not well-formed)" in bad[EvidenceKind.UNREADABLE].seen
    assert EvidenceKind.JPEG in bad
    assert inspect(tmp_path / "missing")[0].kind is EvidenceKind.UNREADABLE
    (tmp_path / "text").write_text("no picture")
    assert inspect(tmp_path / "text") == ()


@pytest.mark.parametrize("seed", range(20))
def test_hostile_bytes_never_raise(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Make] = "Canon"
    data = bytearray(jpeg(texture(), exif=exif, xmp=XMP.format(term="print").encode()))
    for place in rng.integers(2, 3000, 12):
        data[place % len(data)] = int(rng.integers(256))
    (tmp_path / "x").write_bytes(data)
    assert all(isinstance(one, Evidence) for one in inspect(tmp_path / "x"))


def test_entities_are_not_expanded() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "boom">]><a>&b;</a>'
    with pytest.raises(ValueError, match="entities"):
        parse(bomb)


def test_control_characters_do_not_reach_a_report(tmp_path: Path) -> None:
    seen = found(tmp_path, png(texture(), parameters="\x1b[31m a\nSteps: 3, Sampler: x"))[EvidenceKind.GENERATOR].seen
    assert "\x1b" not in seen
    assert "\n" not in seen
