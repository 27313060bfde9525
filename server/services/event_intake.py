"""Takes batches of events of apps in: reads them by their declaration, stores them, and says what was left out."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import suppress
from functools import partial
from typing import Final

from vestibule.v1 import funnel_pb2

from models.errors import Conflict, FieldViolation, NotFound
from models.reasons import Reason
from server.access import ownership
from server.access.caller import current_caller
from server.ledger.app_events import AppendEvents
from server.ledger.event_counts import EventCounts
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, EventRow
from server.observability.metrics import Metrics
from server.records.declared_events import MOST_VIOLATIONS
from server.records.event_values import EventProblem, EventValues, ReadEvent
from server.records.refusal_events import RefusalEvents
from server.rpc import convert
from server.services import event_messages

MOST_OF_SESSION: Final = 10_000
"""Events that the app of a session may store, unless a setting says otherwise."""


class EventIntake:
    """Stores batches.

    Args:
        values: Read what apps send.
        most_of_session: Events that the app of a session may store.
        metrics: Count events of sessions that have too many.
        refusals: Stores that a session had too many.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        values: EventValues,
        most_of_session: int,
        metrics: Metrics,
        refusals: RefusalEvents,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._values = values
        self._counts = EventCounts(most_of_session)
        self._refusals = refusals
        self._of_full_sessions = metrics.unfitting_events.labels("session_full")

    async def record(self, request: funnel_pb2.RecordEventsRequest, client_id: str) -> funnel_pb2.RecordEventsResponse:
        """Store a batch.

        Args:
            request: The batch.
            client_id: Of the caller; empty for one who may send events of every client.

        Raises:
            Conflict: SESSION_EVENTS_FULL, no event of the batch is stored for that.
            VestibuleError: What ``EventValues.read`` raises, and what the ledger does.
        """
        batch = list(request.events)
        read, problems = await self._values.read(event_messages.given_events(batch), client_id)
        rows = self._rows(batch, read)
        sent = convert.moment(request.sent_time) if request.HasField("sent_time") else None
        as_sent = {
            lower: sent_id for sent_id in (item.event_id for item in batch) if (lower := sent_id.lower()) != sent_id
        }
        append = AppendEvents(rows, client_id, sent, as_sent, self._counts)
        recorded = await self._ledger.write_many(append, max(1, len(rows)), append.committed)
        left_out = len(batch) - len(rows)
        if recorded.refused:
            full = self._of_full(batch, read, recorded.refused)
            self._of_full_sessions.inc(len(full))
            error = self._session_full(full)
            await self._note_refusals(recorded.filled, error)
            left_out += len(full)
            if left_out == len(batch):
                raise error
            problems = sorted([*problems, *full], key=lambda problem: problem.index)
        return funnel_pb2.RecordEventsResponse(
            recorded_count=recorded.new,
            duplicate_count=recorded.duplicates,
            unknown_session_count=recorded.unknown_sessions,
            refused_count=left_out,
            problems=event_messages.problem_messages(problems, batch),
        )

    def _rows(self, batch: Sequence[funnel_pb2.AppEvent], read: Sequence[ReadEvent | None]) -> list[EventRow]:
        now = self._clock()
        return [
            EventRow(
                id=item.event_id.lower(),  # UUIDs are equal in any letter case
                session_id=item.session_id.lower(),
                client_id="",  # the ledger fills it in from the session
                name=event.name,
                server_time=now,
                device_time=convert.moment(item.device_time),
                sequence=item.sequence,
                properties=event.properties,
            )
            for item, event in zip(batch, read, strict=True)
            if event is not None
        ]

    def _of_full(
        self, batch: Sequence[funnel_pb2.AppEvent], read: Sequence[ReadEvent | None], refused: Set[str]
    ) -> list[EventProblem]:
        """What is said of the events that were refused because their session has too many."""
        what = f"its session has {self._counts.most} events, the most of one session"
        return [
            EventProblem(index, "", what, refused=True)
            for index, (item, event) in enumerate(zip(batch, read, strict=True))
            if event is not None and item.event_id.lower() in refused
        ]

    def _session_full(self, problems: Sequence[EventProblem]) -> Conflict:
        return Conflict(
            f"A session may have {self._counts.most} events of its app, and it has them, so none is stored.",
            reason=Reason.SESSION_EVENTS_FULL,
            hint="Drop the events that the violations name, and start another session.",
            violations=tuple(
                FieldViolation(f"events[{problem.index}].session_id", problem.description)
                for problem in problems[:MOST_VIOLATIONS]
            ),
        )

    async def _note_refusals(self, filled: Sequence[str], error: Conflict) -> None:
        """Make the first refusal of each session an event of it."""
        caller = current_caller()
        for session_id in filled:
            with suppress(NotFound):  # it was erased meanwhile
                session = await self._ledger.read(partial(ownership.session, session_id=session_id, caller=caller))
                await self._refusals.record_refusal(session, "events_refused", error)
