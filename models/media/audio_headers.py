"""What the headers of audio files say, the shape of raw PCM, and the bounds on a recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from models.errors import InvalidInput
from models.reasons import Reason


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """Bounds on one recording.

    Attributes:
        max_bytes: Of the encoded recording.
        max_s: Of the decoded recording; a small file can hold hours of silence.
    """

    max_bytes: int = 50 * 1024 * 1024
    max_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Raw signed 16-bit little-endian samples.

    Attributes:
        rate_hz: 8,000 to 48,000.
        channels: 1, or 2 that are interleaved.
    """

    rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        if not 8_000 <= self.rate_hz <= 48_000:
            raise InvalidInput("The sample rate must be between 8000 and 48000 Hz.", reason=Reason.INVALID_SAMPLE_RATE)
        if self.channels not in (1, 2):
            raise InvalidInput("Raw audio must have 1 or 2 channels.", reason=Reason.INVALID_CHANNELS)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return 2 * self.channels


class Mp4Layout(Enum):
    """Whether an MP4 can be read from its beginning."""

    UNDECIDED = auto()
    INDEX_FIRST = auto()
    INDEX_LAST = auto()


def mp4_layout(head: bytes) -> Mp4Layout:
    """Walk the top-level boxes up to the index (``moov``) or the samples (``mdat``)."""
    at = 0
    while at + 8 <= len(head):
        size, kind = int.from_bytes(head[at : at + 4], "big"), head[at + 4 : at + 8]
        if kind in (b"moov", b"moof"):
            return Mp4Layout.INDEX_FIRST
        if kind == b"mdat":
            return Mp4Layout.INDEX_LAST
        if size == 1:  # the real size follows in 64 bits
            if at + 16 > len(head):
                break
            size = int.from_bytes(head[at + 8 : at + 16], "big")
        if size < 8:
            return Mp4Layout.INDEX_LAST  # not a valid size; only the seeking demuxer can decide
        at += size
    return Mp4Layout.UNDECIDED


@dataclass(frozen=True, slots=True)
class WavPcm:
    """Where the samples of a plain 16-bit WAV file are.

    Attributes:
        pcm: Rate and channels.
        start: Offset of the first sample in bytes.
        size_bytes: Length of the samples; None when the header does not say it.
    """

    pcm: PcmFormat
    start: int
    size_bytes: int | None


def plain_wav(head: bytes) -> WavPcm | None:
    """Read the header of a WAV file with 16-bit PCM at a usual rate; None for any other, or when it is not complete.

    FFmpeg would read two seconds of a WAV file before it returns samples, because it searches for DTS.
    """
    pcm: PcmFormat | None = None
    at = 12
    while at + 8 <= len(head):
        kind, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        at += 8
        if kind == b"data":
            unknown = size == 0 or size >= _SIZE_UNKNOWN
            return WavPcm(pcm, at, None if unknown else size) if pcm else None
        if kind == b"fmt ":
            pcm = _wav_format(head[at : at + 16])
            if pcm is None:
                return None
        at += size + size % 2
    return None


_SIZE_UNKNOWN = 0x7FFF_0000
"""Recorders that write to a pipe put a number near the largest one in the place of the size."""


def _wav_format(fields: bytes) -> PcmFormat | None:
    if len(fields) < 16:
        return None
    tag, channels = int.from_bytes(fields[0:2], "little"), int.from_bytes(fields[2:4], "little")
    rate_hz, bits = int.from_bytes(fields[4:8], "little"), int.from_bytes(fields[14:16], "little")
    plain = tag == 1 and bits == 16 and channels in (1, 2) and 8_000 <= rate_hz <= 48_000
    return PcmFormat(rate_hz, channels) if plain else None
