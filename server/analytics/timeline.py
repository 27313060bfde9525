"""What happened in one session, and what is known of some sessions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from server.ledger import breakers, job_attempts
from server.ledger.breakers import BreakerChange
from server.ledger.columns import Cursor, aware, fetch_all
from server.ledger.job_attempts import SessionAttempt
from server.ledger.types import SessionRow, SessionState

MOST_AROUND: Final = 500
"""Attempts at jobs, and changes of breakers, beside what happened in a session. The protos name it too."""

PropertyType = Literal["number", "boolean", "text"]


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an event.

    Attributes:
        value: As it is stored; of a number the digits as they came.
        type: Text is what was declared as neither number nor boolean.
    """

    key: str
    value: str
    type: PropertyType


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened in a session; see the macro ``session_timeline``."""

    time: datetime
    kind: str
    name: str
    detail: str
    took_s: float | None
    properties: tuple[Property, ...]
    source: str


_ENTRIES: Final = """SELECT position, time, kind, name, detail, took_s, properties, source
    FROM session_timeline($session) WHERE position > $after ORDER BY position LIMIT $most"""
_SESSIONS: Final = """SELECT session_id, client_id, state, variant, language, turns, create_time, update_time
    FROM v_sessions WHERE session_id IN (SELECT unnest($ids))"""


def timeline(cursor: Cursor, session_id: str, *, page_size: int, after: int = 0) -> tuple[list[Entry], str]:
    """A page of what happened in a session.

    Args:
        cursor: Of a read.
        session_id: Of a session that the caller may see.
        page_size: Most entries.
        after: Position of the last entry of the page before.

    Returns:
        The oldest first, and the token of the next page; empty on the last one.
    """
    rows = fetch_all(cursor, _ENTRIES, {"session": session_id, "after": after, "most": page_size + 1})
    shown = rows[:page_size]
    entries = [
        Entry(
            time=aware(row["time"]),
            kind=row["kind"],
            name=row["name"],
            detail=row["detail"],
            took_s=row["took_s"],
            properties=_properties(row["properties"]),
            source=row["source"],
        )
        for row in shown
    ]
    return entries, str(shown[-1]["position"]) if len(rows) > page_size else ""


def surroundings(cursor: Cursor, session: SessionRow) -> tuple[list[SessionAttempt], list[BreakerChange]]:
    """Attempts at the jobs of a session, and changes of breakers while it ran, each oldest first.

    Args:
        cursor: Of a read.
        session: That the caller may see.
    """
    attempts = job_attempts.list_of_session(cursor, session.id, MOST_AROUND)
    end = session.update_time if session.state.ended else None
    return attempts, breakers.changes_between(cursor, session.create_time, end, MOST_AROUND)


def sessions_by_id(cursor: Cursor, ids: Sequence[str]) -> list[SessionRow]:
    """The sessions, in the order of the ids."""
    rows = fetch_all(cursor, _SESSIONS, {"ids": list(ids)})
    found = {str(row["session_id"]): _session(row) for row in rows}
    return [found[session_id] for session_id in ids if session_id in found]


def _session(row: dict[str, object]) -> SessionRow:
    created, updated = row["create_time"], row["update_time"]
    assert isinstance(created, datetime)
    assert isinstance(updated, datetime)
    return SessionRow(
        id=str(row["session_id"]),
        client_id=str(row["client_id"]),
        request_id="",  # is nobody's business here
        state=SessionState(str(row["state"])),
        create_time=aware(created),
        update_time=aware(updated),
        language=str(row["language"]),
        variant=str(row["variant"]),
        turn_count=int(str(row["turns"])),
    )


class _Digits(str):
    """A number as it is written in JSON."""


def _properties(stored: str | None) -> tuple[Property, ...]:
    values = json.loads(stored or "{}", parse_int=_Digits, parse_float=_Digits)
    return tuple(_property(key, value) for key, value in values.items())


def _property(key: str, value: object) -> Property:
    if isinstance(value, bool):
        return Property(key, "true" if value else "false", "boolean")
    return Property(key, str(value), "number" if isinstance(value, _Digits) else "text")
