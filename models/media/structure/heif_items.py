"""The items of HEIC that are metadata: EXIF, XMP and others, which lie among the pictures (ISO/IEC 14496-12, 8.11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.media.structure.layout import MAX_METADATA_BYTES, MAX_PARTS

_PICTURES: Final = frozenset({b"hvc1", b"hev1", b"lhv1", b"av01", b"jpeg", b"j2k1", b"grid", b"iovl", b"iden", b"tmap"})
_IN_FILE, _IN_META = 0, 1


def metadata_items(data: bytes, meta: bytes) -> Iterator[bytes]:
    """The bytes of each item that is no picture. What a damaged index does not tell is left out.

    Args:
        data: The whole file.
        meta: Its ``meta`` box.
    """
    boxes = dict(_boxes(meta, 12))
    others = _items_other_than_pictures(boxes.get(b"iinf", b""))
    for item, method, extents in _locations(boxes.get(b"iloc", b"")):
        if item in others:
            yield _joined(boxes.get(b"idat", b"") if method == _IN_META else data, extents)


def _joined(source: bytes, extents: list[tuple[int, int]]) -> bytes:
    """The extents one after the other, up to one byte more than a file may have of metadata."""
    joined = bytearray()
    for start, length in extents:
        left = MAX_METADATA_BYTES + 1 - len(joined)
        joined += source[start : start + min(length or left, left)]
    return bytes(joined)


def _boxes(data: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """The names and contents of the boxes from an offset on."""
    while at + 8 <= len(data):
        size, header = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, header = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if end < at + header:
            return
        yield data[at + 4 : at + 8], data[at + header : end]
        at = end


def _items_other_than_pictures(iinf: bytes) -> set[int]:
    found: set[int] = set()
    for name, entry in _boxes(iinf, 6 if iinf[:1] == b"\0" else 8):
        if name != b"infe" or entry[:1] not in (b"\2", b"\3"):
            continue
        number = 2 if entry[:1] == b"\2" else 4
        if entry[6 + number : 10 + number] not in _PICTURES:
            found.add(int.from_bytes(entry[4 : 4 + number], "big"))
    return found


def _locations(iloc: bytes) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Item, where its offsets count from, and its extents."""
    reader = _Reader(iloc)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_bytes, length_bytes, base_bytes = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_bytes = sizes & 15 if version else 0
    number_bytes = 4 if version == 2 else 2
    for _ in range(min(reader.number(number_bytes), MAX_PARTS)):
        item = reader.number(number_bytes)
        method = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)
        base = reader.number(base_bytes)
        extents = []
        for _ in range(min(reader.number(2), MAX_PARTS)):
            reader.number(index_bytes)
            extents.append((base + reader.number(offset_bytes), reader.number(length_bytes)))
            if reader.is_at_end:
                break
        yield item, method, extents
        if reader.is_at_end:
            return


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at >= len(self._data)

    def number(self, size: int) -> int:
        piece = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(piece, "big")
