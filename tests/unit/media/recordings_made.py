"""Recordings of every supported format, made with FFmpeg's encoders."""

from __future__ import annotations

import io
from collections.abc import Mapping

import av
import numpy as np
from av.audio.stream import AudioStream


def recording(
    container: str,
    codec: str,
    seconds: float = 3.0,
    rate_hz: int = 48_000,
    layout: str = "mono",
    options: Mapping[str, str] | None = None,
    sample_format: str = "",
) -> bytes:
    """A tone with some noise.

    Args:
        container: FFmpeg's name of the muxer.
        codec: FFmpeg's name of the encoder.
        seconds: Length; 0 writes headers only.
        rate_hz: Sample rate.
        layout: Channels, such as ``mono`` or ``5.1``.
        options: Of the muxer.
        sample_format: Empty takes the encoder's own.
    """
    out = io.BytesIO()
    with av.open(out, "w", format=container, options=dict(options or {})) as file:
        track = file.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(track, AudioStream)
        if sample_format:
            track.codec_context.format = sample_format
        track.codec_context.open()
        resampler = av.AudioResampler(format=track.codec_context.format, layout=layout, rate=rate_hz)
        for frame in _frames(seconds, rate_hz, track.codec_context.frame_size or 1_024):
            for converted in resampler.resample(frame):
                file.mux(track.encode(converted))
        file.mux(track.encode(None))
    return out.getvalue()


def _frames(seconds: float, rate_hz: int, size: int) -> list[av.AudioFrame]:
    count = int(seconds * rate_hz)
    noise = np.random.default_rng(9).standard_normal(count) * 0.01
    sound = (0.3 * np.sin(2 * np.pi * 440 * np.arange(count) / rate_hz) + noise).astype(np.float32)
    frames = []
    for at in range(0, count, size):
        frame = av.AudioFrame.from_ndarray(sound[None, at : at + size], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, at
        frames.append(frame)
    return frames
