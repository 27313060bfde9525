"""The clean form of pictures, documents and recordings."""

from __future__ import annotations

import base64
import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from models.errors import BrokenMedia, UnsupportedMedia, VestibuleError
from models.media import images
from models.media.audio_decoder import AudioLimits, decode
from models.media.clean import CleanMedia, MediaLimits, clean
from models.media.documents import DocumentLimits
from models.media.formats import MediaFormat
from models.media.jpeg_quality import HIGHEST, quality_of
from models.media.pages import pack, unpack
from models.media.recordings import FlacEncoder
from models.media.samples import SAMPLE_RATE_HZ
from models.media.second_opinion import SecondOpinion
from models.media.structure import pdf
from tests.unit.media.made_files import (
    heic_file,
    many_streams,
    pdf_file,
    png_chunk,
    wav_file,
    with_jpeg_segment,
    zip_file,
)
from tests.unit.vision.pictures import DATA, corners, encoded, red_corner

LIMITS = MediaLimits()
ORIENTATION = 0x0112


def opened(made: CleanMedia) -> Image.Image:
    return Image.open(io.BytesIO(made.content))


def reason(data: bytes, limits: MediaLimits = LIMITS) -> str:
    with pytest.raises(VestibuleError) as caught:
        clean(data, limits)
    return str(caught.value.reason)


@pytest.mark.parametrize(
    ("kind", "becomes"), [("JPEG", "TIFF"), ("PNG", "PNG"), ("WEBP", "TIFF"), ("TIFF", "TIFF"), ("HEIC", "TIFF")]
)
def test_a_picture_is_encoded_anew(kind: str, becomes: str) -> None:
    made = clean(heic_file(corners()) if kind == "HEIC" else encoded(corners(), kind), LIMITS)
    picture = opened(made)
    assert (made.found.label, made.pages, picture.format, picture.size) == (kind, 1, becomes, (40, 20))
    assert red_corner(np.array(picture)) == "upper left"


