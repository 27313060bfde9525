"""The blocks and frames of FLAC (RFC 9639).

A frame does not state its length. It ends with a checksum, and it is never longer than its samples unpacked. So the
walker looks for the headers of frames, which have a checksum too, and for the end of the last frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.media.structure.layout import Layout, MetadataBudget

_MARK: Final = b"fLaC"
_INFO_BYTES: Final = 34
_CONTENT: Final = frozenset({0, 3})
"""Blocks without text: the stream's shape and the seek table."""
_PADDING, _COVER = 1, 6
_COVER_TEXT_BYTES: Final = 4_096
"""Type and description of a cover come before its picture, which can be large and is not counted."""

_HEADER: Final = re.compile(rb"\xff[\xf8\xf9][\x10-\xff][\x00-\xae]", re.DOTALL)
_LONGEST_HEADER: Final = 16
_SUBFRAME_BYTES: Final = 64
"""Headers within a frame, generously."""

_MAX_CHECKED_BYTES: Final = 512 * 1024
_SAMPLES: Final = {1: 192, **{code: 144 << code for code in range(2, 6)}, **{code: 1 << code for code in range(8, 16)}}
_SAMPLE_BITS: Final = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


@dataclass(frozen=True, slots=True)
class _Frame:
    start: int
    most_bytes: int


def walk(data: bytes) -> Layout:
    """Follow a FLAC file to the end of its last frame.

    Raises:
        TooLarge: Too many blocks, or too much metadata.
    """
    budget = MetadataBudget()
    info, at = _blocks(data, budget)
    texts = tuple(budget.texts)
    frames: list[_Frame] = []
    reach = 0
    for frame in _frames(data, at, info):
        if frames and frame.start > reach:
            break
        frames.append(frame)
        reach = max(reach, frame.start + frame.most_bytes)
    if not frames:  # the decoder decides
        return Layout(len(data), texts=texts)
    # A header can turn up by chance within a frame, so the last frame is one of several.
    last = frames[-1].start
    end = _last_end(data, [frame for frame in frames if frame.start + frame.most_bytes >= last])
    return Layout(end if end > last else min(len(data), reach), texts=texts)  # else the last frame is cut off


def _blocks(data: bytes, budget: MetadataBudget) -> tuple[bytes, int]:
    """The first block, which has the stream's shape, and the offset after the blocks."""
    at = data.find(_MARK) + len(_MARK)
    info = data[at + 4 : at + 4 + _INFO_BYTES]
    final = False
    while not final and at + 4 <= len(data):
        budget.part()
        final, kind = bool(data[at] & 0x80), data[at] & 0x7F
        size = int.from_bytes(data[at + 1 : at + 4], "big")
        if at + 4 + size > len(data):
            break  # a damaged length: frames may begin anywhere after it
        block = data[at + 4 : at + 4 + size]
        if kind == _COVER:
            budget.text(block[:_COVER_TEXT_BYTES])
        elif kind == _PADDING:
            budget.texts.append(block.strip(b"\0"))
        elif kind not in _CONTENT:
            budget.text(block)
        at += 4 + size
    return info, at


def _frames(data: bytes, at: int, info: bytes) -> Iterator[_Frame]:
    """The frames whose headers have a correct checksum."""
    if len(info) < _INFO_BYTES:
        return
    shape = int.from_bytes(info[10:18], "big")
    bits = (shape >> 36 & 0x1F) + 1
    alike = data[at + 1 : at + 2] if _HEADER.match(data, at) else b""
    for found in _HEADER.finditer(data, at):
        start = found.start()
        header = data[start : start + _LONGEST_HEADER]
        samples_code, rate_code, channels_code = header[2] >> 4, header[2] & 15, header[3] >> 4
        number = _number_bytes(header[4:5])
        if not number or rate_code == 15 or channels_code > 10 or not header.startswith(alike, 1):
            continue
        after = 4 + number
        more = {6: 1, 7: 2}.get(samples_code, 0)
        samples = _SAMPLES.get(samples_code) or int.from_bytes(header[after : after + more], "big") + 1
        after += more + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
        if len(header) <= after or _crc8(header[:after]) != header[after]:
            continue
        channels = channels_code + 1 if channels_code < 8 else 2
        sample_bits = _SAMPLE_BITS.get(header[3] >> 1 & 7, bits) + 1  # the difference of two channels has one more
        yield _Frame(start, samples * channels * sample_bits // 8 + channels * _SUBFRAME_BYTES)


def _number_bytes(first: bytes) -> int:
    """Length of the number of the frame or sample, which is coded like UTF-8; 0 for no such number."""
    ones = 8 - (first[0] ^ 0xFF).bit_length() if first else 0
    return {0: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}.get(ones, 0) if first else 0


def _last_end(data: bytes, frames: Sequence[_Frame]) -> int:
    """After the checksum that ends last, of any of these frames; 0 for none.

    A frame ends where the CRC-16 of its bytes, its checksum included, is 0. The CRC is linear, so one pass over all of
    the frames is enough: divided by x to the power of the bits so far, the CRC is the same at both ends of a frame.
    """
    starts = np.array([frame.start for frame in frames])
    longest = np.array([min(frame.most_bytes, _MAX_CHECKED_BYTES) for frame in frames])
    first = int(starts[0])
    limits = np.minimum(starts + longest, len(data)) - first
    starts -= first
    crcs = _divided_crcs(np.frombuffer(data, np.uint8)[first : first + int(limits.max())])
    # Sorted by CRC, then by place: the last place with the CRC of a frame's start, up to the frame's limit.
    places = np.sort(crcs << _PLACE_BITS | np.arange(len(crcs)))
    found = places[np.searchsorted(places, crcs[starts] << _PLACE_BITS | limits, side="right") - 1]
    ends = found & (1 << _PLACE_BITS) - 1
    whole = (found >> _PLACE_BITS == crcs[starts]) & (ends > starts + _LEAST_FRAME + 1)
    return first + int(ends[whole].max()) if whole.any() else 0


def _divided_crcs(content: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The CRC of the first 0, 1, 2, ... bytes, each divided by x to the power of its bits, modulo the polynomial."""
    powers = np.array(_POWERS)
    exponents = 8 - 8 * np.arange(len(content), dtype=np.int64)  # of the lowest bit of each byte
    terms = np.zeros(len(content) + 1, np.int64)
    for bit in range(8):
        terms[1:] ^= np.where(content >> bit & 1, powers[(exponents + bit) % len(powers)], 0)
    return np.bitwise_xor.accumulate(terms)


_LEAST_FRAME: Final = 8
_PLACE_BITS: Final = 40


def _powers(polynomial: int) -> tuple[int, ...]:
    """The powers of x modulo a polynomial of 16 bits, until they repeat."""
    powers = [1]
    while (power := powers[-1] << 1 ^ (polynomial | 1 << 16 if powers[-1] >> 15 else 0)) != 1:
        powers.append(power)
    return tuple(powers)


def _table(polynomial: int) -> tuple[int, ...]:
    rows = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value << 1 & 0xFF) ^ (polynomial if value & 0x80 else 0)
        rows.append(value)
    return tuple(rows)


_CRC8: Final = _table(0x07)
_POWERS: Final = _powers(0x8005)


def _crc8(header: bytes) -> int:
    crc = 0
    for byte in header:
        crc = _CRC8[crc ^ byte]
    return crc
