"""What a client asks for when it opens a stream, and what it may have."""

from __future__ import annotations

from dataclasses import dataclass

from models.media.audio_decoder import AudioLimits
from server.streaming.rate_limit import LARGEST_BYTES_PER_S, RateLimits


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What the client asked for.

    Attributes:
        encoding: ``PCM_S16LE``, ``CONTAINER``, or ``UNSPECIFIED`` when only text is typed.
        end_silence_s: Silence that ends an utterance; None takes the default.
        max_utterance_s: Longest utterance; None, or more than the server's bound, takes the server's bound.
        word_times: Whether finals come with their words.
        barge_in: Whether a reply stops when the person goes on.
        guided: Whether the app shows the questions of the flow.
        next_utterance: On a resumed stream, stored finals from this utterance on are sent again; None sends none.
    """

    session_id: str
    encoding: str
    sample_rate_hz: int
    channels: int
    language: str
    end_silence_s: float | None
    reply: bool
    resume_token: str
    next_utterance: int | None = None
    max_utterance_s: float | None = None
    word_times: bool = False
    barge_in: bool = True
    guided: bool = False

    @property
    def has_audio(self) -> bool:
        """Whether the stream was opened for audio."""
        return self.encoding != "UNSPECIFIED"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on each stream.

    Attributes:
        stream_s: Seconds of audio over all connections.
        idle_s: Seconds without any message from the client.
        rate: How fast audio may come.
    """

    stream_s: float
    idle_s: float
    rate: RateLimits

    @property
    def audio(self) -> AudioLimits:
        """Limits of the decoder. The most that a second can take is 16-bit stereo PCM at 48 kHz."""
        return AudioLimits(max_bytes=int(self.stream_s * LARGEST_BYTES_PER_S), max_s=self.stream_s)