@pytest.mark.parametrize("size", [(40, 20), (3_600, 2_600)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_clean_picture_is_upright_and_has_no_metadata(kind: str, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[0x010E] = exif[0x013B] = "Maria Lopez"
    more: dict[str, object] = {"icc_profile": b"Maria Lopez", "exif": exif, "xmp": b"<x>Maria Lopez</x>"}
    if kind == "JPEG":
        more["comment"] = "Maria Lopez"
    if kind == "TIFF":
        more |= {"compression": "tiff_lzw", "artist": "Maria Lopez", "description": "Maria Lopez"}
    data = encoded(corners().resize(size), kind, **more)
    assert b"Maria" in data
    made = clean(data, LIMITS)
    assert b"Maria" not in made.content
    picture = opened(made)
    assert not {"icc_profile", "exif", "comment", "xmp"} & set(picture.info)
    assert picture.size == size[::-1]
    assert red_corner(np.array(picture)) == "upper right"


def test_a_picture_is_not_packed_as_it_was() -> None:
    fax = encoded(Image.new("1", (64, 64), 1), "TIFF", compression="group4")
    assert opened(clean(fax, LIMITS)).size == (64, 64)


def test_a_small_jpeg_loses_nothing_and_a_large_one_becomes_jpeg() -> None:
    small = encoded(corners().resize((400, 300)), "JPEG")
    made = opened(clean(small, LIMITS))
    assert np.array_equal(np.asarray(made), images.decode(small, LIMITS.images).pixels)
    assert opened(clean(encoded(Image.new("RGB", (3_600, 2_600)), "JPEG"), LIMITS)).format == "JPEG"


@pytest.mark.parametrize(("made_with", "kept"), [(60, 75), (80, 80), (95, 95), (99, 95)])
def test_a_large_jpeg_keeps_its_quality(made_with: int, kept: int) -> None:
    picture = Image.radial_gradient("L").resize((3_600, 2_600)).convert("RGB")
    data = encoded(picture, "JPEG", quality=made_with)
    with Image.open(io.BytesIO(data)) as before, opened(clean(data, LIMITS)) as after:
        assert abs(quality_of(before) - kept) <= 1
        assert abs(quality_of(after) - kept) <= 1
    scaled = clean(data, replace(LIMITS, images=replace(LIMITS.images, working_side=3_500)))
    assert quality_of(opened(scaled)) == HIGHEST, "scaled down, the old steps mean nothing"


def test_a_picture_of_a_phone_is_halved_while_it_is_decoded() -> None:
    made = opened(clean(encoded(Image.new("RGB", (4_032, 3_024)), "JPEG"), LIMITS))
    assert (made.format, made.size) == ("JPEG", (2_016, 1_512))


def test_a_large_picture_becomes_smaller() -> None:
    limits = replace(LIMITS, images=replace(LIMITS.images, working_side=200))
    assert opened(clean(encoded(Image.new("RGB", (900, 300)), "JPEG"), limits)).size == (200, 67)


def test_a_large_noisy_png_becomes_jpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_CLEAN_PNG_BYTES", 1_000)
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    assert opened(clean(encoded(noise, "PNG"), LIMITS)).format == "JPEG"


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "P", "1", "L", "F", "I"])
@pytest.mark.parametrize("side", [60, 500])
def test_every_mode_is_scaled_and_becomes_rgb(mode: str, side: int) -> None:
    grey = Image.new("L", (100, 50), 90)
    picture = grey.convert("I").convert("I;16") if mode == "I;16" else grey.convert(mode)
    kind = "TIFF" if mode in ("F", "I", "I;16") else "PNG"
    limits = replace(LIMITS, images=replace(LIMITS.images, working_side=side))
    made = opened(clean(encoded(picture, kind), limits))
    assert (made.mode, made.size) == ("RGB", (100, 50) if side == 500 else (60, 30))


def test_the_second_opinion_is_sure_of_programs_and_scripts_only() -> None:
    opinion = SecondOpinion()
    script = b"#!/usr/bin/env python3\nimport os\nimport sys\n\n\ndef main() -> None:\n    print(os.getcwd())\n" * 20
    for data in (script, zip_file() * 20):
        with pytest.raises(UnsupportedMedia) as caught:
            opinion.check(data)
        assert caught.value.reason == "FOREIGN_CONTENT"
    for data in (encoded(corners(), "JPEG"), (DATA / "register.jpg").read_bytes(), (DATA / "visit.ogg").read_bytes()):
        opinion.check(data)
    opinion.check(pdf_file(3))
    opinion.check(heic_file(corners().resize((640, 480))))
    opinion.check(wav_file(2.0))


def _apple(picture: Image.Image) -> bytes:
    """The picture as Apple packs it: blue before red, multiplied by alpha, raw deflate."""
    red, green, blue, alpha = picture.convert("RGBa").split()
    data = encoded(Image.merge("RGBA", (blue, green, red, alpha)), "PNG")
    start, length = data.index(b"IDAT") - 4, int.from_bytes(data[data.index(b"IDAT") - 4 :][:4], "big")
    raw = zlib.decompress(data[start + 8 : start + 8 + length])
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(raw) + packer.flush()
    return data[:8] + png_chunk(b"CgBI", bytes(4)) + data[8:start] + png_chunk(b"IDAT", packed) + data[-12:]


def test_a_png_as_apple_packs_it_keeps_its_colours() -> None:
    picture = corners().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((40, 20)))
    expected = clean(encoded(picture, "PNG"), LIMITS).content
    made = np.asarray(opened(clean(_apple(picture), LIMITS)), np.int16)
    assert np.abs(made - np.asarray(Image.open(io.BytesIO(expected)), np.int16)).max() <= 3
    damaged = bytearray(_apple(picture))
    damaged[-30] ^= 0xFF
    assert reason(bytes(damaged)) == "BROKEN_MEDIA"


def test_a_small_png_of_apple_that_unpacks_to_more_than_its_header_says_is_refused() -> None:
    data = _apple(corners().convert("RGBA"))
    start = data.index(b"IDAT") - 4
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()
    assert reason(data[:start] + png_chunk(b"IDAT", bomb) + data[-12:]) == "BROKEN_MEDIA"


# Documents


def test_the_pages_of_a_document_are_drawn() -> None:
    made = clean(pdf_file(3), LIMITS)
    pages = [Image.open(io.BytesIO(page)) for page in unpack(made.content)]
    assert (made.found, made.pages, len(pages)) == (MediaFormat.PDF, 3, 3)
    assert {page.size for page in pages} == {(834, 334)}  # 300 x 120 points at 200 dots per inch
    assert all(np.array(page).min() < 80 for page in pages), "the text is there"


