"""The chunks of RIFF files: WAV and WebP."""

from __future__ import annotations

from typing import Final

from models.media.structure.layout import Layout, MetadataBudget
from models.media.structure.pcm import check_is_sound

_CONTENT: Final = frozenset({b"data", b"fmt ", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANMF", b"ANIM"})
_PICTURES: Final = frozenset({b"VP8 ", b"VP8L"})
"""A file has one of them; the pictures of an animation lie within its frames."""

_SIZE_UNKNOWN: Final = 0x7FFF_0000
"""A recorder that writes to a pipe puts a number near the largest one, or none, in the place of a size."""


def walk(data: bytes) -> Layout:
    """Follow a RIFF file to the end that its header states. A file that is cut off ends where its bytes end.

    Raises:
        TooLarge: Too many chunks, or too much metadata.
        UnsupportedMedia: FOREIGN_CONTENT, a WAV states no length and holds something else than sound.
    """
    stated = int.from_bytes(data[4:8], "little")
    known = 0 < stated < _SIZE_UNKNOWN
    end = min(len(data), 8 + stated + stated % 2) if known else len(data)
    budget = MetadataBudget()
    at, pictures, shape = 12, 0, b""
    while at + 8 <= end:
        budget.part()
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind == b"fmt ":
            shape = data[at + 8 : at + 8 + size]
        if kind == b"data" and (size == 0 or size >= _SIZE_UNKNOWN):
            check_is_sound(data[at + 8 : end], shape)
            return Layout(end, texts=tuple(budget.texts))
        pictures += kind in _PICTURES
        if kind not in _CONTENT or (kind in _PICTURES and pictures > 1):
            budget.text(data[at + 8 : min(at + 8 + size, end)])
        at += 8 + size + size % 2
    # A header may state less than its chunks take, when a recorder adds to a file and forgets the header.
    last = min(len(data), max(end, at)) if data[8:12] == b"WAVE" else end
    return Layout(last, texts=tuple(budget.texts))
