from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFile

from models.errors import BrokenMedia, InvalidInput, TooLarge, UnsupportedMedia, VestibuleError
from models.media import images
from models.media.documents import DocumentLimits
from models.media.formats import MediaFormat
from models.media.images import JPEG, MIB, PNG, READ_BYTES, SHOWN_SIDE, ImageLimits, decode, encode, output_mime
from models.vision.ocr_models import OcrOptions
from tests.unit.vision.pictures import DATA, corners, encoded, red_corner

LIMITS = ImageLimits()
WEBP, TIFF = MediaFormat.WEBP.mime, MediaFormat.TIFF.mime
ORIENTATION = 0x0112


@pytest.mark.parametrize(("kind", "mime"), [("JPEG", JPEG), ("PNG", PNG), ("WEBP", WEBP), ("TIFF", TIFF)])
def test_each_format_is_found_by_its_content(kind: str, mime: str) -> None:
    decoded = decode(encoded(corners(), kind), LIMITS)
    assert (decoded.mime, decoded.width, decoded.height) == (mime, 40, 20)
    assert decoded.pixels.shape == (20, 40, 3)
    assert decoded.pixels.dtype == np.uint8
    assert red_corner(decoded.pixels) == "upper left"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [
        (1, (40, 20), "upper left"),
        (2, (40, 20), "upper right"),
        (3, (40, 20), "lower right"),
        (4, (40, 20), "lower left"),
        (5, (20, 40), "upper left"),
        (6, (20, 40), "upper right"),
        (7, (20, 40), "lower right"),
        (8, (20, 40), "lower left"),
    ],
)
def test_orientation_is_applied(kind: str, orientation: int, size: tuple[int, int], red: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    decoded = decode(encoded(corners(), kind, exif=exif), LIMITS)
    assert (decoded.width, decoded.height) == size
    assert decoded.pixels.shape == (size[1], size[0], 3)
    assert red_corner(decoded.pixels) == red


@pytest.mark.parametrize("mime", [JPEG, PNG])
def test_all_metadata_is_removed(mime: str) -> None:
    data = (DATA / "register.jpg").read_bytes()
    with Image.open(io.BytesIO(data)) as source:
        assert source.getexif().get_ifd(0x8825), "the test picture carries a position"
    decoded = decode(data, LIMITS)
    assert decoded.width > decoded.height, "stored sideways, shown upright"
    again = encode(decoded.pixels, mime)
    assert b"Exif" not in again
    assert b"eXIf" not in again
    with Image.open(io.BytesIO(again)) as picture:
        assert not dict(picture.getexif())
        assert not {"exif", "icc_profile", "comment", "xmp"} & set(picture.info)
        assert picture.size == (decoded.width, decoded.height)


def test_png_is_lossless() -> None:
    pixels = decode(encoded(corners(), "PNG"), LIMITS).pixels
    assert np.array_equal(decode(encode(pixels, PNG), LIMITS).pixels, pixels)


@pytest.mark.parametrize(("mime", "back"), [(PNG, PNG), (JPEG, JPEG), (WEBP, JPEG), (TIFF, JPEG)])
def test_the_output_type_depends_on_the_input_type(mime: str, back: str) -> None:
    assert output_mime(mime) == back


def test_encoding_to_other_types_is_refused() -> None:
    with pytest.raises(InvalidInput):
        encode(np.zeros((4, 4, 3), np.uint8), WEBP)


@pytest.mark.parametrize("size", [(4000, 100), (100, 4000), (3999, 3000)])
def test_large_pictures_are_scaled_to_the_working_size(size: tuple[int, int]) -> None:
    limits = replace(LIMITS, working_side=1000)
    for kind in ("JPEG", "PNG"):
        decoded = decode(encoded(Image.new("RGB", size, (9, 9, 9)), kind), limits)
        assert (decoded.width, decoded.height) == size
        assert max(decoded.pixels.shape) == 1000


@pytest.mark.parametrize(
    ("camera", "shown"),
    [
        ((4032, 3024), 2016),
        ((3024, 4032), 2016),
        ((3968, 2976), 1984),
        ((8064, 6048), 2016),
        ((3264, 2448), 2048),
        ((4624, 3468), 2048),
        ((1600, 1200), 1600),
    ],
)
def test_a_photograph_shows_hardly_more_than_the_ocr_can_see(camera: tuple[int, int], shown: int) -> None:
    photo = encoded(Image.new("RGB", camera, (9, 9, 9)), "JPEG")
    assert max(decode(photo, LIMITS).pixels.shape) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [((4032, 3024), SHOWN_SIDE), ((3024, 4032), SHOWN_SIDE), ((1600, 1200), 1600)]
)
def test_a_large_png_is_scaled_to_what_the_ocr_can_see(size: tuple[int, int], shown: int) -> None:
    assert max(decode(encoded(Image.new("RGB", size, (9, 9, 9)), "PNG"), LIMITS).pixels.shape) == shown


def test_the_ocr_looks_at_nearly_all_that_is_shown() -> None:
    assert 1.03 * OcrOptions().longest_side >= SHOWN_SIDE
    assert DocumentLimits().side <= SHOWN_SIDE


