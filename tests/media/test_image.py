"""Reading: every mode and kind of file, upright; every way to fail has its status. Writing: same pixels, same bytes."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL import ExifTags

from facewitness.media import image
from facewitness.types import MediaError, Status
from tests.fakes import texture

RGB = texture(24, 36, seed=3)
GRAY = RGB[:, :, 0]
LOSSLESS = ["png", "tif", "bmp", "webp"]


def save(path: Path, picture: PIL.Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def status_of(path: Path, **options: int) -> Status:
    with pytest.raises(MediaError) as caught:
        image.read(path, **options)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.status


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_kinds_come_back_bit_for_bit(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "webp" else {}
    read = image.read(save(tmp_path / f"x.{kind}", PIL.Image.fromarray(RGB), **options))
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, RGB)


@pytest.mark.parametrize("kind", ["jpg", "webp", "gif"])
def test_lossy_kinds_come_back_near(tmp_path: Path, kind: str) -> None:
    smooth = np.repeat(np.linspace(40, 200, 36, dtype=np.uint8)[None, :, None], 24, 0).repeat(3, 2)
    read = image.read(save(tmp_path / f"x.{kind}", PIL.Image.fromarray(smooth)))
    assert read.shape == smooth.shape
    assert np.abs(read.astype(int) - smooth).mean() < 3


def test_every_suffix_we_take_is_a_kind_pillow_knows() -> None:
    PIL.Image.init()
    assert {PIL.Image.EXTENSION[suffix] for suffix in image.SUFFIXES - {".heic", ".heif"}} <= {
        "JPEG",
        "PNG",
        "WEBP",
        "TIFF",
        "BMP",
        "DIB",
        "GIF",
        "AVIF",
    }


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [("png", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"})])
def test_a_photograph_stands_upright(tmp_path: Path, orientation: int, kind: str, options: dict[str, str]) -> None:
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # what a viewer must do, by the EXIF standard
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: np.rot90(p, 2),
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, -1),
        7: lambda p: np.rot90(p, 2).swapaxes(0, 1),
        8: lambda p: np.rot90(p),
    }
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = save(tmp_path / f"x.{kind}", PIL.Image.fromarray(RGB), exif=exif, **options)
    np.testing.assert_array_equal(image.read(path), turns[orientation](RGB))


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    np.testing.assert_array_equal(image.read(save(tmp_path / "x.png", PIL.Image.fromarray(RGB), exif=exif)), RGB)


def test_damaged_exif_does_not_lose_the_photograph(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", PIL.Image.fromarray(RGB), exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    np.testing.assert_array_equal(image.read(path), RGB)


def test_gray_and_one_bit_become_three_equal_channels(tmp_path: Path) -> None:
    np.testing.assert_array_equal(
        image.read(save(tmp_path / "g.png", PIL.Image.fromarray(GRAY))), np.dstack([GRAY] * 3)
    )
    bits = GRAY > 128
    read = image.read(save(tmp_path / "b.png", PIL.Image.fromarray(bits)))
    np.testing.assert_array_equal(read, np.dstack([bits * np.uint8(255)] * 3))


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_sixteen_bit_gray_is_scaled_not_cut_off(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path / f"x.{kind}", PIL.Image.fromarray(GRAY.astype(np.uint16) * 257))
    np.testing.assert_array_equal(image.read(path)[:, :, 1], GRAY)


def test_sixteen_bit_rgb_png_is_scaled(tmp_path: Path) -> None:
    height, width = GRAY.shape
    rows = b"".join(b"\x00" + (RGB[y].astype(">u2") * 257).astype(">u2").tobytes() for y in range(height))
    (tmp_path / "x.png").write_bytes(png(width, height, bits=16, colour=2, data=zlib.compress(rows)))
    np.testing.assert_array_equal(image.read(tmp_path / "x.png"), RGB)


def test_sixteen_bit_rgb_tiff_is_scaled(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(tiff_rgb16(RGB.astype("<u2") * 257))
    np.testing.assert_array_equal(image.read(tmp_path / "x.tif"), RGB)


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floating_point_tiff_is_taken_for_the_range_that_holds_it(tmp_path: Path, white: float) -> None:
    plane = GRAY.astype(np.float32) / 255 * np.float32(white)
    plane[0, 0] = np.nan
    read = image.read(save(tmp_path / "x.tif", PIL.Image.fromarray(plane)))[:, :, 0]
    assert read[0, 0] == 0
    np.testing.assert_allclose(read.ravel()[1:], GRAY.ravel()[1:], atol=1)


def test_thirty_two_bit_integers_are_scaled(tmp_path: Path) -> None:
    read = image.read(save(tmp_path / "x.tif", PIL.Image.fromarray(GRAY.astype(np.int32) * 257)))
    np.testing.assert_array_equal(read[:, :, 2], GRAY)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    alpha = np.zeros(GRAY.shape, np.uint8)
    alpha[:, 10:] = 255
    rgba = PIL.Image.fromarray(np.dstack([RGB, alpha]))
    gray_alpha = PIL.Image.merge("LA", (PIL.Image.fromarray(GRAY), PIL.Image.fromarray(alpha)))
    for name, picture, want in (("c.png", rgba, RGB), ("g.png", gray_alpha, np.dstack([GRAY] * 3))):
        read = image.read(save(tmp_path / name, picture))
        assert (read[:, :10] == 255).all()
        np.testing.assert_array_equal(read[:, 10:], want[:, 10:])


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    picture = PIL.Image.fromarray((np.arange(24 * 36).reshape(24, 36) % 2).astype(np.uint8), "L").convert("P")
    picture.putpalette([200, 10, 10, 10, 20, 200])
    read = image.read(save(tmp_path / "x.png", picture, transparency=0))
    assert set(map(tuple, read.reshape(-1, 3).tolist())) == {(255, 255, 255), (10, 20, 200)}


def test_cmyk_is_not_inverted(tmp_path: Path) -> None:
    # Pillow writes, and most programs write, CMYK JPEG with Adobe's marker and inverted inks
    pure = np.zeros((32, 32, 3), np.uint8)
    pure[:] = (220, 60, 30)
    read = image.read(save(tmp_path / "x.jpg", PIL.Image.fromarray(pure).convert("CMYK"), quality=98))
    np.testing.assert_allclose(read.reshape(-1, 3).mean(0), (220, 60, 30), atol=4)
    assert b"Adobe" in (tmp_path / "x.jpg").read_bytes()


@pytest.mark.parametrize("kind", ["gif", "tif", "webp"])
def test_only_the_first_frame_counts(tmp_path: Path, kind: str) -> None:
    frames = [PIL.Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "webp" else {}
    read = image.read(save(tmp_path / f"x.{kind}", frames[0], save_all=True, append_images=frames[1:], **options))
    assert (read == (255, 0, 0)).all()


def test_the_smallest_photograph(tmp_path: Path) -> None:
    assert image.read(save(tmp_path / "x.png", PIL.Image.new("RGB", (1, 1), "red"))).tolist() == [[[255, 0, 0]]]


def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(image.encode(RGB, "png"))
    np.testing.assert_array_equal(image.read(tmp_path / "x.jpg"), RGB)


@pytest.mark.parametrize("content", [b"I am a text.\n", b"\x00" * 4096, b"%PDF-1.7\n", b"RIFF\x10\x00\x00\x00AVI LIST"])
def test_what_is_no_picture_is_unsupported(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    assert status_of(tmp_path / "x.jpg") is Status.UNSUPPORTED


@pytest.mark.parametrize("encoding", ["jpeg:90", "png", "webp:80"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_picture_is_unreadable(tmp_path: Path, encoding: str, share: float) -> None:
    data = image.encode(texture(200, 300), encoding)
    path = tmp_path / f"x{image.suffix(encoding)}"
    path.write_bytes(data[: max(16, int(len(data) * share))])
    assert status_of(path) is Status.UNREADABLE


def test_an_empty_a_missing_and_a_damaged_file_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    assert status_of(tmp_path / "empty.jpg") is Status.UNREADABLE
    assert status_of(tmp_path / "missing.jpg") is Status.UNREADABLE
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"nonsense" * 20)
    assert status_of(tmp_path / "damaged.png") is Status.UNREADABLE


def test_random_damage_never_raises_anything_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [image.encode(RGB, encoding) for encoding in ("jpeg:90", "png", "webp:80")]
    for kind in ("tiff", "gif", "bmp"):
        buffer = io.BytesIO()
        PIL.Image.fromarray(RGB).save(buffer, kind)
        pictures.append(buffer.getvalue())
    path, failures = tmp_path / "x.jpg", 0
    for data in pictures:
        for _ in range(40):
            damaged = bytearray(data)
            for at in rng.integers(0, len(damaged), 8):
                damaged[at] = rng.integers(0, 256)
            path.write_bytes(damaged)
            try:
                assert image.read(path).shape[2] == 3
            except MediaError:
                failures += 1
    assert failures > 10  # the damage was real


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(png(30_000, 30_000)[:33])  # signature and header, nothing else
    assert status_of(tmp_path / "cut.png") is Status.TOO_LARGE
    (tmp_path / "whole.png").write_bytes(png(30_000, 30_000, data=zlib.compress(b"\x00" * 1000)))
    assert status_of(tmp_path / "whole.png") is Status.TOO_LARGE
    bmp = bytearray(image_bytes("bmp"))
    bmp[18:26] = struct.pack("<ii", 30_000, 30_000)
    (tmp_path / "x.bmp").write_bytes(bmp)
    assert status_of(tmp_path / "x.bmp") is Status.TOO_LARGE


def test_the_size_limit_is_inclusive_and_can_be_set(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", PIL.Image.fromarray(RGB))
    assert image.read(path, max_pixels=24 * 36).shape == RGB.shape
    assert status_of(path, max_pixels=24 * 36 - 1) is Status.TOO_LARGE


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    assert status_of(tmp_path) is Status.UNSUPPORTED
    os.mkfifo(tmp_path / "pipe.jpg")
    assert status_of(tmp_path / "pipe.jpg") is Status.UNSUPPORTED
    with pytest.raises(MediaError) as caught:
        image.sha256(tmp_path / "pipe.jpg")
    assert caught.value.status is Status.UNSUPPORTED


def test_no_permission_has_its_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.png", PIL.Image.fromarray(RGB))

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may open everything
    assert status_of(path) is Status.NO_PERMISSION
    with pytest.raises(MediaError) as caught:
        image.sha256(path)
    assert caught.value.status is Status.NO_PERMISSION


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_rights_has_its_status(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", PIL.Image.fromarray(RGB))
    path.chmod(0)
    assert status_of(path) is Status.NO_PERMISSION


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")  # the example of FIPS 180-2
    want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert image.sha256(tmp_path / "x") == want


@pytest.mark.parametrize("encoding", ["jpeg:1", "jpeg:95", "png", "webp:100"])
@pytest.mark.parametrize("synthetic", [None, "face swap <test> & more"])
def test_same_pixels_same_bytes(encoding: str, synthetic: str | None) -> None:
    assert image.encode(RGB, encoding, synthetic) == image.encode(RGB.copy(), encoding, synthetic)


@pytest.mark.parametrize("encoding", ["jpeg:95", "png", "webp:90"])
def test_a_forgery_says_what_it_is_and_its_pixels_do_not(tmp_path: Path, encoding: str) -> None:
    plain, stamped = image.encode(RGB, encoding), image.encode(RGB, encoding, "inpaint <mouth>")
    assert b"compositeSynthetic" not in plain
    assert b"compositeSynthetic" in stamped
    assert b"inpaint &lt;mouth&gt;" in stamped
    paths = [tmp_path / f"{name}{image.suffix(encoding)}" for name in "ab"]
    for path, data in zip(paths, (plain, stamped), strict=True):
        path.write_bytes(data)
    np.testing.assert_array_equal(image.read(paths[0]), image.read(paths[1]))
    with PIL.Image.open(paths[1]) as picture:
        told = picture.info["Description"] if encoding == "png" else picture.getexif()[ExifTags.Base.ImageDescription]
    assert told == "inpaint <mouth>"


@pytest.mark.parametrize("encoding", ["jpeg", "jpeg:0", "jpeg:101", "jpeg:x", "png:3", "gif", "", "webp:-1", "jpeg:²"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(ValueError, match="unknown encoding"):
        image.encode(RGB, encoding)
    with pytest.raises(ValueError, match="unknown encoding"):
        image.suffix(encoding)


def test_a_plane_keeps_sixteen_bits(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).random((9, 7), np.float32)
    (tmp_path / "m.png").write_bytes(image.encode_plane16(plane))
    read = image.read_plane(tmp_path / "m.png")
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, plane, atol=0.5 / 65535 + 1e-7)
    (tmp_path / "m.png").write_bytes(image.encode_plane16(np.array([[0, 1, 2, -1]], np.float32)))
    assert image.read_plane(tmp_path / "m.png").tolist() == [[0, 1, 1, 0]]


def test_a_plane_of_eight_bits_and_of_one_bit(tmp_path: Path) -> None:
    PIL.Image.fromarray(GRAY).save(tmp_path / "m.png")
    np.testing.assert_allclose(image.read_plane(tmp_path / "m.png"), GRAY / np.float32(255))
    PIL.Image.fromarray(GRAY > 99).save(tmp_path / "b.png")
    np.testing.assert_array_equal(image.read_plane(tmp_path / "b.png"), (GRAY > 99).astype(np.float32))


def test_a_plane_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_text("no map")
    with pytest.raises(MediaError, match="not a readable map"):
        image.read_plane(tmp_path / "m.png")
    with pytest.raises(MediaError, match="no such file"):
        image.read_plane(tmp_path / "missing.png")


def image_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(RGB).save(buffer, kind)
    return buffer.getvalue()


def png(width: int, height: int, bits: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """A PNG by hand: what no encoder at hand would write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def tiff_rgb16(pixels: np.ndarray) -> bytes:
    """A baseline TIFF by hand, three channels of 16 bits, little-endian: Pillow reads but does not write these."""
    height, width = pixels.shape[:2]
    data = pixels.astype("<u2").tobytes()
    bits_at, data_at = 8, 14
    ifd_at = data_at + len(data)
    tags = [
        (256, 3, 1, width),
        (257, 3, 1, height),
        (258, 3, 3, bits_at),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, data_at),
        (277, 3, 1, 3),
        (278, 3, 1, height),
        (279, 4, 1, len(data)),
        (284, 3, 1, 1),
    ]
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    return b"II*\x00" + struct.pack("<I", ifd_at) + struct.pack("<HHH", 16, 16, 16) + data + ifd


