"""Decides which streams may open: by their number, by their client, and by the capacity of the speech workers.

A refused stream costs one read of the ledger and no call to a worker, so it does not slow the open ones.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from models.errors import Conflict, Overloaded, VestibuleError
from models.reasons import Reason
from server.ledger.streams import taken_over
from server.observability.metrics import Metrics
from server.streaming.load_meter import SpeechLoadMeter

RETRY_AFTER_S: Final = 2.0
# Capacity of the speech workers is freed when a conversation ends, which takes longer than a free stream slot.
BUSY_RETRY_AFTER_S: Final = 5.0
# How long a resuming client waits for its older connection to finish a ledger write or a running decoder.
RELEASE_TIMEOUT_S: Final = 2.0

_REASONS: Final = (
    Reason.TOO_MANY_STREAMS,
    Reason.TOO_MANY_CLIENT_STREAMS,
    Reason.TOO_MANY_SESSION_STREAMS,
    Reason.CLIENT_AUDIO_FULL,
    Reason.SPEECH_BUSY,
)


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """Bounds on streams that are open at the same time.

    Attributes:
        streams: Streams of this server.
        client_streams: Streams of one client.
        session_streams: Streams of one session.
        floor: Streams with audio that are admitted whatever the measured load, so that a wrong measurement can recover.
        load: Share of the speech workers that the streams with audio may need, in [0, 1].
    """

    streams: int
    client_streams: int
    session_streams: int
    floor: int
    load: float


class EndRequest:
    """Asks a stream to end, and says why."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._error: VestibuleError = taken_over()

    def ask(self, error: VestibuleError) -> None:
        """Ask for the end. The first error stays."""
        if not self._asked.is_set():
            self._error = error
            self._asked.set()

    async def wait(self) -> VestibuleError:
        """The error with which the stream ends, once it is to end."""
        await self._asked.wait()
        return self._error


