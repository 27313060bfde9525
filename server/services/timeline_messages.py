"""Sessions behind a number and what happened in them, as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vestibule.v1 import funnel_pb2

from server.analytics.timeline import Entry, PropertyType
from server.ledger.breakers import BreakerChange
from server.ledger.job_attempts import SessionAttempt
from server.ledger.types import SessionRow
from server.rpc import convert

_KINDS: Final[dict[PropertyType, funnel_pb2.PropertyKind.ValueType]] = {
    "number": funnel_pb2.PROPERTY_KIND_NUMBER,
    "boolean": funnel_pb2.PROPERTY_KIND_BOOLEAN,
    "text": funnel_pb2.PROPERTY_KIND_TEXT,
}


def session_message(row: SessionRow) -> funnel_pb2.FunnelSession:
    """A session behind a number."""
    return funnel_pb2.FunnelSession(
        id=row.id,
        client_id=row.client_id,
        stage=row.state,
        create_time=convert.timestamp(row.create_time),
        update_time=convert.timestamp(row.update_time),
        variant=row.variant,
        language=row.language,
        turn_count=row.turn_count,
    )


def timeline_message(
    session: SessionRow, entries: Sequence[Entry], next_page_token: str
) -> funnel_pb2.GetSessionTimelineResponse:
    """A page of what happened in a session."""
    return funnel_pb2.GetSessionTimelineResponse(
        session=session_message(session),
        entries=[_entry(entry) for entry in entries],
        next_page_token=next_page_token,
    )


def add_surroundings(
    message: funnel_pb2.GetSessionTimelineResponse,
    attempts: Sequence[SessionAttempt],
    changes: Sequence[BreakerChange],
) -> None:
    """Add attempts at jobs and changes of breakers to a page."""
    for attempt in attempts:
        added = message.job_attempts.add(
            job_id=attempt.job_id,
            kind=attempt.kind,
            number=attempt.number,
            begin_time=convert.timestamp(attempt.begin_time),
            outcome=attempt.outcome,
            reason=attempt.reason,
        )
        if attempt.end_time is not None:
            added.end_time.CopyFrom(convert.timestamp(attempt.end_time))
    for change in changes:
        message.breaker_changes.add(
            time=convert.timestamp(change.time), name=change.name, state=change.state, cause=change.cause
        )


def _entry(entry: Entry) -> funnel_pb2.TimelineEntry:
    return funnel_pb2.TimelineEntry(
        time=convert.timestamp(entry.time),
        kind=entry.kind,
        name=entry.name,
        detail=entry.detail,
        took=None if entry.took_s is None else convert.duration(max(entry.took_s, 0.0)),
        properties=[
            funnel_pb2.TimelineProperty(key=found.key, value=found.value, kind=_KINDS[found.type])
            for found in entry.properties
        ],
        source=entry.source,
    )
