"""Recordings that are a row of frames: MP3 (ISO/IEC 11172-3, 13818-3) and AAC in ADTS (ISO/IEC 13818-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from models.media.structure.layout import Layout

MAX_GAPS: Final = 8_192
"""Damaged bytes between the frames of a file, together. Zeros do not count, with which recorders fill up a block of
their memory, and a tag in between is as long as it says."""

_LONGEST_GAP: Final = 65_536

_ALIKE: Final = 3
"""So many frames in a row, alike, are sound again after damaged bytes. Two turn up by chance in random bytes."""

_KBITS: Final = {
    (1, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""By version (2 stands for 2.5, too) and layer."""

_RATES_HZ: Final = (44_100, 48_000, 32_000)

_Frame = Callable[[bytes, int], int]
"""The length of the frame that begins at an offset; 0 when none begins there."""


def walk_mp3(data: bytes) -> Layout:
    """Follow the frames of an MP3 file to the last one."""
    return _walk(data, _mp3_frame)


def walk_adts(data: bytes) -> Layout:
    """Follow the frames of an AAC file to the last one."""
    return _walk(data, _adts_frame)


def _walk(data: bytes, frame: _Frame) -> Layout:
    at = end = gaps = 0
    texts = []
    while at < len(data):
        length = frame(data, at)
        if length:
            at += length
            end = at
            continue
        tag = _tag_bytes(data, at)
        following = at + tag if tag else _resume(data, at, frame)
        if following is None:
            break
        if tag:
            texts.append(data[at:following])
        else:
            gaps += following - at - data.count(0, at, following)
            if gaps > MAX_GAPS:
                break
        at = following
    # Nothing that can be followed, as in MP3 with a free bit rate: the decoder decides.
    return Layout(min(end, len(data)) if end else len(data), texts=tuple(texts))


def _resume(data: bytes, at: int, frame: _Frame) -> int | None:
    """Where frames begin again, or None."""
    limit = min(len(data), at + _LONGEST_GAP)
    while (at := data.find(b"\xff", at + 1, limit)) >= 0:
        following = at
        for _ in range(_ALIKE):
            length = frame(data, following)
            following += length
            if following == len(data):
                return at
            if not length or following > len(data):
                break
        else:
            return at
    return None


def _mp3_frame(data: bytes, at: int) -> int:
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    kbits, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or kbits in (0, 15) or rate == 3:
        return 0
    family = 1 if version == 3 else 2
    rate_hz = _RATES_HZ[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits = _KBITS[family, layer][kbits] * 1_000
    if layer == 1:
        return (12 * bits // rate_hz + padding) * 4
    return (72 if layer == 3 and family == 2 else 144) * bits // rate_hz + padding


def _adts_frame(data: bytes, at: int) -> int:
    if at + 7 > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return 0
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return length if length >= 7 else 0


def _tag_bytes(data: bytes, at: int) -> int:
    """The length of the tag that begins at an offset, ID3v2 or APEv2; 0 when none begins there."""
    if data[at : at + 3] == b"ID3":
        digits = data[at + 6 : at + 10]
        return 10 + sum((digit & 0x7F) << 7 * place for place, digit in enumerate(reversed(digits)))
    if data[at : at + 8] == b"APETAGEX":
        return 32 + int.from_bytes(data[at + 12 : at + 16], "little")
    return 0
