"""What is hidden in a file is refused before anything decodes it; what phones append is not."""

from __future__ import annotations

import random
import zlib
from contextlib import suppress

import pytest

from models.errors import BrokenMedia, VestibuleError
from models.media.formats import detect
from models.media.inspection import inspect
from models.media.structure import jpeg, streams, tiff
from models.media.structure.layout import MAX_METADATA_BYTES
from tests.unit.media.made_files import (
    box,
    heic_file,
    live_webm,
    png_chunk,
    samsung_trailer,
    small_mp4,
    wav_file,
    with_jpeg_segment,
    with_png_chunk,
    zip_file,
)
from tests.unit.vision.pictures import DATA, corners, encoded

JPEG, PNG, WEBP, TIFF = (encoded(corners(), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF"))
HEIC = heic_file(corners())
FILES = {"jpeg": JPEG, "png": PNG, "webp": WEBP, "tiff": TIFF, "heic": HEIC, "wav": wav_file()}
ELF = b"\x7fELF\x02\x01\x01" + bytes(57)
WINDOWS = b"MZ" + bytes(70) + b"This program cannot be run in DOS mode.\r\n" + bytes(20)
PHP = b"<?php system($_GET['c']); ?>"
HTML = b"<html><body onload=alert(1)></body></html>"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PDF = b"%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\n"
PHAR = b"<?php __HALT_COMPILER(); ?>\r\n" + bytes(40)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100)
JAVA = b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(50)
MACH = b"\xcf\xfa\xed\xfe\x07\0\0\x01" + bytes(50)
RAR = b"Rar!\x1a\x07\x01\x00" + bytes(50)
SEVEN = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(50)
TAR = b"run.sh".ljust(257, b"\0") + b"ustar\x0000" + bytes(248)
FOREIGN = {
    "zip": zip_file(),
    "elf": ELF,
    "windows": WINDOWS,
    "php": PHP,
    "html": HTML,
    "svg": SVG,
    "pdf": PDF,
    "phar": PHAR,
    "office": OLE,
    "java": JAVA,
    "mach-o": MACH,
    "rar": RAR,
    "7z": SEVEN,
    "tar": TAR,
}


NOISE = random.Random(9).randbytes(200_000)


def reason(data: bytes) -> str:
    """Why the file is refused; empty when it is not."""
    found = detect(data)
    assert found is not None
    try:
        inspect(data, found)
    except VestibuleError as error:
        return str(error.reason)
    return ""


@pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())
def test_plain_files_pass(data: bytes) -> None:
    assert reason(data) == ""


@pytest.mark.parametrize(
    "name", ["register.jpg", "meter.jpg", *(f"visit.{e}" for e in ["wav", "ogg", "webm", "mp3", "flac", "m4a", "aac"])]
)
def test_files_of_phones_and_recorders_pass(name: str) -> None:
    assert reason((DATA / name).read_bytes()) == ""


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize(
    "data", [JPEG, PNG, WEBP, TIFF, HEIC, wav_file()], ids=["jpeg", "png", "webp", "tiff", "heic", "wav"]
)
def test_a_second_format_behind_the_end_is_refused(data: bytes, foreign: bytes) -> None:
    assert reason(data + foreign) == "FOREIGN_CONTENT"


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_second_format_in_the_metadata_is_refused(foreign: bytes) -> None:
    assert reason(with_jpeg_segment(0xFE, foreign)) == "FOREIGN_CONTENT"
    assert reason(with_png_chunk(b"tEXt", b"Comment\0" + foreign)) == "FOREIGN_CONTENT"
    assert reason(HEIC + box(b"free", foreign)) == "FOREIGN_CONTENT"


@pytest.mark.parametrize("foreign", [PHP, HTML, zip_file()])
def test_packed_metadata_is_looked_into(foreign: bytes) -> None:
    assert reason(with_png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(foreign))) == "FOREIGN_CONTENT"
    assert reason(with_png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(foreign))) == "FOREIGN_CONTENT"


@pytest.mark.parametrize(
    "data", [JPEG, PNG, WEBP, TIFF, HEIC, wav_file()], ids=["jpeg", "png", "webp", "tiff", "heic", "wav"]
)
def test_unknown_bytes_behind_the_end_are_refused(data: bytes) -> None:
    assert reason(data + random.Random(3).randbytes(400)) == "TRAILING_DATA"


