"""The blocks and frames of FLAC (RFC 9639).

A frame does not state its length. It ends with a checksum, and it is never longer than its samples unpacked. So the
walker looks for the headers of frames, which have a checksum too, and for the end of the last frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.media.structure.layout import Layout, MetadataBudget

_MARK: Final = b"fLaC"
_INFO_BYTES: Final = 34
_CONTENT: Final = frozenset({0, 1, 3, 6})
"""Blocks that are not counted: the stream's shape, padding, the seek table, and covers, which can be large."""

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
    info, at = _blocks(data, MetadataBudget())
    frames: list[_Frame] = []
    reach = 0
    for frame in _frames(data, at, info):
        if frames and frame.start > reach:
            break
        frames.append(frame)
        reach = max(reach, frame.start + frame.most_bytes)
    if not frames:  # the decoder decides
        return Layout(len(data))
    # A header can turn up by chance within a frame, so the last frame is one of several.
    last = frames[-1].start
    end = max(_end_of(data, frame) for frame in frames if frame.start + frame.most_bytes >= last)
    return Layout(end if end > last else min(len(data), reach))  # else the last frame is cut off


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
        if kind not in _CONTENT:
            budget.metadata(size)
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


def _end_of(data: bytes, frame: _Frame) -> int:
    """After the checksum of a frame: the last place within its longest length where it is correct; 0 for none."""
    limit = min(len(data), frame.start + min(frame.most_bytes, _MAX_CHECKED_BYTES))
    crc = end = 0
    for at in range(frame.start, limit):
        crc = (crc << 8 & 0xFFFF) ^ _CRC16[crc >> 8 ^ data[at]]
        if crc == 0 and at > frame.start + _LEAST_FRAME:
            end = at + 1
    return end


_LEAST_FRAME: Final = 8


def _table(polynomial: int, bits: int) -> tuple[int, ...]:
    top, mask = 1 << bits - 1, (1 << bits) - 1
    rows = []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 & mask) ^ (polynomial if value & top else 0)
        rows.append(value)
    return tuple(rows)


_CRC8: Final = _table(0x07, 8)
_CRC16: Final = _table(0x8005, 16)


def _crc8(header: bytes) -> int:
    crc = 0
    for byte in header:
        crc = _CRC8[crc ^ byte]
    return crc
