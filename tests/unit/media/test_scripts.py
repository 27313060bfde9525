"""Scripts and markup in the metadata of a file, and in streams of plain WAV."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from models.errors import TooLarge, UnsupportedMedia
from models.media.audio_decoder import StreamDecoder
from models.media.clean import MediaLimits, clean
from models.media.foreign import ForeignSearch, holds_script
from models.media.formats import MediaFormat, detect
from models.media.inspection import EARLY_BYTES, MOST_KEPT_BYTES, StreamInspection
from models.media.recordings import FlacEncoder
from tests.unit.media.gaps import chunk, riff
from tests.unit.media.made_files import box, heic_file, wav_file, with_jpeg_segment, with_png_chunk
from tests.unit.media.test_inspection import FOREIGN, HEIC, HTML, JPEG, reason
from tests.unit.vision.pictures import DATA, corners, encoded

MEBIBYTE = 1024 * 1024
SHELLS = {
    "php short": b"<?=system($_GET[0]);?>",
    "php backquotes": b"<?=`$_GET[0]`?>",
    "php blank": b"<? system($_GET['c']); ?>",
    "php line": b"<?\r\neval($_POST[1]); ?>",
    "php to the end": b"a comment <?php",
    "asp": b'<%eval request("x")%>',
    "asp blank": b'<% execute(request("x")) %>',
    "jsp": b'<%=Runtime.getRuntime().exec(request.getParameter("c"))%>',
    "refresh": b'<meta http-equiv="refresh" content="0;url=https://a.example">',
    "event": b'<body onpageshow="alert(1)">',
    "utf-16": "<script>alert(1)</script>".encode("utf-16"),
    "utf-16 php": "<?php system(1);".encode("utf-16-be"),
}
HARMLESS = {
    "xml": b'<?xml version="1.0"?><?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    "sum": b"humidity <% of last year, a<b ? c : d, 5 <? 6",
    "format": b"<%s> saved %d of <%TITLE%>",
    "xmp": b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" on="1"/>',
    "mail": b"Asha <asha@example.org> on site = 4 pictures",
}


def _id3(text: bytes) -> bytes:
    frame = b"COMM" + struct.pack(">IH", len(text), 0) + text
    size = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + frame + (DATA / "visit.mp3").read_bytes()


def _exif(text: bytes) -> bytes:
    exif = Image.Exif()
    exif[0x9C9C] = text  # the comment that Windows writes, in UTF-16
    return encoded(corners(), "JPEG", exif=exif)


def _tiff(text: bytes) -> bytes:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[700] = 1
    tags[700] = text  # XMP
    return encoded(corners(), "TIFF", tiffinfo=tags)


def _ogg(text: bytes) -> bytes:
    data = (DATA / "visit.ogg").read_bytes()
    second = data.index(b"OggS", 4)
    page = b"OggS" + bytes(10) + data[14:18] + bytes(8) + bytes([1, len(text)]) + text
    return data[:second] + page + data[second:]


def _webm(text: bytes) -> bytes:
    """A finished file: its segment states its length, and its tags stand at its end."""
    data = (DATA / "visit.webm").read_bytes()
    segment = data.index(b"\x18\x53\x80\x67")
    begin = segment + 4 + 9 - data[segment + 4].bit_length()
    body = data[begin:] + b"\x12\x54\xc3\x67" + (1 << 28 | len(text)).to_bytes(4, "big") + text
    return data[: segment + 4] + (1 << 56 | len(body)).to_bytes(8, "big") + body


def _flac(kind: int, text: bytes) -> bytes:
    encoder = FlacEncoder()
    encoder.add(np.sin(np.arange(8_000) / 9).astype(np.float32))
    data = encoder.finish()
    return data[:42] + bytes([kind]) + len(text).to_bytes(3, "big") + text + data[42:]


def _id3v1(text: bytes) -> bytes:
    return (DATA / "visit.mp3").read_bytes() + b"TAG" + text.ljust(125, b"\0")[:125]


PLACES: dict[str, Callable[[bytes], bytes]] = {
    "jpeg comment": lambda text: with_jpeg_segment(0xFE, text),
    "exif": _exif,
    "png text": lambda text: with_png_chunk(b"tEXt", b"Comment\0" + text),
    "packed png text": lambda text: with_png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(text)),
    "heic box": lambda text: HEIC + box(b"free", text),
    "wav list": lambda text: riff(wav_file(), 12, chunk(b"LIST", b"INFO" + chunk(b"ICMT", text))),
    "id3": _id3,
    "ogg comment": _ogg,
    "tiff xmp": _tiff,
    "heic exif": lambda text: heic_file(corners(), (b"Exif", bytes(4) + b"Exif\0\0" + text)),
    "heic xmp": lambda text: heic_file(corners(), (b"Exif", b"II*\0"), (b"mime", text)),
    "flac comment": partial(_flac, 4),
    "flac cover": partial(_flac, 6),
    "flac padding": partial(_flac, 1),
    "webm tags": _webm,
    "tag after mp3": _id3v1,
}
RECORDINGS = ("wav list", "id3", "ogg comment", "flac comment", "webm tags", "tag after mp3")


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("text", SHELLS.values(), ids=SHELLS.keys())
def test_a_script_in_metadata_is_refused(text: bytes, place: Callable[[bytes], bytes]) -> None:
    assert reason(place(text + b"\n")) == "FOREIGN_CONTENT"


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES.keys())
@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS.keys())
def test_other_text_in_metadata_passes(text: bytes, place: Callable[[bytes], bytes]) -> None:
    assert reason(place(text + b"\n")) == ""


def test_pixels_and_random_metadata_are_not_mistaken_for_scripts() -> None:
    chance = random.Random(11)
    assert not any(holds_script(chance.randbytes(8_000_000)) for _ in range(4))
    pixels = np.frombuffer(SHELLS["asp blank"] * 30, np.uint8)[: 20 * 13 * 3].reshape(13, 20, 3)
    assert reason(encoded(Image.fromarray(pixels), "TIFF")) == ""


@pytest.mark.parametrize("piece_bytes", [17, 2_000, 1_000_000])
@pytest.mark.parametrize("place", RECORDINGS)
def test_a_script_in_the_metadata_of_a_stream_is_refused(place: str, piece_bytes: int) -> None:
    def look_through(text: bytes) -> None:
        data = PLACES[place](text)
        found = detect(data)
        assert found is not None
        inspection = StreamInspection(found)
        for at in range(0, len(data), piece_bytes):
            inspection.feed(data[at : at + piece_bytes])
        inspection.finish()

    for text in SHELLS.values():
        with pytest.raises(UnsupportedMedia) as refused:
            look_through(text)
        assert refused.value.reason == "FOREIGN_CONTENT"
    for text in HARMLESS.values():
        look_through(text)


def test_a_script_at_the_beginning_of_a_stream_ends_it_before_its_end() -> None:
    data = _ogg(SHELLS["php short"])
    inspection = StreamInspection(MediaFormat.OGG)
    inspection.feed(data)
    with pytest.raises(UnsupportedMedia):
        inspection.feed(bytes(EARLY_BYTES))


def _long_float_wav(size_bytes: int) -> bytes:
    """The header of a recording of 32-bit samples, as browsers make them."""
    shape = chunk(b"fmt ", struct.pack("<HHIIHH", 3, 1, 48_000, 192_000, 4, 32))
    return b"RIFF" + struct.pack("<I", 100 + size_bytes) + b"WAVE" + shape + b"data" + struct.pack("<I", size_bytes)


def test_a_long_stream_is_not_kept_in_memory_and_its_end_is_looked_through() -> None:
    piece = random.Random(5).randbytes(MEBIBYTE)
    tracemalloc.start()
    inspection = StreamInspection(MediaFormat.WAV)
    inspection.feed(_long_float_wav(1 << 30))
    for _ in range(40):
        inspection.feed(piece)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 3 * MOST_KEPT_BYTES
    inspection.finish()
    inspection.feed(SHELLS["php short"])
    with pytest.raises(UnsupportedMedia):
        inspection.finish()


@pytest.mark.parametrize("name", ["visit.ogg", "visit.webm", "visit.mp3", "visit.m4a"])
def test_a_stream_may_end_anywhere(name: str) -> None:
    data = (DATA / name).read_bytes()
    found = detect(data)
    assert found is not None
    for end in range(4_000, len(data), 997):
        inspection = StreamInspection(found)
        inspection.feed(data[:end])
        inspection.finish()


def test_the_extents_of_an_item_of_heic_are_bounded() -> None:
    extents = (0).to_bytes(4, "big") + (1_000_000).to_bytes(4, "big")
    location = b"\0\0\0\0\x44\0\0\1" + b"\0\1\0\0" + (5_000).to_bytes(2, "big") + extents * 5_000
    item = box(b"infe", b"\2\0\0\0\0\1\0\0Exif\0")
    meta = box(b"meta", bytes(4) + box(b"iloc", location) + box(b"iinf", bytes(4) + b"\0\1" + item))
    assert reason(HEIC[:24] + meta + box(b"mdat", bytes(1_000_000))) == "MEDIA_TOO_COMPLEX"


# Scripts that a picture of JPEG is besides


def _first_segment(marker: int, length: int, body: bytes) -> bytes:
    return JPEG[:2] + bytes([0xFF, marker]) + length.to_bytes(2, "big") + body.ljust(length - 2, b"\0") + JPEG[2:]


def test_a_jpeg_that_is_a_comment_of_a_script_is_refused() -> None:
    script = b"*/=alert(1)/*"
    assert reason(_first_segment(0xE0, 0x2F2A, b"JFIF\0\1\1\0\0\1\0\1\0\0" + bytes(200) + script)) == "FOREIGN_CONTENT"
    assert reason(_first_segment(0xE1, 0x2F2A, b"Exif\0\0" + bytes(200) + script)) == "FOREIGN_CONTENT"
    assert reason(_first_segment(0xE1, 0x2F2A, b"Exif\0\0" + bytes(200))) == ""
    assert reason(_first_segment(0xE1, 0x2F2C, b"Exif\0\0" + bytes(200) + script)) == ""


def test_jfif_has_its_fields_and_its_thumbnail() -> None:
    fields = b"JFIF\0\1\2\0\0\1\0\1"
    assert reason(_first_segment(0xE0, 16 + 3 * 10 * 8, fields + bytes([10, 8]))) == ""
    assert reason(_first_segment(0xE0, 16 + 3 * 10 * 8 + 64, fields + bytes([10, 8]))) == ""
    assert reason(_first_segment(0xE0, 16 + 3 * 10 * 8 + 65, fields + bytes([10, 8]))) == "FOREIGN_CONTENT"


# Streams of plain WAV


def _stream(data: bytes, piece_bytes: int) -> int:
    with StreamDecoder() as stream:
        fed = [stream.feed(data[at : at + piece_bytes]) for at in range(0, len(data), piece_bytes)]
        return sum(map(len, [*fed, stream.finish()]))


@pytest.mark.parametrize("piece_bytes", [3, 640, 1_000_000])
@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_stream_of_plain_wav_is_looked_through(foreign: bytes, piece_bytes: int) -> None:
    plain = wav_file(0.1)
    endless = plain[:40] + bytes(4) + plain[44:]
    for data in (
        plain + foreign,
        endless + foreign,
        riff(plain, len(plain), chunk(b"LIST", foreign)),
    ):
        with pytest.raises(UnsupportedMedia) as refused:
            _stream(data, piece_bytes)
        assert refused.value.reason == "FOREIGN_CONTENT"


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN.keys())
def test_a_chunk_before_the_samples_of_a_stream_is_looked_through(foreign: bytes) -> None:
    with pytest.raises(UnsupportedMedia):
        _stream(riff(wav_file(0.1), 12, chunk(b"LIST", foreign)), 3_200)


@pytest.mark.parametrize("piece_bytes", [640, 1_000_000])
def test_scripts_in_the_chunks_of_a_stream_of_plain_wav_are_refused(piece_bytes: int) -> None:
    plain, comment = wav_file(0.1), chunk(b"LIST", b"INFO" + chunk(b"ICMT", SHELLS["php short"] + b" "))
    for at in (12, len(plain)):
        with pytest.raises(UnsupportedMedia):
            _stream(riff(plain, at, comment), piece_bytes)
    with pytest.raises(TooLarge):
        _stream(plain + bytes(5_000_000), 1_000_000)


def test_an_honest_stream_of_plain_wav_is_read() -> None:
    plain = wav_file(0.1)
    assert _stream(plain + chunk(b"LIST", b"INFO" + chunk(b"ICMT", b"a visit")), 640) == 1_600


def test_a_signature_across_pieces_of_any_size_is_found() -> None:
    for size in range(1, 40):
        search = ForeignSearch(MediaFormat.WAV)
        with pytest.raises(UnsupportedMedia):
            for at in range(0, 400, size):
                search.feed((bytes(100) + HTML + bytes(400))[at : at + size])


# Previews in a TIFF


def _with_preview(kind: int) -> bytes:
    """A TIFF with a second directory that states its kind."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = kind
    preview = corners().resize((20, 10))
    preview.encoderinfo = {"tiffinfo": tags}
    return encoded(corners(), "TIFF", save_all=True, append_images=[preview])


def test_a_preview_after_the_page_of_a_tiff_is_no_page() -> None:
    data = _with_preview(1)
    assert reason(data) == ""
    made = clean(data, MediaLimits())
    assert made.pages == 1
    assert Image.open(io.BytesIO(made.content)).size == (40, 20)


@pytest.mark.parametrize("kind", [0, 2])
def test_a_second_page_of_a_tiff_is_refused(kind: int) -> None:
    assert reason(_with_preview(kind)) == "TOO_MANY_PAGES"


def test_a_loop_of_previews_ends() -> None:
    data = bytearray(_with_preview(1))
    first = int.from_bytes(data[4:8], "little")
    after = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    second = int.from_bytes(data[after : after + 4], "little")
    last = second + 2 + 12 * int.from_bytes(data[second : second + 2], "little")
    data[last : last + 4] = second.to_bytes(4, "little")
    assert reason(bytes(data)) == "BROKEN_MEDIA"