def test_a_document_of_one_page_becomes_one_picture() -> None:
    assert opened(clean(pdf_file(), LIMITS)).format == "JPEG"


def test_a_large_page_is_drawn_less_finely() -> None:
    limits = replace(LIMITS, documents=DocumentLimits(side=300))
    assert max(opened(clean(pdf_file(), limits)).size) == 300


def _packed(objects: bytes, filters: bytes = b"/FlateDecode", more: bytes = b"") -> bytes:
    return (
        b"50 0 obj\n<</Type/ObjStm/N 1/First 5/Filter[%s]/Length %d%s>>stream\n" % (filters, len(objects), more)
        + objects
        + b"\nendstream\nendobj\n"
    )


SCRIPT = b"51 0 <</S/JavaScript/JS(app.alert\\(1\\))>>"
PREDICTOR = b"/DecodeParms<</Predictor 12/Columns 1>>"
PREDICTED = b"".join(b"\2" + bytes([new - old & 255]) for old, new in zip(b"\0" + SCRIPT, SCRIPT, strict=False))
"""Each byte as a row that states the difference to the row above."""


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (pdf_file(6), "TOO_MANY_PAGES"),
        (pdf_file(catalog=b"/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>"), "ACTIVE_CONTENT"),
        (pdf_file(catalog=b"/OpenAction<</S/J#61vaScript/#4aS(x)>>"), "ACTIVE_CONTENT"),
        (pdf_file(catalog=b"/OpenAction<</S/Launch/F(cmd.exe)>>"), "ACTIVE_CONTENT"),
        (pdf_file(catalog=b"/AcroForm<</XFA 9 0 R>>"), "ACTIVE_CONTENT"),
        (pdf_file(extra=b"50 0 obj\n<</Type/EmbeddedFile/Length 1>>stream\nx\nendstream\nendobj\n"), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT))), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(SCRIPT.hex().encode() + b">", b"/ASCIIHexDecode")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(base64.a85encode(SCRIPT) + b"~>", b"/A85")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(SCRIPT, b"/LZWDecode")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(bytes(20_000_000)))), "DECOMPRESSION_BOMB"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT)[:-4] + b"else")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT)[:-6])), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(PREDICTED), more=PREDICTOR)), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT), b"60 0 R")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT)).replace(b"[/FlateDecode]", b" 60 0 R")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(zlib.compress(SCRIPT), more=b"/X(obj)")), "ACTIVE_CONTENT"),
        (pdf_file(extra=_packed(SCRIPT.hex().encode(), b"/AHx")), "ACTIVE_CONTENT"),
        (pdf_file(extra=b"%stream\n51 0 obj\n<</S/JavaScript>>\nendobj\n%endstream\n"), "ACTIVE_CONTENT"),
        (pdf_file().replace(b"/Root 1 0 R", b"/Root 1 0 R/Encrypt 60 0 R"), "ENCRYPTED_DOCUMENT"),
        (pdf_file() + b"%" + b"x" * 2_000, "TRAILING_DATA"),
        (pdf_file() + b"x" * 2_000 + b"%%EOF", "TRAILING_DATA"),
        (pdf_file().replace(b"%%EOF", b"") + b"x" * 2_000, "TRAILING_DATA"),
        (pdf_file().partition(b"startxref")[0] + b"x" * 2_000, "BROKEN_MEDIA"),
        (pdf_file() + zip_file(), "FOREIGN_CONTENT"),
        (b"%PDF-1.7\nnothing more", "BROKEN_MEDIA"),
    ],
)
def test_a_document_that_is_more_than_pages_is_refused(document: bytes, expected: str) -> None:
    assert reason(document) == expected


@pytest.mark.parametrize("names", [b"/JavaScript", b"/EmbeddedFiles"])
def test_pdfium_is_asked_too(names: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "check", lambda _data: None)
    entry = b"50 0 obj\n<</S/JavaScript/JS(x)/Type/Filespec/F(a)>>\nendobj\n"
    assert reason(pdf_file(catalog=b"/Names<<%s<</Names[(a) 50 0 R]>>>>" % names, extra=entry)) == "ACTIVE_CONTENT"


