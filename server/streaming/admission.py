"""Decides which streams may open: by their number, by their client, and by the room that the speech workers have left.

Whoever is inside is not slowed by those who are not: a refused stream costs one row of the ledger to be read, and no
worker hears of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from models.errors import Conflict, Overloaded
from models.reasons import Reason
from server.observability.metrics import Metrics
from server.streaming.load_meter import SpeechLoadMeter

RETRY_AFTER_S: Final = 2.0
# A worker's room changes when a talk ends, which takes longer than a place in a count.
BUSY_RETRY_AFTER_S: Final = 5.0
# What a stream still has in hand, a write to the ledger or a thread that decodes, takes less.
VACATE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds on streams that are open at a time.

    Attributes:
        streams: Of this server.
        client_streams: Of one client.
        floor: Streams with audio that are admitted whatever was measured, so that a bad measure mends itself.
        load: Share of the speech workers that the streams with audio may need.
    """

    streams: int
    client_streams: int
    floor: int
    load: float


@dataclass(slots=True, eq=False)
class AdmissionTicket:
    """A stream that is open on a connection.

    Attributes:
        speaks: Whether it has audio.
        wanted: Set when its client came back on another connection; then this one is to be left.
        left: Set when nothing is done on this connection any more.
    """

    session_id: str
    client_id: str
    speaks: bool = False
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Admission:
    """All open streams of this server.

    Args:
        load: What the open streams were measured to need.
    """

    def __init__(self, limits: AdmissionLimits, load: SpeechLoadMeter, metrics: Metrics) -> None:
        self._limits = limits
        self._load = load
        self._metrics = metrics
        metrics.show(
            metrics.refused_streams, [Reason.TOO_MANY_STREAMS, Reason.TOO_MANY_CLIENT_STREAMS, Reason.SPEECH_BUSY]
        )
        self._seats: dict[str, AdmissionTicket] = {}
        metrics.speech_factor.set_function(lambda: load.factor)
        metrics.speech_load.set_function(lambda: load.share(self._speaking))

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the open streams."""
        return frozenset(self._seats)

    @property
    def session_ids(self) -> frozenset[str]:
        """Sessions that somebody talks in."""
        return frozenset(seat.session_id for seat in self._seats.values())

    @contextmanager
    def seated(self, stream_id: str, session_id: str, client_id: str) -> Iterator[AdmissionTicket]:
        """Hold a place, and keep everybody else off the stream. Nothing is awaited between the checks and the entry.

        Raises:
            Conflict: STREAM_IN_USE.
            Overloaded: TOO_MANY_STREAMS, TOO_MANY_CLIENT_STREAMS.
        """
        if stream_id in self._seats:
            raise Conflict("This stream is open already.", reason=Reason.STREAM_IN_USE)
        if len(self._seats) >= self._limits.streams:
            self._count_refusal(Reason.TOO_MANY_STREAMS)
            raise Overloaded("Too many streams are open.", reason=Reason.TOO_MANY_STREAMS, retry_after_s=RETRY_AFTER_S)
        if sum(seat.client_id == client_id for seat in self._seats.values()) >= self._limits.client_streams:
            self._count_refusal(Reason.TOO_MANY_CLIENT_STREAMS)
            raise Overloaded(
                "This client has too many streams open.",
                reason=Reason.TOO_MANY_CLIENT_STREAMS,
                retry_after_s=RETRY_AFTER_S,
            )
        seat = self._seats[stream_id] = AdmissionTicket(session_id, client_id)
        self._metrics.streams.inc()
        try:
            yield seat
        finally:
            self._metrics.streams.dec()
            del self._seats[stream_id]
            seat.left.set()

    async def vacate(self, stream_id: str) -> None:
        """Have a stream leave the connection that it is open on, for a newer one of its client; wait a while for that.

        A phone that changed its network is back long before the old connection is known to be dead.
        """
        seat = self._seats.get(stream_id)
        if seat is not None:
            seat.wanted.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(seat.left.wait(), VACATE_S)

    def begin_speech(self, seat: AdmissionTicket) -> None:
        """Ask for room for the audio of a new stream. Harmless when repeated.

        Raises:
            Overloaded: SPEECH_BUSY, by what was measured the finals of all would come late.
        """
        if seat.speaks:
            return
        streams = self._speaking
        if streams >= self._limits.floor and self._load.share_with_one_more(streams) > self._limits.load:
            self._count_refusal(Reason.SPEECH_BUSY)
            raise Overloaded(
                "The speech workers have no room for another stream.",
                reason=Reason.SPEECH_BUSY,
                retry_after_s=BUSY_RETRY_AFTER_S,
            )
        seat.speaks = True

    def heard(self, audio_s: float) -> None:
        """So much new audio came on one of the streams."""
        self._load.heard(audio_s, self._speaking)

    def go_on(self, seat: AdmissionTicket) -> None:
        """A stream that broke goes on: it was admitted before, and its talk is not turned away in the middle."""
        seat.speaks = True

    @property
    def _speaking(self) -> int:
        # Counted anew each time, and over a copy: scrapes of the metrics ask from a thread of their own.
        return sum(seat.speaks for seat in list(self._seats.values()))

    def _count_refusal(self, reason: str) -> None:
        self._metrics.refused_streams.labels(reason).inc()
