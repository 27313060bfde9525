"""Valid files of every format with the places in their containers where something else can be put.

A place is a function that puts bytes there and returns the whole file. Lengths that the format states stay true.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from tests.unit.media.made_files import box, heic_file, jpeg_segment, pdf_file, png_chunk
from tests.unit.media.recordings_made import recording
from tests.unit.vision.pictures import corners, encoded

Place = Callable[[bytes], bytes]
Places = Mapping[str, Place]


def insert(data: bytes, at: int, more: bytes) -> bytes:
    """The file with more bytes at an offset."""
    return data[:at] + more + data[at:]


def _around(data: bytes) -> dict[str, Place]:
    return {"before": lambda more: more + data, "after": lambda more: data + more}


def _jpeg() -> Places:
    data = encoded(corners().resize((640, 480)), "JPEG", quality=90)
    scan = data.index(b"\xff\xda")
    return _around(data) | {
        "between segments": partial(insert, data, scan),
        "comments": lambda more: insert(data, 2, _segments(0xFE, more)),
        "reserved segments": lambda more: insert(data, 2, _segments(0xF5, more)),
        "unused tables": lambda more: insert(data, 2, _segments(0xDE, more)),
    }


def _segments(marker: int, more: bytes) -> bytes:
    return b"".join(jpeg_segment(marker, more[at : at + 60_000]) for at in range(0, len(more), 60_000))


def _png() -> Places:
    data = encoded(corners().resize((640, 480)), "PNG")
    pixels = data.index(b"IDAT") - 4
    return _around(data) | {
        "between chunks": partial(insert, data, pixels),
        "text": lambda more: insert(data, 33, png_chunk(b"tEXt", b"Comment\0" + more)),
        "unknown chunk": lambda more: insert(data, 33, png_chunk(b"vpAg", more)),
        "frame of no animation": lambda more: insert(data, len(data) - 12, png_chunk(b"fdAT", b"\0\0\0\1" + more)),
    }


def riff(data: bytes, at: int, chunk: bytes) -> bytes:
    """A RIFF file with one more chunk, and its length stated anew."""
    made = insert(data, at, chunk)
    return made[:4] + struct.pack("<I", len(made) - 8) + made[8:]


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of RIFF."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp() -> Places:
    data = encoded(corners().resize((640, 480)), "WEBP")
    return _around(data) | {
        "between chunks": lambda more: riff(data, 12, more),
        "unknown chunk": lambda more: riff(data, len(data), chunk(b"abcd", more)),
        "second picture": lambda more: riff(data, len(data), chunk(b"VP8 ", more)),
    }


def _tiff() -> Places:
    data = encoded(corners().resize((64, 48)), "TIFF")
    return _around(data) | {"between header and directory": partial(_tiff_with_gap, data)}


def _tiff_with_gap(data: bytes, more: bytes) -> bytes:
    """The TIFF with its directory after a gap; its strips stay where they are."""
    more += b"\0" * (len(more) % 2)
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    directory = data[first : first + 2 + 12 * count + 4]
    return data[:4] + struct.pack("<I", len(data) + len(more)) + data[8:] + more + directory


def _heic() -> Places:
    data = heic_file(corners().resize((64, 48)))
    return _around(data) | {
        "free box": lambda more: data + box(b"free", more),
        "unknown box": lambda more: data + box(b"abcd", more),
        "own box": lambda more: data + box(b"uuid", more),
        "between boxes": lambda more: data + more + box(b"free", b""),
    }


def _pdf() -> Places:
    data = pdf_file()
    return _around(data) | {
        "between objects": lambda more: pdf_file(extra=more),
        "comment": lambda more: pdf_file(extra=b"%" + more.translate(None, b"\r\n") + b"\n"),
        "embedded file": lambda more: pdf_file(
            extra=b"50 0 obj\n<</Type/EmbeddedFile/Length %d>>stream\n" % len(more) + more + b"\nendstream\nendobj\n"
        ),
    }


def _wav() -> Places:
    data = recording("wav", "pcm_s16le", rate_hz=16_000)
    at = data.index(b"data")
    endless = data[:4] + b"\xff" * 4 + data[8 : at + 4] + b"\xff" * 4 + data[at + 8 :]
    nothing_said = data[:4] + bytes(4) + data[8 : at + 4] + bytes(4) + data[at + 8 :]
    return _around(data) | {
        "unknown chunk": lambda more: riff(data, at, chunk(b"abcd", more)),
        "after sound of no length": lambda more: endless + more,
        "after sound of length 0": lambda more: nothing_said + more,
        "instead of sound of no length": lambda more: endless[: at + 8] + more,
    }


def _ogg() -> Places:
    data = recording("ogg", "libopus", 20.0)
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    return _around(data) | {
        "between pages": partial(insert, data, pages[len(pages) // 2]),
        "between many pages": lambda more: _spread(data, pages[3:], more),
    }


def _spread(data: bytes, places: list[int], more: bytes) -> bytes:
    size = -(-len(more) // len(places))
    for n, at in reversed(list(enumerate(places))):
        data = insert(data, at, more[n * size : (n + 1) * size])
    return data


def _frames(container: str, codec: str) -> Places:
    data = recording(container, codec, 20.0)
    # The first bytes of a frame are alike in all frames.
    start = data.rindex(b"\xff", 0, len(data) // 2)
    mark = _mark(data)
    places = [at for at in range(len(data)) if data.startswith(mark, at)][4::4]
    assert start and len(places) > 20
    return _around(data) | {
        "between frames": partial(insert, data, places[len(places) // 2]),
        "between many frames": lambda more: _spread(data, places, more),
    }


def _mark(data: bytes) -> bytes:
    for mark in (b"\xff\xfb", b"\xff\xf1", b"\xff\xf8"):
        if data.count(mark) > 100:
            return mark
    raise AssertionError


def _mp3() -> Places:
    data = recording("mp3", "libmp3lame", 20.0, options={"id3v2_version": "0", "write_xing": "0"})
    tag = b"ID3\3\0\0"

    def front_tag(more: bytes) -> bytes:
        return tag + bytes(len(more) >> shift & 0x7F for shift in (21, 14, 7, 0)) + more + data

    return {**_frames("mp3", "libmp3lame"), "tag in front": front_tag}


def _flac() -> Places:
    data = recording("flac", "flac", 6.0)
    return _around(data) | {
        "between frames": partial(insert, data, data.index(b"\xff\xf8", len(data) // 2)),
        "application block": lambda more: insert(data, 42, b"\x02" + len(more).to_bytes(3, "big") + more),
    }


def _mp4() -> Places:
    data = recording("ipod", "aac")
    return _around(data) | {
        "free box": lambda more: data + box(b"free", more),
        "own box": lambda more: data + box(b"uuid", more),
        "unknown box": lambda more: data + box(b"abcd", more),
        "second sound": lambda more: data + box(b"mdat", more),
        "between boxes": lambda more: data + more + box(b"free", b""),
    }


def _webm() -> Places:
    data = recording("webm", "libopus", 3.0, options={"live": "1"})
    cluster = data.index(b"\x1f\x43\xb6\x75")
    return _around(data) | {
        "void": lambda more: insert(data, cluster, b"\xec" + _ebml_size(more) + more),
        "unknown element": lambda more: insert(data, cluster, b"\x4a\xbc" + _ebml_size(more) + more),
        "between elements": partial(insert, data, cluster),
    }


def _ebml_size(body: bytes) -> bytes:
    return (1 << 28 | len(body)).to_bytes(4, "big")


PLACES: Final[Mapping[str, Places]] = {
    "jpeg": _jpeg(),
    "png": _png(),
    "webp": _webp(),
    "tiff": _tiff(),
    "heic": _heic(),
    "pdf": _pdf(),
    "wav": _wav(),
    "ogg": _ogg(),
    "mp3": _mp3(),
    "aac": _frames("adts", "aac"),
    "flac": _flac(),
    "m4a": _mp4(),
    "webm": _webm(),
}
"""By format, the places by name."""