def _png_of_size(width: int, height: int) -> bytes:
    """A few bytes that claim to be a picture of any size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _many_scans(count: int) -> bytes:
    """A JPEG with the same scan again and again."""
    data = encoded(corners(), "JPEG")
    scan = data[data.index(b"\xff\xda") : -2]
    return data[:-2] + scan * (count - 1) + data[-2:]


def _pages(kind: str, count: int) -> bytes:
    first, *others = (Image.new("RGB", (8, 8), (n * 40, 0, 0)) for n in range(count))
    return encoded(first, kind, save_all=True, append_images=others)


@pytest.mark.parametrize(
    ("data", "limits", "reason"),
    [
        (_png_of_size(100_000, 100_000), LIMITS, "IMAGE_TOO_LARGE"),  # Pillow's own bomb check
        (_png_of_size(9_000, 9_000), LIMITS, "IMAGE_TOO_LARGE"),
        (_png_of_size(40_000, 10), LIMITS, "IMAGE_TOO_LARGE"),
        (encoded(corners(), "PNG"), replace(LIMITS, pixels=799), "IMAGE_TOO_LARGE"),
        (encoded(corners(), "PNG"), replace(LIMITS, side=39), "IMAGE_TOO_LARGE"),
        (encoded(corners(), "PNG"), replace(LIMITS, file_bytes=50), "IMAGE_TOO_LARGE"),
        (_pages("TIFF", 2), LIMITS, "TOO_MANY_PAGES"),
        (_pages("WEBP", 3), LIMITS, "TOO_MANY_PAGES"),
        (_pages("PNG", 2), LIMITS, "TOO_MANY_PAGES"),
        (_many_scans(100), LIMITS, "IMAGE_TOO_LARGE"),  # a pass for every scan
    ],
)
def test_bounds_are_checked_before_pixels_are_decoded(data: bytes, limits: ImageLimits, reason: str) -> None:
    with pytest.raises(TooLarge) as caught:
        decode(data, limits)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"\0\0\0\x18ftypavif" + b"\0" * 64, "JPEG"),
        (b"%PDF-1.7\n", "page"),
        (b"GIF89a" + b"\0" * 64, "JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG"),
        (b"PK\x03\x04" + b"\0" * 64, "JPEG"),
    ],
)
def test_other_types_are_refused_with_a_hint(data: bytes, hint: str) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        decode(data, LIMITS)
    assert hint in caught.value.hint


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.9])
def test_a_truncated_picture_is_broken(kind: str, keep: float) -> None:
    noise = Image.fromarray(np.random.default_rng(7).integers(0, 255, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(VestibuleError) as caught:
        decode(data[: int(len(data) * keep)], LIMITS)
    assert isinstance(caught.value, BrokenMedia)


def test_an_empty_file_has_its_own_reason() -> None:
    with pytest.raises(BrokenMedia) as caught:
        decode(b"", LIMITS)
    assert caught.value.reason == "EMPTY_FILE"


def test_a_wrong_checksum_is_broken() -> None:
    data = bytearray(encoded(corners(), "PNG"))
    data[data.index(b"IDAT") - 4 + 8 + 3] ^= 1
    with pytest.raises(BrokenMedia):
        decode(bytes(data), LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_flipped_bytes_raise_only_media_errors(kind: str) -> None:
    chance = np.random.default_rng(11)
    data = encoded(corners().resize((96, 64)), kind)
    for _ in range(60):
        damaged = bytearray(data)
        for at in chance.integers(4, len(data), 6):
            damaged[at] = int(chance.integers(0, 256))
        try:
            decoded = decode(bytes(damaged), LIMITS)
        except VestibuleError as error:
            assert isinstance(error, BrokenMedia | TooLarge | UnsupportedMedia)
        else:
            assert decoded.pixels.shape[2] == 3


@pytest.mark.parametrize(
    ("picture", "grey"),
    [
        (Image.new("L", (4, 4), 77), 77),
        (Image.new("1", (4, 4), 1), 255),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 255),  # what is transparent was not meant to be seen
        (Image.new("LA", (4, 4), (10, 255)), 10),
        (Image.fromarray(np.full((4, 4), 77 * 257, np.uint16)), 77),
        (Image.new("P", (4, 4), 0), 0),
    ],
    ids=["grey", "bilevel", "transparent", "grey and alpha", "16 bit", "palette"],
)
def test_every_colour_mode_becomes_rgb(picture: Image.Image, grey: int) -> None:
    pixels = decode(encoded(picture, "PNG"), LIMITS).pixels
    assert pixels.shape == (4, 4, 3)
    assert np.unique(pixels).tolist() == [grey]


def test_cmyk_jpeg_becomes_rgb() -> None:
    pixels = decode(encoded(corners().convert("CMYK"), "JPEG"), LIMITS).pixels
    assert red_corner(pixels) == "upper left"


@pytest.mark.parametrize("piece_bytes", [4_096, 8 * MIB])
def test_a_jpeg_is_the_same_in_many_pieces_and_in_one(monkeypatch: pytest.MonkeyPatch, piece_bytes: int) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 300, 3), np.uint8))
    expected = encoded(noise, "JPEG", quality=images.JPEG_QUALITY)
    monkeypatch.setattr(ImageFile, "MAXBLOCK", piece_bytes)
    assert encode(np.asarray(noise), JPEG) == expected


def test_how_much_is_read_at_a_time_does_not_depend_on_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder writes large pieces. Pillow would read as much for each strip of a TIFF, wherever the strips lie."""
    monkeypatch.setattr(ImageFile, "MAXBLOCK", 8 * MIB)
    read: list[int] = []
    load = ImageFile.ImageFile.load

    def noting(picture: ImageFile.ImageFile) -> object:
        read.append(picture.decodermaxblock)
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", noting)
    decode(encoded(corners(), "TIFF"), LIMITS)
    assert set(read) == {READ_BYTES}
    read.clear()
    jpeg = encoded(corners(), "JPEG")
    decode(jpeg, LIMITS)
    assert set(read) == {len(jpeg)}, "it has no strips"
