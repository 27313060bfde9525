"""Recordings that are a row of pages or elements: Ogg, and Matroska with WebM."""

from __future__ import annotations

from typing import Final

from models.errors import TooLarge
from models.media.structure.layout import Layout, MetadataBudget
from models.reasons import Reason

MAX_STREAMS: Final = 8
"""Streams at a time in one Ogg file; a chained file ends one before it begins the next."""

MAX_OGG_PAGES: Final = 400_000
"""Some encoders write a page for each packet of 20 ms, which is 180,000 an hour."""

LEAST_OGG_GAPS: Final = 4_096
"""Damaged bytes between the pages of a file, together; or one lost page, as long as the longest one of the file."""

_OGG_HEADER_BYTES: Final = 27
_EBML_HEADER, _SEGMENT, _CLUSTER, _VOID, _CRC = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xEC, 0xBF
_TOP_LEVEL: Final = frozenset({_EBML_HEADER, _SEGMENT, _VOID, _CRC})
_IN_SEGMENT: Final = frozenset(
    {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367, _CLUSTER}
)
_TITLES: Final = frozenset({0x1549A966, 0x1654AE6B, 0x1043A770, 0x1254C367})
_IN_CLUSTER: Final = frozenset({0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854})
_CONTENT: Final = frozenset({_SEGMENT, _CLUSTER, 0xA3, 0xA0, 0xAF})


def walk_ogg(data: bytes) -> Layout:
    """Follow the pages of an Ogg file (RFC 3533). A few damaged bytes between two pages are skipped, as decoders do.

    Raises:
        TooLarge: Too many pages, or too many streams at a time.
    """
    budget = MetadataBudget(MAX_OGG_PAGES)
    at, end, gaps, longest = 0, 0, 0, LEAST_OGG_GAPS
    streams: set[bytes] = set()
    while (at := data.find(b"OggS", at)) >= 0 and at + _OGG_HEADER_BYTES <= len(data):
        gaps += at - end
        if gaps > longest:
            break
        budget.part()
        flags, serial, segments = data[at + 5], data[at + 14 : at + 18], data[at + 26]
        table = data[at + _OGG_HEADER_BYTES : at + _OGG_HEADER_BYTES + segments]
        streams.add(serial)
        if len(streams) > MAX_STREAMS:
            raise TooLarge(f"The file has more than {MAX_STREAMS} streams.", reason=Reason.MEDIA_TOO_COMPLEX)
        if flags & 4:
            streams.discard(serial)
        end = at + _OGG_HEADER_BYTES + segments + sum(table)
        longest = max(longest, end - at)
        if data[at + 6 : at + 14] == bytes(8):  # the header and the comments of a stream
            budget.texts.append(data[at:end])
        at = end
    return Layout(min(end, len(data)), texts=tuple(budget.texts))


def walk_ebml(data: bytes) -> Layout:
    """Follow the elements of a Matroska file (RFC 8794, RFC 9559). A live one states no length of its segment and its
    clusters, so it is followed block by block.

    Raises:
        TooLarge: Too many elements, or too much metadata.
    """
    budget = MetadataBudget(MAX_OGG_PAGES)
    known = _TOP_LEVEL
    at = 0
    while at < len(data):
        budget.part()
        element, after_id = _number(data, at, keep_marker=True)
        size, after_size = _number(data, after_id, keep_marker=False)
        if element not in known or (size is None and element not in (_SEGMENT, _CLUSTER)):
            break
        if size is None:
            known = known | (_IN_SEGMENT if element == _SEGMENT else _IN_CLUSTER)
            at = after_size
            continue
        if element == _SEGMENT:
            _note_titles(data[: after_size + size], after_size, budget)
        elif element not in _CONTENT:
            budget.text(data[after_size : after_size + size])
        at = after_size + size
    return Layout(min(at, len(data)), texts=tuple(budget.texts))


def _note_titles(data: bytes, at: int, budget: MetadataBudget) -> None:
    """Keep the titles and tags of a segment that states its length, as far as its elements can be followed."""
    while at < len(data):
        budget.part()
        element, after_id = _number(data, at, keep_marker=True)
        size, after_size = _number(data, after_id, keep_marker=False)
        if element is None or size is None:
            return
        if element in _TITLES:
            budget.text(data[after_size : after_size + size])
        at = after_size + size


def _number(data: bytes, at: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """A number whose length its first byte states; None for one that says "unknown", or at the end of the file."""
    first = data[at] if at < len(data) else 0
    if first == 0:
        return None, at + 1
    length = 9 - first.bit_length()
    value = int.from_bytes(data[at : at + length], "big")
    if not keep_marker:
        value &= (1 << 7 * length) - 1
        if value == (1 << 7 * length) - 1:
            return None, at + length
    return value, at + length
