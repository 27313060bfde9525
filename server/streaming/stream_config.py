"""What a client asks for when it opens a stream, and what it may have."""

from __future__ import annotations

from dataclasses import dataclass

from models.media.audio_decoder import AudioLimits
from server.streaming.rate_limit import RateLimits


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """What the client asked for.

    Attributes:
        encoding: ``PCM_S16LE``, ``CONTAINER`` or ``UNSPECIFIED`` when only text is typed.
        end_silence_s: Silence that ends an utterance; None takes the default.
        max_utterance_s: Longest utterance; None takes the server's own bound, and no more is given.
        word_times: Whether finals come with their words.
        next_utterance: With a token, the number from which on stored finals are sent again; None sends none.
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


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds on each stream: its audio, its silence on the wire, and how fast it may come."""

    stream_s: float
    idle_s: float
    pace: RateLimits

    @property
    def audio(self) -> AudioLimits:
        """For the decoder. Stereo PCM of 16 bits at 48 kHz is the most that a second can take."""
        return AudioLimits(max_bytes=int(self.stream_s * 48_000 * 2 * 2), max_s=self.stream_s)