@pytest.mark.parametrize(
    "trailer",
    [
        bytes(5_000),
        b"\r\n",
        b"\xff" * 40,
        JPEG,
        bytes(20) + JPEG + JPEG,
        small_mp4(),
        samsung_trailer(small_mp4()),
        JPEG + samsung_trailer(b"notes of the camera app, without any known format"),
    ],
    ids=["zeros", "line", "ones", "preview", "previews", "film", "samsung film", "samsung notes"],
)
def test_what_phones_append_to_a_photo_passes(trailer: bytes) -> None:
    assert reason(JPEG + trailer) == ""


@pytest.mark.parametrize("padding", [b"", bytes(3), b"\xff" * 5], ids=["none", "zeros", "ones"])
@pytest.mark.parametrize("size", [9, 10, 13, 20, 24, 28, 32, 255, 256, 512])
def test_the_first_box_of_a_film_may_have_any_size(size: int, padding: bytes) -> None:
    """The bytes of its size are not taken for padding: 32 is a blank, 9, 10 and 13 end a line."""
    film = box(b"ftyp", b"mp42".ljust(size - 8, b"x")[: size - 8]) + box(b"mdat", bytes(range(200)))
    assert reason(JPEG + padding + film) == ""
    assert reason(JPEG + padding + film + random.Random(7).randbytes(400)) == "TRAILING_DATA"


def test_a_film_of_a_phone_hides_nothing() -> None:
    assert reason(JPEG + small_mp4() + zip_file()) == "FOREIGN_CONTENT"
    assert reason(JPEG + samsung_trailer(zip_file())) == "FOREIGN_CONTENT"
    assert reason(JPEG + small_mp4() + random.Random(4).randbytes(400)) == "TRAILING_DATA"


def test_a_stray_end_mark_within_a_scan_with_restarts_passes() -> None:
    data = encoded(corners().resize((640, 480)), "JPEG", restart_marker_blocks=8)
    middle = data.index(b"\xff\xd1") + 2
    assert reason(data[:middle] + b"\xff\xd9" + data[middle:]) == ""


def test_a_scan_ends_at_the_next_marker() -> None:
    """FF 00 is a byte of the scan, FF D0 to D7 are restarts, and any number of FF may stand before a marker."""
    scan = b"\xff\xd8\xff\xda\x00\x02scan\xff"
    rest = b"\x7f\xff\xff\xd9"  # after a marker, this begins with a length that is too large
    ends: dict[int, int] = {}
    for byte in range(256):
        with suppress(BrokenMedia):
            ends[byte] = jpeg.walk(scan + bytes([byte]) + rest).end
    whole = len(scan) + 1 + len(rest)
    assert ends == dict.fromkeys((0x00, *range(0xD0, 0xD8)), whole) | {0xD9: len(scan) + 1}


def test_a_tag_after_the_sound_passes() -> None:
    assert reason(wav_file() + b"TAG" + bytes(125)) == ""
    assert reason(wav_file() + b"TAG" + random.Random(5).randbytes(400)) == "TRAILING_DATA"


TAGS = {
    "id3v2": b"ID3\4\0\0\0\0\x02\x44" + b"x" * 324,
    "id3v2 with a footer": b"ID3\4\0\x10\0\0\x02\x44" + b"x" * 324 + b"3DI\4\0\x10\0\0\x02\x44",
    "ape": b"APETAGEX" + (2_000).to_bytes(4, "little") + (332).to_bytes(4, "little") + bytes(16) + b"x" * 332,
    "lyrics": b"LYRICSBEGIN" + b"x" * 300 + b"000311LYRICS200",
}


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS.keys())
def test_a_tag_after_the_sound_is_as_long_as_it_says(tag: bytes) -> None:
    for known in (tag, tag + b"TAG" + b"x" * 125, tag * 3):
        assert reason(wav_file() + known) == ""
        assert reason(wav_file() + known + NOISE) == "TRAILING_DATA"


