"""The directory of a TIFF: which bytes its tags and its picture take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from models.errors import BrokenMedia, TooLarge, UnsupportedMedia
from models.media.structure.layout import EXPORT_AGAIN, Layout, MetadataBudget, cut_off
from models.reasons import Reason

_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_STARTS: Final = {273: 279, 324: 325, 513: 514}
"""The tags with the offsets of strips, of tiles and of a preview, and those with their lengths."""
_SUB_IFDS: Final = frozenset({330, 34665, 34853, 40965})
_SUBFILE_TYPE: Final = 254
"""Its lowest bit says that the picture is a smaller form of another one in the file."""
_COMPRESSION: Final = 259
_LZMA: Final = 34925
MAX_ENTRIES: Final = 512
MAX_STRIPS: Final = 65_536
MAX_UNUSED_BYTES: Final = 32 * 1024
"""Bytes that nothing refers to, zeros aside. Programs that change a tag leave the old directory where it was."""


def walk(data: bytes) -> Layout:
    """The end of what the first directory, and those below it, refer to.

    Raises:
        BrokenMedia: The directory does not lie in the file.
        TooLarge: More than one page, previews aside; too many entries or strips.
        UnsupportedMedia: TRAILING_DATA, the file has bytes that nothing refers to.
    """
    order = "little" if data[:2] == b"II" else "big"
    reader = _Reader(data, order)
    following, _ = reader.directory(reader.number(4, 4))
    while following:
        following, is_preview = reader.directory(following)
        if not is_preview:
            raise TooLarge(
                "The TIFF has more than one page.",
                reason=Reason.TOO_MANY_PAGES,
                hint="Send each page as its own picture.",
            )
    if reader.unused_bytes() > MAX_UNUSED_BYTES:
        raise UnsupportedMedia(
            "The TIFF has bytes that are no part of its picture.", reason=Reason.TRAILING_DATA, hint=EXPORT_AGAIN
        )
    return Layout(min(reader.end, len(data)), texts=reader.texts)


def check_compression(data: bytes) -> None:
    """Refuse a picture that is compressed with LZMA: it looks as if the file held an archive.

    Raises:
        UnsupportedMedia: The first directory says so.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    entries = start + 2
    for at in range(entries, entries + 12 * min(int.from_bytes(data[start:entries], order), MAX_ENTRIES), 12):
        tag, value = int.from_bytes(data[at : at + 2], order), int.from_bytes(data[at + 8 : at + 10], order)
        if (tag, value) == (_COMPRESSION, _LZMA):
            raise UnsupportedMedia("A TIFF compressed with LZMA is not read.", hint="Save it with LZW or ZIP.")


class _Reader:
    def __init__(self, data: bytes, order: str) -> None:
        self._data = data
        self._little = order == "little"
        self._budget = MetadataBudget()
        self._seen: set[int] = set()
        self._used: list[tuple[int, int]] = [(0, 8)]
        self.end = 8

    def number(self, at: int, size: int) -> int:
        piece = self._data[at : at + size]
        if len(piece) < size:
            raise cut_off("TIFF")
        return int.from_bytes(piece, "little" if self._little else "big")

    @property
    def texts(self) -> tuple[bytes, ...]:
        return tuple(self._budget.texts)

    def directory(self, at: int) -> tuple[int, bool]:
        """Read one directory.

        Returns:
            The offset of the next one, 0 for none; and whether it says that it is a smaller form of another picture.
        """
        if at in self._seen or len(self._seen) > 16:
            raise BrokenMedia("The directories of the TIFF file form a loop.")
        self._seen.add(at)
        count = self.number(at, 2)
        if not 0 < count <= MAX_ENTRIES:
            raise TooLarge(f"A TIFF directory has more than {MAX_ENTRIES} entries.", reason=Reason.MEDIA_TOO_COMPLEX)
        values: dict[int, Sequence[int]] = {}
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag = self.number(entry, 2)
            values[tag] = self._values(tag, entry)
        for starts, lengths in _STARTS.items():
            for start, length in zip(values.get(starts, ()), values.get(lengths, ()), strict=False):
                self._use(start, start + length if length else len(self._data))  # some writers leave lengths at 0
        for tag in _SUB_IFDS & values.keys():
            for sub in values[tag]:
                if 0 < sub < len(self._data):
                    self.directory(sub)
        after = at + 2 + 12 * count
        self._use(at, after + 4)
        is_preview = any(kind & 1 for kind in values.get(_SUBFILE_TYPE, ()))
        return self.number(after, 4) if after + 4 <= len(self._data) else 0, is_preview

    def _values(self, tag: int, entry: int) -> Sequence[int]:
        self._budget.part()
        size, count = _TYPE_BYTES.get(self.number(entry + 2, 2), 1), self.number(entry + 4, 4)
        at = entry + 8
        if size * count > 4:
            at = self.number(at, 4)
            self._use(at, at + size * count)
            if tag not in _STARTS and tag not in _STARTS.values():
                self._budget.text(self._data[at : at + size * count])
        if tag not in {*_STARTS, *_STARTS.values(), *_SUB_IFDS, _SUBFILE_TYPE}:
            return ()
        if count > MAX_STRIPS:
            raise TooLarge(f"The TIFF has more than {MAX_STRIPS} strips.", reason=Reason.MEDIA_TOO_COMPLEX)
        return [self.number(at + size * index, size) for index in range(count)]

    def unused_bytes(self) -> int:
        """Bytes before the end that nothing refers to, zeros aside."""
        unused, at = 0, 0
        for start, end in sorted(self._used):
            if start > at:
                unused += min(start, len(self._data)) - at - self._data.count(0, at, start)
            at = max(at, min(end, len(self._data)))
        return unused

    def _use(self, start: int, end: int) -> None:
        self._used.append((start, end))
        self.end = max(self.end, end)
