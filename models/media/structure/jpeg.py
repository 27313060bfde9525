"""The segments of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from typing import Final

import re2

from models.errors import BrokenMedia, TooLarge
from models.media.foreign import foreign_content
from models.media.formats import MediaFormat
from models.media.structure.layout import Layout, MetadataBudget, cut_off
from models.reasons import Reason

MAX_SCANS: Final = 64
"""Progressive encoders write about ten; each scan costs a pass over the whole picture."""

_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APP: Final = range(0xE0, 0xF0)
_ALONE: Final = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, a second SOI, restarts."""


def _bytes_pattern(pattern: bytes) -> re2._Regexp[bytes]:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern, options)


_AFTER_SCAN: Final = _bytes_pattern(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker after entropy-coded data, in which FF 00 is a byte and restarts are allowed. RE2 takes a quarter of
the time that ``re`` takes."""

_FIRST_LENGTH: Final = 4
_JFIF_BYTES: Final = 16
_JFIF_STRAY_BYTES: Final = 64
"""The fields of JFIF before its thumbnail, with the length; and what some writer may add."""

_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")


def walk(data: bytes, start: int = 0) -> Layout:
    """Follow one JPEG from its SOI to its EOI.

    Raises:
        BrokenMedia: It ends before its EOI.
        TooLarge: It has too many scans, segments or bytes of metadata.
    """
    budget = MetadataBudget()
    at, scans = start + 2, 0
    while True:
        budget.part()
        marker, at = _marker(data, at)
        if marker == _EOI:
            return Layout(at, texts=tuple(budget.texts))
        if marker in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise cut_off("JPEG")
        if marker in _APP or marker == _COM:
            budget.text(data[at : at + length])
            _check_no_script(data[at : at + length], first=at == start + _FIRST_LENGTH)
        at += length
        if marker == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                raise TooLarge(f"The JPEG has more than {MAX_SCANS} scans.", reason=Reason.IMAGE_TOO_LARGE)
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                raise cut_off("JPEG")
            at = found.start()


def _check_no_script(segment: bytes, *, first: bool) -> None:
    """Refuse a segment whose length is one for another reader: browsers read 2F 2A as the beginning of a comment."""
    if first and segment[:2] == b"/*" and b"*/" in segment[2:]:
        raise foreign_content(MediaFormat.JPEG)
    if segment[2:7] == b"JFIF\0" and len(segment) >= _JFIF_BYTES:
        thumbnail = 3 * segment[14] * segment[15]
        if len(segment) > _JFIF_BYTES + thumbnail + _JFIF_STRAY_BYTES:
            raise foreign_content(MediaFormat.JPEG)


def is_rest_of_scan(rest: bytes) -> bool:
    """Whether these bytes, after an EOI, go on with the scan before it.

    Some encoders write a stray EOI into a scan with restarts. Decoders stop at it, so nothing of the rest is kept.
    """
    found = _AFTER_SCAN.search(rest)
    return found is not None and rest[found.start() :] == b"\xff\xd9" and _RESTART.search(rest) is not None


def _marker(data: bytes, at: int) -> tuple[int, int]:
    """The marker at this place, and the offset after it. Fill bytes may stand before it."""
    if data[at : at + 1] != b"\xff":
        raise BrokenMedia("The JPEG file has bytes between its segments.") if at < len(data) else cut_off("JPEG")
    while data[at : at + 1] == b"\xff":
        at += 1
    if at >= len(data):
        raise cut_off("JPEG")
    return data[at], at + 1
