"""Bounds how fast audio, typed texts and small messages may come, and counts audio towards the load of the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.errors import Overloaded
from models.reasons import Reason
from server.runtime.token_bucket import Rate, TokenBuckets
from server.sandbox.jobs import WHOLE_BYTES
from server.streaming.admission import Admission, AdmissionTicket

LARGEST_BYTES_PER_S: Final = 48_000 * 2 * 2
"""Of audio: 16-bit stereo PCM at 48 kHz."""
SOUNDLESS_BYTES: Final = WHOLE_BYTES
"""Bytes of a stream that need bring no sound: an MP4 whose index comes last is decoded when it is complete."""
SMALL_BYTES: Final = 256
"""A message with less new audio than this is small."""
SMALL_MESSAGES: Final = Rate(per_s=60.0, burst=3_000.0)
"""Small messages of a stream. Opus may come as a packet every 20 ms, and a minute of it at once after a pause."""
_PAUSE_S: Final = 10.0
"""For a client that sent too many of them."""


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How fast audio may come.

    A stream may have sent ``ahead_s + times * age`` seconds of audio. Its age counts from when it was first opened,
    over all its connections. So a phone may send at once what it recorded while it was offline.

    Attributes:
        times: Seconds of audio for each second of age.
        ahead_s: Seconds of audio on top.
    """

    times: float
    ahead_s: float


class RateLimiter:
    """The bound of one stream.

    Args:
        age_s: How long ago the stream was first opened, below 0 if the clock was set back since.
        elapsed_s: Seconds of a clock that is never set.
    """

    def __init__(self, limits: RateLimits, age_s: float, elapsed_s: Callable[[], float]) -> None:
        self._limits = limits
        self._elapsed_s = elapsed_s
        self._opened_s = elapsed_s() - max(0.0, age_s)

    def check(self, received_s: float, received_bytes: int = 0) -> None:
        """Refuse audio that comes too fast.

        Bytes beyond ``SOUNDLESS_BYTES`` count as the largest audio does, so that those without sound have a pace too.

        Args:
            received_s: Seconds of audio since the stream began.
            received_bytes: Its bytes.

        Raises:
            Overloaded: AUDIO_TOO_FAST; after ``retry_after_s`` half of ``ahead_s`` is available again.
        """
        limits = self._limits
        received_s = max(received_s, (received_bytes - SOUNDLESS_BYTES) / LARGEST_BYTES_PER_S)
        ahead_s = received_s - limits.times * (self._elapsed_s() - self._opened_s)
        if ahead_s > limits.ahead_s:
            raise Overloaded(
                f"The audio arrives more than {limits.times:g} times as fast as it is spoken.",
                reason=Reason.AUDIO_TOO_FAST,
                hint="Wait as long as RetryInfo says, resume with the token, and send more slowly.",
                retry_after_s=(ahead_s - limits.ahead_s / 2) / limits.times,
            )


class AudioQuota:
    """Checks the audio of one stream before and after it is taken in.

    Args:
        ticket: The stream's.
    """

    def __init__(self, admission: Admission, ticket: AdmissionTicket, rate_limiter: RateLimiter) -> None:
        self._admission = admission
        self._ticket = ticket
        self._rate_limiter = rate_limiter

    def before_chunk(self, received_s: float, received_bytes: int) -> None:
        """Check before a chunk is taken in. The first chunk admits the audio of a stream opened for typed text.

        Args:
            received_s: Seconds of audio since the stream began, without the chunk. Checking them here too means that
                resuming does not get a client past the limit.
            received_bytes: Its bytes, likewise.

        Raises:
            Overloaded: SPEECH_BUSY, AUDIO_TOO_FAST.
        """
        self._admission.admit_audio(self._ticket)
        self._rate_limiter.check(received_s, received_bytes)

    def after_chunk(self, new_s: float, received_s: float, received_bytes: int) -> None:
        """Count a chunk that was taken in: its seconds, and all seconds and bytes since the stream began.

        Raises:
            Overloaded: AUDIO_TOO_FAST.
        """
        self._admission.audio_received(new_s)
        self._rate_limiter.check(received_s, received_bytes)


class TypedRates:
    """Bounds how many typed texts, and requests for a record, may come in each session and from each client.

    Each of them costs a redaction, a row and a call of the LLM.

    Args:
        session: Of one session, over all its streams.
        client: Of all sessions of one client.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(self, session: Rate, client: Rate, monotonic: Callable[[], float]) -> None:
        self._sessions = TokenBuckets(session, monotonic)
        self._clients = TokenBuckets(client, monotonic)

    def take(self, session_id: str, client_id: str) -> None:
        """Count one, or refuse it.

        Raises:
            Overloaded: TEXT_TOO_FAST; ``retry_after_s`` is the time until the next one is taken.
        """
        wait_s = max(self._sessions.wait_s(session_id), self._clients.wait_s(client_id))
        if wait_s:
            raise Overloaded(
                "Typed texts, or requests for a record, come too fast.",
                reason=Reason.TEXT_TOO_FAST,
                hint="Wait as long as RetryInfo says, resume with the token, and send the text again.",
                retry_after_s=wait_s,
            )
        self._sessions.take(session_id)
        self._clients.take(client_id)


class MessageRates:
    """Bounds how many small messages may come in each stream: tiny chunks, chunks that came before, and end marks.

    Each of them costs the server about as much as a chunk of a usual size. Typed texts have bounds of their own.

    Args:
        monotonic: Seconds of a clock that never goes back.
        rate: Of one stream, over all its connections.
    """

    def __init__(self, monotonic: Callable[[], float], rate: Rate = SMALL_MESSAGES) -> None:
        self._streams = TokenBuckets(rate, monotonic)

    def take(self, stream_id: str) -> None:
        """Count one, or refuse it.

        Raises:
            Overloaded: MESSAGES_TOO_FAST; after ``retry_after_s`` some hundred are taken again.
        """
        wait_s = self._streams.take(stream_id)
        if wait_s:
            raise Overloaded(
                f"Messages with less than {SMALL_BYTES} bytes of new audio come too fast.",
                reason=Reason.MESSAGES_TOO_FAST,
                hint="Wait as long as RetryInfo says, resume with the token, and send 100 ms of audio at a time.",
                retry_after_s=wait_s + _PAUSE_S,
            )
