"""Audio formats as data: which there are, how to tell them from their bytes, and the bounds on a recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from models.errors import InvalidInput


class AudioFormat(StrEnum):
    """The containers that we read; the codec inside may be any that FFmpeg decodes."""

    WEBM = "webm"
    WAV = "wav"
    MP3 = "mp3"
    OGG = "ogg"
    MP4 = "m4a"
    AAC = "aac"
    FLAC = "flac"
    PCM_S16LE = "pcm_s16le"


AUDIO_NAMES = "webm, ogg, wav, mp3, aac, m4a or flac"
"""The formats above but raw samples, for a person."""


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """Bounds on one recording.

    Attributes:
        max_bytes: Of the encoded recording.
        max_s: Of the decoded one; a small file can hold hours of silence.
    """

    max_bytes: int = 50 * 1024 * 1024
    max_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Raw signed 16-bit little-endian samples.

    Attributes:
        rate_hz: 8,000 to 48,000.
        channels: 1, or 2 interleaved.
    """

    rate_hz: int
    channels: int = 1

    def __post_init__(self) -> None:
        if not 8_000 <= self.rate_hz <= 48_000:
            raise InvalidInput("The sample rate must be between 8000 and 48000 Hz.", reason="INVALID_SAMPLE_RATE")
        if self.channels not in (1, 2):
            raise InvalidInput("Raw audio must have 1 or 2 channels.", reason="INVALID_CHANNELS")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return 2 * self.channels


def detect(head: bytes) -> AudioFormat | None:
    """Tell the format from the first bytes, 64 or more; None when it is no audio that we read."""
    if head[:3] == b"ID3":
        return _behind_id3(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return AudioFormat.WAV
    if head[4:8] == b"ftyp":
        return AudioFormat.MP4
    for magic, found in _MAGIC:
        if head.startswith(magic):
            return found
    return _mpeg_sync(head)


_MAGIC = (
    (b"\x1aE\xdf\xa3", AudioFormat.WEBM),  # EBML: Matroska and WebM
    (b"OggS", AudioFormat.OGG),
    (b"fLaC", AudioFormat.FLAC),
)


HEAD_BYTES = 64
"""Enough to tell the format of anything that has no tag before it."""

_LONGEST_TAG_BYTES = 1 << 20
"""Album covers fit; longer than that, we guess."""


def head_bytes(head: bytes | bytearray) -> int:
    """How many bytes ``detect`` wants to see, given the first ones; an ID3 tag has to be looked behind."""
    if head[:3] == b"ID3" and len(head) >= 10 and _id3_bytes(head) <= _LONGEST_TAG_BYTES:
        return _id3_bytes(head) + HEAD_BYTES
    return HEAD_BYTES


def _id3_bytes(head: bytes | bytearray) -> int:
    """Length of the tag: 28 bits in four bytes, so that it never looks like a sync word."""
    size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    return 10 + size


def _behind_id3(head: bytes) -> AudioFormat | None:
    """An ID3 tag may stand before MP3, AAC or FLAC; MP3 when the tag is longer than what we see."""
    rest = head[_id3_bytes(head) :].lstrip(b"\0")
    if len(rest) < 4:
        return AudioFormat.MP3
    return AudioFormat.FLAC if rest.startswith(b"fLaC") else (_mpeg_sync(rest) or AudioFormat.MP3)


def _mpeg_sync(head: bytes) -> AudioFormat | None:
    """A bare stream starts with a frame header: 11 set bits, then version and layer."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    layer, version = head[1] >> 1 & 3, head[1] >> 3 & 3
    if layer == 0:  # ADTS; its sync has 12 bits
        return AudioFormat.AAC if head[1] & 0xF0 == 0xF0 and head[2] >> 2 & 15 <= 12 else None
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    # Layer I (3) is left out: nobody records it, and FF FE is also how UTF-16 text begins.
    if layer == 3 or version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    return AudioFormat.MP3


class Mp4Layout(Enum):
    """Whether an MP4 can be read from its beginning."""

    UNDECIDED = auto()
    INDEX_FIRST = auto()
    INDEX_LAST = auto()


def mp4_layout(head: bytes) -> Mp4Layout:
    """Walk the top-level boxes until the index (``moov``) or the samples (``mdat``) show up."""
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
            return Mp4Layout.INDEX_LAST  # oddly built; only the seeking demuxer can tell
        at += size
    return Mp4Layout.UNDECIDED


@dataclass(frozen=True, slots=True)
class WavPcm:
    """Where the samples of a plain 16-bit WAV file are.

    Attributes:
        pcm: Rate and channels.
        start: Offset of the first sample in bytes.
        size_bytes: Length of the samples; None when the recorder did not know it yet.
    """

    pcm: PcmFormat
    start: int
    size_bytes: int | None


def plain_wav(head: bytes) -> WavPcm | None:
    """Read the header of a WAV file with 16-bit PCM at a usual rate; None for any other, or when it is not complete.

    FFmpeg looks at the first two seconds of a WAV file before it gives any, in search of DTS in disguise.
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
"""Recorders that write to a pipe put the largest number, or nearly that, where the size belongs."""


def _wav_format(fields: bytes) -> PcmFormat | None:
    if len(fields) < 16:
        return None
    tag, channels = int.from_bytes(fields[0:2], "little"), int.from_bytes(fields[2:4], "little")
    rate_hz, bits = int.from_bytes(fields[4:8], "little"), int.from_bytes(fields[14:16], "little")
    plain = tag == 1 and bits == 16 and channels in (1, 2) and 8_000 <= rate_hz <= 48_000
    return PcmFormat(rate_hz, channels) if plain else None
