"""Watches the audio of a stream as it comes, and bounds how far it may run ahead of the clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.errors import Overloaded
from models.reasons import Reason
from server.ledger.types import Clock
from server.streaming.admission import Admission, AdmissionTicket


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How fast audio may come.

    A stream may hold ``ahead_s + times * age`` seconds of audio. Its age counts from when it was opened first, over all
    its connections: speech that a phone kept while it was offline is never too fast, however quickly it comes then.

    Attributes:
        times: Seconds of audio for each second of age.
        ahead_s: Seconds of audio on top.
    """

    times: float
    ahead_s: float


class RateLimiter:
    """The bound of one stream.

    Args:
        since: When the stream was opened first.
    """

    def __init__(self, limits: RateLimits, clock: Clock, since: datetime) -> None:
        self._limits = limits
        self._clock = clock
        self._since = since

    def check(self, heard_s: float) -> None:
        """Refuse more audio when this much, since the stream began, is too much for now.

        Raises:
            Overloaded: AUDIO_TOO_FAST; ``retry_after_s`` says when half of the allowance is there again.
        """
        limits = self._limits
        age_s = max(0.0, (self._clock() - self._since).total_seconds())
        ahead_s = heard_s - limits.times * age_s
        if ahead_s > limits.ahead_s:
            raise Overloaded(
                f"The audio comes more than {limits.times:g} times as fast as it is spoken.",
                reason=Reason.AUDIO_TOO_FAST,
                hint="Wait as long as RetryInfo says, resume with the token, and send more slowly.",
                retry_after_s=(ahead_s - limits.ahead_s / 2) / limits.times,
            )


class AudioQuota:
    """What one stream's audio means for the others.

    Args:
        seat: The stream's.
    """

    def __init__(self, admission: Admission, seat: AdmissionTicket, pace: RateLimiter) -> None:
        self._admission = admission
        self._seat = seat
        self._pace = pace

    def begin(self, heard_s: float) -> None:
        """Audio is there, and not yet taken in; on a stream that was opened for typed text it is the first sign of it.

        Args:
            heard_s: Seconds since the stream began, without it. Who is ahead already cannot get further by resuming.

        Raises:
            Overloaded: SPEECH_BUSY, AUDIO_TOO_FAST.
        """
        self._admission.begin_speech(self._seat)
        self._pace.check(heard_s)

    def heard(self, new_s: float, heard_s: float) -> None:
        """It was taken in: so many new seconds, so many since the stream began.

        Raises:
            Overloaded: AUDIO_TOO_FAST.
        """
        self._admission.heard(new_s)
        self._pace.check(heard_s)
