"""The segments of a JPEG (ITU-T T.81, annex B)."""

from __future__ import annotations

import re
from typing import Final

from models.errors import BrokenMedia, TooLarge
from models.media.structure.layout import Layout, MetadataBudget, cut_off
from models.reasons import Reason

MAX_SCANS: Final = 64
"""Progressive encoders write about ten; each scan costs a pass over the whole picture."""

_SOS, _EOI, _COM = 0xDA, 0xD9, 0xFE
_APP: Final = range(0xE0, 0xF0)
_ALONE: Final = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})
"""Markers without a length: TEM, a second SOI, restarts."""

_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker after entropy-coded data, in which FF 00 is a byte and restarts are allowed."""

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
            return Layout(at)
        if marker in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        if length < 2 or at + length > len(data):
            raise cut_off("JPEG")
        at += length
        if marker in _APP or marker == _COM:
            budget.metadata(length)
        if marker == _SOS:
            scans += 1
            if scans > MAX_SCANS:
                raise TooLarge(f"The JPEG has more than {MAX_SCANS} scans.", reason=Reason.IMAGE_TOO_LARGE)
            found = _AFTER_SCAN.search(data, at)
            if found is None:
                raise cut_off("JPEG")
            at = found.start()


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
