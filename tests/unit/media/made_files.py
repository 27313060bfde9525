"""Small files of all formats, made by the tests: whole, hidden in each other, and larger inside than outside."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
import zlib

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

from tests.unit.vision.pictures import corners, encoded


def zip_file() -> bytes:
    """An archive with one program in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("run.sh", "echo hello")
    return out.getvalue()


def wav_file(seconds: float = 0.5, rate_hz: int = 16_000) -> bytes:
    """A tone."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        times = np.arange(int(seconds * rate_hz)) / rate_hz
        file.writeframes((9_000 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes())
    return out.getvalue()


def long_m4a(seconds: int) -> bytes:
    """AAC of faint noise whose index comes last, as FFmpeg writes it."""
    return _recording("ipod", "aac", seconds)


def live_webm() -> bytes:
    """Opus in WebM without any length, as a browser records it."""
    return _recording("webm", "libopus", 3, live=True)


def many_streams(count: int) -> bytes:
    """A Matroska file with so many streams of a second."""
    return _recording("matroska", "flac", 1, count)


def _recording(container: str, codec: str, seconds: int, streams: int = 1, live: bool = False) -> bytes:
    out = io.BytesIO()
    rng = np.random.default_rng(9)
    with av.open(out, "w", format=container, options={"live": "1"} if live else {}) as file:
        tracks = [file.add_stream(codec, rate=16_000, layout="mono") for _ in range(streams)]
        for track in tracks:
            assert isinstance(track, AudioStream)
            size = track.codec_context.frame_size or 1_024
            kind = track.codec_context.format.name
            for at in range(0, seconds * 16_000, size):
                noise = rng.integers(-300, 300, (1, size))
                values = (noise / 32_768).astype(np.float32) if kind == "fltp" else noise.astype(np.int16)
                frame = av.AudioFrame.from_ndarray(values, format=kind, layout="mono")
                frame.sample_rate, frame.pts = 16_000, at
                file.mux(track.encode(frame))
            file.mux(track.encode(None))
    return out.getvalue()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_png_chunk(name: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    data = encoded(corners(), "PNG")
    return data[:33] + png_chunk(name, body) + data[33:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A segment of a JPEG."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def with_jpeg_segment(marker: int, body: bytes) -> bytes:
    """A JPEG with one more segment after its SOI."""
    data = encoded(corners(), "JPEG")
    return data[:2] + jpeg_segment(marker, body) + data[2:]


def box(kind: bytes, body: bytes) -> bytes:
    """A box of ISO base media."""
    return (len(body) + 8).to_bytes(4, "big") + kind + body


def small_mp4() -> bytes:
    """The film that a phone appends to a moving photo: only its boxes count here."""
    return box(b"ftyp", b"mp42\0\0\0\0isommp42") + box(b"moov", bytes(40)) + box(b"mdat", bytes(range(200)))


def samsung_trailer(film: bytes) -> bytes:
    """What Samsung's camera appends: one named block, and a directory that points back to it."""
    name = b"MotionPhoto_Data"
    block = b"\0\0\x30\x0a" + len(name).to_bytes(4, "little") + name + film
    entry = b"\0\0\x30\x0a" + len(block).to_bytes(4, "little") * 2
    directory = b"SEFH" + (106).to_bytes(4, "little") + (1).to_bytes(4, "little") + entry
    return block + directory + len(directory).to_bytes(4, "little") + b"SEFT"


def heic_file(picture: Image.Image, *metadata: tuple[bytes, bytes]) -> bytes:
    """A HEIC picture as iPhones write it, of one HEVC frame; its sides must be even.

    Args:
        picture: What it shows.
        metadata: Types and contents of further items, which lie after the picture.
    """
    sample, configuration = _hevc_frame(picture)
    width, height = picture.size
    contents = [sample, *(content for _, content in metadata)]
    items = [
        box(b"infe", b"\2\0\0\0" + number.to_bytes(2, "big") + b"\0\0" + kind + b"\0")
        for number, kind in enumerate((b"hvc1", *(kind for kind, _ in metadata)), 1)
    ]
    properties = box(b"hvcC", configuration) + box(b"ispe", bytes(4) + struct.pack(">II", width, height))

    def meta(offset: int) -> bytes:
        location = b"\0\0\0\0" + b"\x44\0" + len(contents).to_bytes(2, "big")
        for number, content in enumerate(contents, 1):
            location += number.to_bytes(2, "big") + b"\0\0\0\1" + struct.pack(">II", offset, len(content))
            offset += len(content)
        return box(
            b"meta",
            bytes(4)
            + box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + box(b"pitm", bytes(4) + b"\0\1")
            + box(b"iloc", location)
            + box(b"iinf", bytes(4) + len(items).to_bytes(2, "big") + b"".join(items))
            + box(
                b"iprp", box(b"ipco", properties) + box(b"ipma", bytes(4) + b"\0\0\0\1" + b"\0\1" + b"\2" + b"\x81\2")
            ),
        )

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    offset = len(head) + len(meta(0)) + 8
    return head + meta(offset) + box(b"mdat", b"".join(contents))


def _hevc_frame(picture: Image.Image) -> tuple[bytes, bytes]:
    """One key frame with lengths before its units, and its decoder configuration."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        options = {
            "x265-params": "log-level=none:pools=none:frame-threads=1",
            "crf": "10",
            "preset": "ultrafast",
            "tag": "hvc1",
        }
        stream = container.add_stream("libx265", rate=1, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = picture.size
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.asarray(picture.convert("RGB")), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            packet.pts = packet.dts = 0
            packet.duration = 1
            container.mux(packet)
    film = out.getvalue()
    at = film.index(b"hvcC")
    configuration = film[at + 4 : at - 4 + int.from_bytes(film[at - 4 : at], "big")]
    start = film.index(b"mdat") + 4
    size = int.from_bytes(film[start - 8 : start - 4], "big") - 8
    return film[start : start + size], configuration


def pdf_file(pages: int = 1, extra: bytes = b"", catalog: bytes = b"", text: str = "Visitor pass 4711") -> bytes:
    """A PDF with a line of text on each page.

    Args:
        extra: Written as further objects.
        catalog: Written into the catalogue.
        text: Of each page.
    """
    kids = b" ".join(b"%d 0 R" % (10 + 2 * n) for n in range(pages))
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        2: b"<</Type/Pages/Count %d/Kids[" % pages + kids + b"]>>",
        3: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    for n in range(pages):
        shown = b"BT /F1 24 Tf 20 60 Td (%s) Tj ET" % text.encode("ascii")
        objects[10 + 2 * n] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 120]/Contents %d 0 R"
            b"/Resources<</Font<</F1 3 0 R>>>>>>" % (11 + 2 * n)
        )
        objects[11 + 2 * n] = b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown)
    body, places = b"%PDF-1.7\n", {}
    for number, content in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    body += extra
    start = len(body)
    rows = b"".join(b"%d 1\n%010d 00000 n \n" % (number, place) for number, place in sorted(places.items()))
    return (
        body
        + b"xref\n0 1\n0000000000 65535 f \n"
        + rows
        + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (max(objects) + 1, start)
    )
