"""The boxes of ISO base media files: MP4, M4A, QuickTime, HEIC (ISO/IEC 14496-12)."""

from __future__ import annotations

import re
from typing import Final

from models.errors import TooLarge
from models.media.structure.heif_items import metadata_items
from models.media.structure.layout import Layout, MetadataBudget
from models.reasons import Reason

_TOP_LEVEL: Final = frozenset(
    b"ftyp styp moov moof mfra mdat free skip wide pnot uuid meta meco pdin sidx ssix prft emsg idat udta junk "
    b"PICT mpvd sefd bloc imda seqp lpst".split()
)
_CONTENT: Final = frozenset({b"mdat", b"wide", b"moov", b"moof", b"meta", b"mpvd", b"imda", b"sefd"})
_ROOM: Final = frozenset({b"free", b"skip"})
"""Recorders keep room for an index in them; it is zeros, or the remains of an older index."""
_OPEN: Final = frozenset({b"mdat", b"imda", b"mpvd"})
"""Boxes whose end a recorder may leave open: they have pictures, sound or film."""

_INDEXES: Final = frozenset({b"moov", b"meta"})
"""They have titles and comments."""

_TRACK: Final = re.compile(rb"trak.{4}tkhd", re.DOTALL)
MAX_TRACKS: Final = 8


def walk(data: bytes, start: int = 0) -> Layout:
    """Follow the boxes on the top level as long as they are ones that the standards know.

    Raises:
        TooLarge: Too many boxes, tracks, or bytes of metadata.
    """
    budget = MetadataBudget()
    at = start
    while at + 8 <= len(data):
        budget.part()
        size, kind, header = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if kind not in _TOP_LEVEL:
            break
        if size == 1:  # the real size follows in 64 bits
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size == 0 and kind in _OPEN:  # up to the end of the file
            size = len(data) - at
        if size < header:
            break
        if kind in _ROOM:
            budget.metadata(min(size, len(data) - at) - data.count(0, at, at + size))
        elif kind not in _CONTENT:
            budget.text(data[at : at + size])
        if kind == b"moov":
            _check_tracks(data[at : at + size])
        if kind == b"meta":
            for item in metadata_items(data, data[at : at + size]):
                budget.text(item)
        if kind in _INDEXES | _ROOM:
            budget.texts.append(data[at : at + size])
        at += size
    return Layout(min(at, len(data)), texts=tuple(budget.texts))


def _check_tracks(index: bytes) -> None:
    tracks = sum(1 for _ in _TRACK.finditer(index))
    if tracks > MAX_TRACKS:
        raise TooLarge(f"The file has more than {MAX_TRACKS} tracks.", reason=Reason.MEDIA_TOO_COMPLEX)
