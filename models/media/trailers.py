"""What may follow the end of a picture or a recording.

Phones append things of their own: previews, the film of a moving photo, notes of the camera app; taggers append tags.
They are harmless, since nothing of them is kept. Anything else after the end is refused: it is how a second format is
hidden behind a first one.
"""

from __future__ import annotations

from typing import Final

from models.errors import MediaError, TooLarge, UnsupportedMedia
from models.media.formats import MediaFormat, MediaKind
from models.media.structure import iso_boxes, jpeg
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason

STRAY_BYTES: Final = 16
"""So many bytes of any kind are tolerated: a blank line, or a counter that some camera writes."""

MAX_PREVIEWS: Final = 16
"""Further pictures after a JPEG (CIPA DC-007, Multi-Picture Format)."""

_PADDING: Final = b"\0\xff \r\n\t"
_ID3V1_BYTES: Final = 128
_SAMSUNG_END: Final = b"SEFT"
_SAMSUNG_DIRECTORY: Final = b"SEFH"


def check_trailer(data: bytes, end: int, found: MediaFormat) -> None:
    """Check what follows the end of the container.

    Raises:
        UnsupportedMedia: TRAILING_DATA.
        TooLarge: A preview in it has too many scans or parts.
    """
    at = end
    for _ in range(MAX_PREVIEWS):
        following = _after_known_part(data, at, found)
        if following is None:
            break
        at = following
    rest = data[at:].strip(b"\0 \r\n\t").lstrip(_PADDING)
    if len(rest) > STRAY_BYTES and not _is_harmless(rest, found):
        raise UnsupportedMedia(
            f"{len(data) - at} bytes follow the end of the {found.label} file.",
            reason=Reason.TRAILING_DATA,
            hint=EXPORT_AGAIN,
        )


def _is_harmless(rest: bytes, found: MediaFormat) -> bool:
    if found.kind is MediaKind.RECORDING:
        return _is_tags(rest)
    return _is_samsung(rest) or (found is MediaFormat.JPEG and jpeg.is_rest_of_scan(rest))


def _after_known_part(data: bytes, at: int, found: MediaFormat) -> int | None:
    """The end of the preview or film that begins here, after padding."""
    if found.kind is not MediaKind.IMAGE:
        return None
    film = _film(data, at)
    if film is not None:
        return iso_boxes.walk(data, film).end
    start = _after_any(data, at, _PADDING)
    if found is MediaFormat.JPEG and data[start - 1 : start + 2] == b"\xff\xd8\xff" and start - 1 >= at:
        start -= 1  # 0xff is padding, too
    if found is MediaFormat.JPEG and data[start : start + 3] == b"\xff\xd8\xff":
        try:
            return jpeg.walk(data, start).end
        except TooLarge:
            raise
        except MediaError:
            return None
    return None


def _film(data: bytes, at: int) -> int | None:
    """Where a film begins: its first box is ``ftyp``. The size before that name can look like padding."""
    start = _after_any(data, at, b"\0\xff")
    name = data.find(b"ftyp", start, start + 8)
    return name - 4 if name - 4 >= at else None


def _after_any(data: bytes, at: int, padding: bytes) -> int:
    return len(data) - len(data[at:].lstrip(padding))


def _is_samsung(rest: bytes) -> bool:
    """Whether it is the trailer of Samsung's camera: named blocks, a directory of them, its length, ``SEFT``."""
    if rest[-4:] != _SAMSUNG_END:
        return False
    directory = len(rest) - 8 - int.from_bytes(rest[-8:-4], "little")
    if directory < 0 or rest[directory : directory + 4] != _SAMSUNG_DIRECTORY:
        return False
    count = int.from_bytes(rest[directory + 8 : directory + 12], "little")
    entries = [rest[at : at + 12] for at in range(directory + 12, len(rest) - 8, 12)][:count]
    if not entries or len(entries) != count:
        return False
    reach = max(int.from_bytes(entry[4:8], "little") for entry in entries)
    return directory - _PADDED <= reach <= directory + _PADDED


_PADDED: Final = 4
"""The blocks begin with two zeros, which look like padding before them."""


def _is_tags(rest: bytes) -> bool:
    """Whether it is nothing but tags after the sound: ID3v1, APEv2, Lyrics3, ID3v2. Each states its length."""
    for _ in range(_MAX_TAGS):
        length = _tag_bytes(rest)
        if length is None:
            return False
        rest = rest[length:].lstrip(_PADDING)
        if len(rest) <= STRAY_BYTES:
            return True
    return False


def _tag_bytes(rest: bytes) -> int | None:
    """The length of the tag that begins here."""
    if rest.startswith(b"TAG"):
        return _ID3V1_BYTES
    if rest.startswith(b"ID3"):  # 28 bits in four bytes, and perhaps a footer like the header
        size = sum((digit & 0x7F) << 7 * place for place, digit in enumerate(reversed(rest[6:10])))
        return 10 + size + (10 if rest[5] & 0x10 else 0)
    if rest.startswith(b"APETAGEX"):
        return 32 + int.from_bytes(rest[12:16], "little")
    if rest.startswith(b"LYRICSBEGIN"):
        ends = [at + 9 for mark in (b"LYRICS200", b"LYRICSEND") if (at := rest.find(mark, 0, _LYRICS_BYTES)) >= 0]
        return min(ends, default=None)
    return None


_MAX_TAGS: Final = 8
_LYRICS_BYTES: Final = 100_000
"""Six digits state the length of Lyrics3 before its end."""