def test_avif_and_heic_are_read_whatever_they_are_called(tmp_path: Path) -> None:
    import pillow_heif

    smooth = PIL.Image.fromarray(np.repeat(np.linspace(40, 200, 36, dtype=np.uint8)[None, :, None], 24, 0).repeat(3, 2))
    smooth.save(tmp_path / "IMG_0001.HEIC", "AVIF", quality=90)
    pillow_heif.register_heif_opener()
    smooth.save(tmp_path / "x.heic", "HEIF", quality=90)
    for name in ("IMG_0001.HEIC", "x.heic"):
        read = image.read(tmp_path / name)
        assert read.shape == (24, 36, 3)
        assert np.abs(read.astype(int) - np.asarray(smooth)).mean() < 3


def test_heic_without_its_package_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.heic").write_bytes(b"\x00\x00\x00\x18ftypheic" + bytes(100))
    monkeypatch.setattr(image, "formats", lambda: image._FORMATS)
    with pytest.raises(MediaError, match="pillow-heif") as caught:
        image.read(tmp_path / "x.heic")
    assert caught.value.status is Status.UNSUPPORTED


@pytest.mark.parametrize("kind", ["gif", "webp", "tif"])
def test_frames_are_read_evenly_spread(tmp_path: Path, kind: str) -> None:
    colours = ["red", "lime", "blue", "white", "black"]
    first, *others = [PIL.Image.new("RGB", (8, 8), colour) for colour in colours]
    first.save(tmp_path / f"x.{kind}", save_all=True, append_images=others, lossless=True)
    frames = image.read_frames(tmp_path / f"x.{kind}", 3)
    assert (frames.numbers, frames.total) == ([0, 2, 4], 5)
    assert [one[0, 0].tolist() for one in frames.images] == [[255, 0, 0], [0, 0, 255], [0, 0, 0]]
    assert image.read_frames(tmp_path / f"x.{kind}", 9).numbers == [0, 1, 2, 3, 4]
    assert image.read_frames(tmp_path / f"x.{kind}", 9, max_pixels=130).numbers == [0, 4]


def test_damaged_frames_behind_a_whole_one_are_left_out(tmp_path: Path) -> None:
    frames = [PIL.Image.fromarray(texture(64, 64, seed)) for seed in range(4)]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    data = (tmp_path / "x.gif").read_bytes()
    (tmp_path / "x.gif").write_bytes(data[: len(data) // 2])
    found = image.read_frames(tmp_path / "x.gif", 9)
    assert 1 <= len(found.images) < 4
    np.testing.assert_array_equal(found.images[0], image.read(tmp_path / "x.gif"))
