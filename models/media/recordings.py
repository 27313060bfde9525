"""Decodes a whole recording, and encodes it anew: FLAC, 16 kHz, mono, without metadata. It is never in memory whole."""

from __future__ import annotations

import io
from typing import Final

import av
import numpy as np

from models.errors import BrokenMedia, TooLarge
from models.media.audio_headers import AudioLimits
from models.media.formats import MediaFormat
from models.media.pyav_frames import Collector, decode_container
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.reasons import Reason

MAX_RATIO: Final = 2_000
"""Decoded to encoded bytes. Silence in Opus is about 400 to 1, in MP3 30 to 1; FLAC at 4 kHz can reach 30,000 to 1."""

_HARMLESS_S: Final = 60.0
"""Below this length the ratio does not count."""

_SAMPLE_BYTES: Final = 2
_FULL_SCALE: Final = 32_768


def clean(data: bytes, found: MediaFormat, limits: AudioLimits) -> tuple[bytes, float]:
    """The recording as FLAC, and its length in seconds.

    Args:
        data: The file; ``inspect`` has seen it.
        found: Its format by content.
        limits: Bounds.

    Raises:
        UnsupportedMedia: There is no audio in it, or no decoder for it.
        BrokenMedia: Nothing of it decodes.
        TooLarge: It is too long, or decodes to far more than a recording of its size.
    """
    encoder = FlacEncoder()
    collector = Collector(limits)

    def take() -> None:
        encoder.add(collector.take())
        check_ratio(collector.total_samples, len(data))

    decode_container(io.BytesIO(data), found, collector, on_packet=take)
    take()
    if not collector.total_samples:
        raise BrokenMedia("The recording has no audio in it.")
    return encoder.finish(), collector.total_samples / SAMPLE_RATE_HZ


class FlacEncoder:
    """Encodes 16-bit mono FLAC piece by piece."""

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="flac", container_options={"fflags": "+bitexact"})
        self._stream = self._container.add_stream("flac", rate=SAMPLE_RATE_HZ, layout="mono")
        self._stream.codec_context.format = "s16"

    def add(self, samples: Samples) -> None:
        """Encode the next samples."""
        if not len(samples):
            return
        pcm = np.round(samples * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)[None, :]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE_HZ
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """The whole file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()


def check_ratio(samples: int, encoded_bytes: int) -> None:
    """Check that sound at 16 kHz is not far longer than its encoded bytes can hold.

    Raises:
        TooLarge: DECOMPRESSION_BOMB.
    """
    if samples < _HARMLESS_S * SAMPLE_RATE_HZ or samples * _SAMPLE_BYTES <= MAX_RATIO * encoded_bytes:
        return
    raise TooLarge(f"The recording decodes to more than {MAX_RATIO} times its size.", reason=Reason.DECOMPRESSION_BOMB)