@dataclass(slots=True, eq=False)
class AdmissionTicket:
    """One admitted stream on one connection.

    Attributes:
        id: UUID of the connection.
        has_stream: Whether the ledger says that this connection has the stream.
        has_audio: Whether the stream counts towards the load of the speech workers.
        end_request: Set when the client resumed the stream on another connection, or the session was erased.
        released: Set when nothing runs on this connection any more.
    """

    session_id: str
    client_id: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    has_stream: bool = False
    has_audio: bool = False
    end_request: EndRequest = field(default_factory=EndRequest)
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Admission:
    """All open streams of this server.

    Args:
        load: The measured load of the speech workers.
    """

    def __init__(self, limits: AdmissionLimits, load: SpeechLoadMeter, metrics: Metrics) -> None:
        self._limits = limits
        self._load = load
        self._metrics = metrics
        metrics.show(metrics.refused_streams, _REASONS)
        self._tickets: dict[str, AdmissionTicket] = {}
        metrics.speech_factor.set_function(lambda: load.factor)
        metrics.speech_load.set_function(lambda: load.share(self._audio_streams))

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the open streams."""
        return frozenset(self._tickets)

    @property
    def short_of_capacity(self) -> bool:
        """Whether the speech workers have no room for another stream, by the measured load."""
        streams = self._audio_streams
        return streams >= self._limits.floor and self._load.share_with_one_more(streams) > self._limits.load

    @property
    def connections(self) -> dict[str, str]:
        """Ids of the connections that have a stream, by stream."""
        return {stream_id: ticket.id for stream_id, ticket in self._tickets.items() if ticket.has_stream}

    @property
    def session_ids(self) -> frozenset[str]:
        """Sessions with an open stream."""
        return frozenset(ticket.session_id for ticket in self._tickets.values())

    @contextmanager
    def admit(self, stream_id: str, session_id: str, client_id: str) -> Iterator[AdmissionTicket]:
        """Count a stream as open while the context lasts.

        Nothing is awaited between the checks and the entry, so two streams cannot take the same last place.

        Raises:
            Conflict: STREAM_IN_USE.
            Overloaded: TOO_MANY_STREAMS, TOO_MANY_CLIENT_STREAMS, TOO_MANY_SESSION_STREAMS.
        """
        if stream_id in self._tickets:
            raise Conflict("This stream is open already.", reason=Reason.STREAM_IN_USE)
        if len(self._tickets) >= self._limits.streams:
            raise self._refusal(Reason.TOO_MANY_STREAMS, "Too many streams are open.")
        if sum(ticket.client_id == client_id for ticket in self._tickets.values()) >= self._limits.client_streams:
            raise self._refusal(Reason.TOO_MANY_CLIENT_STREAMS, "This client has too many streams open.")
        if sum(ticket.session_id == session_id for ticket in self._tickets.values()) >= self._limits.session_streams:
            raise self._refusal(Reason.TOO_MANY_SESSION_STREAMS, "This session has too many streams open.")
        ticket = self._tickets[stream_id] = AdmissionTicket(session_id, client_id)
        self._metrics.streams.inc()
        try:
            yield ticket
        finally:
            self._metrics.streams.dec()
            del self._tickets[stream_id]
            ticket.released.set()

    async def end_sessions(self, session_ids: frozenset[str]) -> None:
        """End the open streams of these sessions, which are erased, and wait up to ``RELEASE_TIMEOUT_S``."""
        ending = [ticket for ticket in self._tickets.values() if ticket.session_id in session_ids]
        await asyncio.gather(*(_end(ticket, erased()) for ticket in ending))

    async def release(self, stream_id: str) -> None:
        """End the older connection of a stream, and wait for its end up to ``RELEASE_TIMEOUT_S``.

        A phone that changed its network resumes long before the server notices that the old connection is dead.
        """
        ticket = self._tickets.get(stream_id)
        if ticket is not None:
            await _end(ticket, taken_over())

    def end_connection(self, stream_id: str, connection: str, error: VestibuleError) -> None:
        """Have a connection end, if it is still that of its stream here."""
        ticket = self._tickets.get(stream_id)
        if ticket is not None and ticket.id == connection:
            ticket.end_request.ask(error)

    def admit_audio(self, ticket: AdmissionTicket) -> None:
        """Count a new stream towards the load of the speech workers. Harmless when repeated.

        Raises:
            Overloaded: SPEECH_BUSY, by the measured load the finals of all streams would come late.
        """
        if ticket.has_audio:
            return
        if self.short_of_capacity:
            message = "The speech workers have no room for another stream."
            raise self._refusal(Reason.SPEECH_BUSY, message, BUSY_RETRY_AFTER_S)
        ticket.has_audio = True

    def readmit_audio(self, ticket: AdmissionTicket) -> None:
        """Count a resumed stream towards the load, without a check: it was admitted before it broke."""
        ticket.has_audio = True

    def audio_received(self, audio_s: float) -> None:
        """Tell the load meter that one of the streams received new audio, in seconds."""
        self._load.audio_received(audio_s, self._audio_streams)

    def counted(self, error: Overloaded) -> Overloaded:
        """Count the refusal of a stream."""
        self._metrics.refused_streams.labels(error.reason).inc()
        return error

    @property
    def _audio_streams(self) -> int:
        # Counted anew each time, and over a copy: scrapes of the metrics come from a thread of their own.
        return sum(ticket.has_audio for ticket in list(self._tickets.values()))

    def _refusal(self, reason: Reason, message: str, retry_after_s: float = RETRY_AFTER_S) -> Overloaded:
        return self.counted(Overloaded(message, reason=reason, retry_after_s=retry_after_s))


async def _end(ticket: AdmissionTicket, error: VestibuleError) -> None:
    ticket.end_request.ask(error)
    with suppress(TimeoutError):
        await asyncio.wait_for(ticket.released.wait(), RELEASE_TIMEOUT_S)


def erased() -> Conflict:
    """The error that says that the session of a stream was erased."""
    return Conflict("The session was erased.", reason=Reason.SESSION_ERASED, hint="Start a new session.")