def test_packed_objects_without_actions_pass() -> None:
    objects = b"51 0 <</S/URI/URI(a.b)>>"
    for extra in (
        _packed(zlib.compress(objects)),
        _packed(zlib.compress(objects), more=b"/DecodeParms null"),
        _packed(base64.a85encode(zlib.compress(objects)) + b"~>", b"/A85 /Fl"),
        _packed(objects, b"").replace(b"/Filter[]", b""),
    ):
        assert clean(pdf_file(extra=extra), LIMITS).pages == 1


def test_a_link_and_a_first_view_are_no_active_content() -> None:
    clean(pdf_file(catalog=b"/OpenAction[10 0 R/Fit]", extra=b"50 0 obj\n<</S/URI/URI(a.b)>>\nendobj\n"), LIMITS)


def test_text_about_scripts_is_no_script() -> None:
    clean(pdf_file(text="write /JS or <script> into a PDF"), LIMITS)


def test_pages_are_packed_and_unpacked() -> None:
    assert unpack(pack([b"one", b"two", b""])) == [b"one", b"two", b""]
    assert unpack(pack([b"one"])) == [b"one"] == unpack(b"one")
    with pytest.raises(BrokenMedia):
        unpack(pack([b"one", b"two"])[:-1])


# Recordings


@pytest.mark.parametrize("name", [f"visit.{ending}" for ending in ("wav", "ogg", "webm", "mp3", "flac", "m4a", "aac")])
def test_a_recording_becomes_flac_with_the_same_sound(name: str) -> None:
    data = (DATA / name).read_bytes()
    made = clean(data, LIMITS)
    before, after = decode(data), decode(made.content)
    assert made.content[:4] == b"fLaC"
    assert made.audio_s == len(before) / SAMPLE_RATE_HZ
    assert len(after) == len(before)
    assert float(np.abs(after - before.clip(-1.0, 1.0)).max()) <= 1 / 32_768


def test_metadata_of_a_recording_is_gone() -> None:
    data = wav_file()
    listed = b"LIST" + (20).to_bytes(4, "little") + b"INFOIART" + (8).to_bytes(4, "little") + b"Maria L\0"
    size = (len(data) - 8 + len(listed)).to_bytes(4, "little")
    made = clean(data[:4] + size + data[8:] + listed, LIMITS)
    assert b"Maria" not in made.content


def _silence(seconds: int, rate_hz: int) -> bytes:
    """FLAC with one value in each block: a few bytes for seconds of sound."""
    import av

    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate_hz, layout="mono", options={"compression_level": "0"})
        stream.codec_context.format = "s16"
        for _ in range(seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, rate_hz), np.int16), format="s16", layout="mono")
            frame.sample_rate = rate_hz
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def test_a_recording_that_is_mostly_nothing_is_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _silence(70, 8_000)
    assert clean(data, LIMITS).audio_s == 70.0
    monkeypatch.setattr("models.media.recordings.MAX_RATIO", 50)
    assert reason(data) == "DECOMPRESSION_BOMB"


def test_a_recording_that_is_too_long_is_refused() -> None:
    assert reason(wav_file(2.0), replace(LIMITS, audio=AudioLimits(max_s=1.0))) == "AUDIO_TOO_LONG"


def test_a_recording_of_many_streams_is_refused() -> None:
    assert reason(many_streams(17)) == "MEDIA_TOO_COMPLEX"
    assert clean(many_streams(2), LIMITS).audio_s > 0.9


def test_flac_is_encoded_piece_by_piece() -> None:
    encoder = FlacEncoder()
    sound = np.random.default_rng(2).uniform(-0.9, 0.9, 10_000).astype(np.float32)
    for at in range(0, len(sound), 777):
        encoder.add(sound[at : at + 777])
    assert float(np.abs(decode(encoder.finish()) - sound).max()) <= 0.5 / 32_768


# Everything


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "EMPTY_FILE"),
        (b"MZ" + bytes(5_000), "UNSUPPORTED_MEDIA"),
        (b"GIF89a" + bytes(500), "UNSUPPORTED_MEDIA"),
        (with_jpeg_segment(0xFE, b"<script>alert(1)</script>"), "FOREIGN_CONTENT"),
        (encoded(corners(), "JPEG")[:-40], "BROKEN_MEDIA"),
    ],
)
def test_what_is_no_media_is_refused(data: bytes, expected: str) -> None:
    assert reason(data) == expected
