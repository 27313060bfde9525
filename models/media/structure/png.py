"""The chunks of a PNG (ISO/IEC 15948)."""

from __future__ import annotations

import zlib
from typing import Final

from models.errors import BrokenMedia, TooLarge
from models.media.structure.layout import Layout, MetadataBudget, cut_off
from models.reasons import Reason

_SIGNATURE_BYTES: Final = 8
_PIXELS: Final = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"fdAT"})
MAX_UNPACKED_BYTES: Final = 1024 * 1024
"""Of one compressed text or colour profile."""


def walk(data: bytes) -> Layout:
    """Follow a PNG to its IEND, and check the checksum of every chunk; Pillow does not while it decodes.

    Raises:
        BrokenMedia: It is cut off, a checksum is wrong, or its chunks are out of order.
        TooLarge: Too many chunks, or too much metadata, also after unpacking.
    """
    budget = MetadataBudget()
    at, first, unpacked = _SIGNATURE_BYTES, True, []
    while True:
        budget.part()
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise cut_off("PNG")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise BrokenMedia("A checksum in the PNG file is wrong.")
        if first and kind not in (b"IHDR", b"CgBI"):
            raise BrokenMedia("The PNG file does not begin with its header.")
        first = False
        if kind not in _PIXELS:
            budget.text(data[at + 8 : end - 4])
            unpacked += _unpack(kind, data[at + 8 : end - 4], budget)
        at = end
        if kind == b"IEND":
            return Layout(at, tuple(unpacked), tuple(budget.texts))


def _unpack(kind: bytes, body: bytes, budget: MetadataBudget) -> list[bytes]:
    """The content of a compressed text or colour profile, within a bound."""
    if kind in (b"zTXt", b"iCCP"):
        packed = body.partition(b"\0")[2][1:]
    elif kind == b"iTXt" and body.partition(b"\0")[2][:1] == b"\x01":
        packed = body.partition(b"\0")[2][2:].split(b"\0", 2)[-1]
    else:
        return []
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MAX_UNPACKED_BYTES + 1)
    except zlib.error:
        return []  # readers ignore damaged metadata, and so do we
    if len(content) > MAX_UNPACKED_BYTES:
        raise TooLarge(
            f"Metadata of the PNG file unpacks to more than {MAX_UNPACKED_BYTES} bytes.",
            reason=Reason.DECOMPRESSION_BOMB,
        )
    budget.metadata(len(content))
    return [content]