def test_compressed_content_is_not_mistaken_for_another_format() -> None:
    """In 64 MB of random bytes, as much as a day of uploads, no signature turns up."""
    from models.media.foreign import holds_foreign
    from models.media.formats import MediaFormat

    chance = random.Random(6)
    assert not any(holds_foreign(chance.randbytes(8_000_000), MediaFormat.JPEG) for _ in range(8))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (with_png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))), "DECOMPRESSION_BOMB"),
        (with_png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(5_000_000))), "DECOMPRESSION_BOMB"),
        (with_png_chunk(b"tEXt", b"Comment\0" + b"x" * (MAX_METADATA_BYTES + 1)), "MEDIA_TOO_COMPLEX"),
        (PNG[:33] + png_chunk(b"tEXt", b"k\0v") * 20_001 + PNG[33:], "MEDIA_TOO_COMPLEX"),
        (JPEG[:2] + with_jpeg_segment(0xE1, b"x" * 65_000)[2:65_006] * 80 + JPEG[2:], "MEDIA_TOO_COMPLEX"),
        (
            box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", (box(b"trak", box(b"tkhd", bytes(84)))) * 9),
            "MEDIA_TOO_COMPLEX",
        ),
        (box(b"ftyp", b"M4A \0\0\0\0") + box(b"free", b"") * 20_001, "MEDIA_TOO_COMPLEX"),
    ],
    ids=["text", "profile", "long text", "many texts", "exif", "tracks", "boxes"],
)
def test_more_metadata_than_a_file_needs_is_refused(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_an_ogg_file_with_many_streams_is_refused() -> None:
    pages = b"".join(b"OggS\0\2" + bytes(8) + n.to_bytes(4, "little") + bytes(8) + b"\1\1x" for n in range(9))
    assert reason(pages) == "MEDIA_TOO_COMPLEX"


def test_a_live_matroska_file_is_followed_block_by_block() -> None:
    head, unknown = b"\x1a\x45\xdf\xa3\x84abcd", b"\x01" + b"\xff" * 7
    block = b"\xa3\x84\x81\0\0\x80"
    live = head + b"\x18\x53\x80\x67" + unknown + (b"\x1f\x43\xb6\x75" + unknown + b"\xe7\x81\0" + block * 9) * 2
    assert streams.walk_ebml(live).end == len(live)
    assert streams.walk_ebml(live[:-2]).end == len(live) - 2
    assert streams.walk_ebml(live + NOISE).end == len(live)
    sized = head + b"\x18\x53\x80\x67\x84abcd"
    assert streams.walk_ebml(sized + b"unknown bytes").end == len(sized)


def test_a_live_recording_passes_and_hides_nothing() -> None:
    live = live_webm()
    assert b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" in live
    assert (reason(live), reason(live + NOISE)) == ("", "TRAILING_DATA")


@pytest.mark.parametrize("name", ["visit.mp3", "visit.aac"])
def test_a_row_of_frames_ends_with_its_last_frame(name: str) -> None:
    data = (DATA / name).read_bytes()
    half = data.index(data[-600:]) // 2
    assert reason(data + NOISE) == "TRAILING_DATA"
    assert reason(data + b"app.alert(1);" * 4) == "TRAILING_DATA"
    assert reason(data + NOISE + data[-4_000:]) == "TRAILING_DATA"
    assert reason(data + TAGS["id3v2"] + b"TAG" + b"x" * 125) == ""
    assert reason(data + TAGS["id3v2"] + data) == ""
    assert reason(data[:half]) == reason(data[:half] + b"damage" * 9 + data[half + 54 :]) == ""
    assert reason(data[:half] + data[half + 70 :]) == ""


def test_an_ogg_file_may_have_few_damaged_bytes_between_its_pages() -> None:
    data = (DATA / "visit.ogg").read_bytes()
    last = data[data.rindex(b"OggS") :]
    assert reason(data + NOISE[:4_000] + last) == ""
    assert reason(data + NOISE + last) == "TRAILING_DATA"


@pytest.mark.parametrize("kind", [b"free", b"skip", b"uuid"])
def test_only_the_content_may_leave_its_end_open(kind: bytes) -> None:
    assert reason(HEIC + bytes(4) + kind + NOISE) == "TRAILING_DATA"


def test_a_tiff_directory_that_points_to_itself_is_refused() -> None:
    entry = b"\x69\x87\x04\x00\x01\x00\x00\x00\x08\x00\x00\x00"  # an EXIF directory at offset 8, which is this one
    data = b"II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
    with pytest.raises(VestibuleError):
        tiff.walk(data)


@pytest.mark.parametrize("data", [JPEG, PNG, TIFF, HEIC, wav_file()])
def test_damaged_structures_raise_only_our_errors(data: bytes) -> None:
    chance = random.Random(8)
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(4):
            damaged[chance.randrange(12, len(data))] = chance.randrange(256)
        cut = bytes(damaged[: chance.randrange(12, len(data))])
        for piece in (bytes(damaged), cut):
            found = detect(piece)
            if found is not None:
                reason(piece)
