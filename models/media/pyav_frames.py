"""Decoding with PyAV: demux, decode, resample, and hold the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from models.amounts import time_text
from models.errors import BrokenMedia, TooLarge, UnsupportedMedia
from models.media.audio_headers import AudioLimits, PcmFormat
from models.media.formats import AUDIO_NAMES, MediaFormat
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.reasons import Reason

_DEMUXERS = {
    MediaFormat.WEBM: "matroska",
    MediaFormat.WAV: "wav",
    MediaFormat.MP3: "mp3",
    MediaFormat.OGG: "ogg",
    MediaFormat.MP4: "mov",
    MediaFormat.AAC: "aac",
    MediaFormat.FLAC: "flac",
}
_RATES_HZ = range(4_000, 192_001)
"""Lowest accepted rate: a header that says 1 Hz would turn a kilobyte into an hour of audio."""

_MAX_CHANNELS = 8
_MAX_STREAMS = 16
_BAD_PACKETS_TOLERATED = 8
"""A lossy network damages some packets. A file with more damaged than good packets is refused."""


class Readable(Protocol):
    """A file that PyAV can read. With ``seek`` and ``tell`` it is seekable."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        ...


class Collector:
    """Turns decoded frames of any rate, layout and sample format into mono float32 at 16 kHz.

    Raises:
        TooLarge: From ``push`` and ``add``, as soon as the recording is longer than the limit.
    """

    def __init__(self, limits: AudioLimits) -> None:
        self._limits = limits
        self._resampler: AudioResampler | None = None
        self._template: tuple[str, str, int] | None = None
        self._pieces: list[Samples] = []
        self._length_s = 0.0
        self._taken = 0
        self.total_samples = 0
        """Samples collected so far, taken ones included."""

    def push(self, frame: AudioFrame) -> None:
        """Resample one frame. The format may change within a stream, as in chained Ogg files."""
        if frame.sample_rate not in _RATES_HZ or frame.layout.nb_channels > _MAX_CHANNELS:
            raise UnsupportedMedia(
                f"Audio at {frame.sample_rate} Hz in {frame.layout.nb_channels} channels is not read.",
                hint=f"It may have {_RATES_HZ[0]} to {_RATES_HZ[-1]} Hz and {_MAX_CHANNELS} channels.",
            )
        self._lengthen(frame.samples / frame.sample_rate)
        template = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or template != self._template:
            self.flush()
            # Channels are averaged in ``_keep``: FFmpeg's mix to mono makes two equal ones louder than full scale.
            # Packed, because PyAV 18 reads beyond the last of eight separate channels.
            self._resampler = AudioResampler(format="flt", rate=SAMPLE_RATE_HZ)
            self._template = template
        frame.pts = None  # times in damaged files can go backwards; only the order counts
        self._keep(self._resampler.resample(frame))

    def add(self, samples: Samples) -> None:
        """Take samples that need no resampling."""
        self._lengthen(len(samples) / SAMPLE_RATE_HZ)
        self._append(samples)

    def flush(self) -> None:
        """Take the samples that the resampler still holds."""
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    @property
    def waiting_samples(self) -> int:
        """Samples collected since the last ``take``."""
        return self.total_samples - self._taken

    def take(self) -> Samples:
        """Return everything collected since the last call."""
        pieces, self._pieces = self._pieces, []
        self._taken = self.total_samples
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)

    def _keep(self, frames: Sequence[AudioFrame | None]) -> None:
        for frame in frames:
            if frame is not None:
                packed = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
                self._append(packed.mean(axis=1, dtype=np.float32))

    def _append(self, samples: Samples) -> None:
        self._pieces.append(samples)
        self.total_samples += len(samples)

    def _lengthen(self, more_s: float) -> None:
        self._length_s += more_s
        # A rounding error must not count as excess: the total must not depend on how the audio was split into pieces.
        if self._length_s > self._limits.max_s + 0.5 / SAMPLE_RATE_HZ:
            raise TooLarge(
                f"The recording is longer than {time_text(self._limits.max_s)}.", reason=Reason.AUDIO_TOO_LONG
            )


def pcm_to_frame(data: bytes, pcm: PcmFormat) -> AudioFrame:
    """Wrap whole sample frames of raw PCM."""
    values = np.frombuffer(data, "<i2").reshape(1, -1)
    frame = AudioFrame.from_ndarray(values, format="s16", layout="stereo" if pcm.channels == 2 else "mono")
    frame.sample_rate = pcm.rate_hz
    return frame


def decode_container(
    file: Readable, kind: MediaFormat, collector: Collector, on_packet: Callable[[], None] = lambda: None
) -> None:
    """Decode the first audio stream of a file into the collector, and call ``on_packet`` after each packet.

    If a recording is cut off or has a few damaged packets, the readable rest is decoded.

    Raises:
        UnsupportedMedia: There is no audio stream, or no decoder for it.
        BrokenMedia: Nothing decodes, or most packets are damaged.
        TooLarge: From the collector.
    """
    options = {"analyzeduration": "1"}  # microseconds: start with the first packet, not after five seconds
    try:
        with av.open(file, "r", format=_DEMUXERS[kind], options=options, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise UnsupportedMedia(f"The {kind.label} file has no audio stream.", hint="Send one with sound in it.")
            if len(container.streams) > _MAX_STREAMS:
                raise TooLarge(f"The file has more than {_MAX_STREAMS} streams.", reason=Reason.MEDIA_TOO_COMPLEX)
            if container.streams.audio[0].codec_context is None:  # the header names a codec that FFmpeg does not know
                raise _unknown_codec(kind)
            _decode_packets(container, container.streams.audio[0], collector, on_packet)
    except (av.error.DecoderNotFoundError, av.error.PatchWelcomeError) as exc:
        raise _unknown_codec(kind) from exc
    except (av.error.FFmpegError, ValueError) as exc:
        # The file breaks off: the samples so far are a recording.
        if not collector.total_samples:
            raise BrokenMedia(f"The {kind.label} file does not decode.") from exc
    collector.flush()


def _unknown_codec(kind: MediaFormat) -> UnsupportedMedia:
    return UnsupportedMedia(f"The {kind.label} file uses a codec that we do not read.", hint=f"Send {AUDIO_NAMES}.")


def _decode_packets(
    container: InputContainer, stream: AudioStream, collector: Collector, on_packet: Callable[[], None]
) -> None:
    good, bad = 0, 0
    stream.codec_context.thread_count = 1
    for packet in container.demux(stream):
        try:
            for frame in stream.codec_context.decode(packet):
                collector.push(frame)
            good += 1
            on_packet()
        except (av.error.InvalidDataError, av.error.BugError):
            bad += 1
            if bad > good + _BAD_PACKETS_TOLERATED:
                raise
    if bad and not collector.total_samples:
        raise BrokenMedia("None of the recording's packets decodes.")
