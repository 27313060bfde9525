"""Sessions and their stages."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.text import RedactedText
from server.ledger import events
from server.ledger.columns import Cursor, Row, aware, fetch_all, fetch_one, insert, stored_time, text_literal, update
from server.ledger.dialects import dialect_of, hold
from server.ledger.event_ids import new_event_id
from server.ledger.locks import lock_sessions
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.types import EventRow, SessionRow, SessionState

STAGE_ENTERED = "stage_entered"
"""Name of the event that every change of stage writes."""

IDLE_AT_ONCE: Final = 100
"""Idle sessions that one transaction ends, so that other writes need not wait for long."""

_OPEN = (SessionState.STARTED, SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL)

ALLOWED: dict[SessionState, frozenset[SessionState]] = {
    SessionState.STARTED: frozenset({SessionState.IN_PROGRESS, SessionState.ABANDONED}),
    SessionState.IN_PROGRESS: frozenset({SessionState.AWAITING_APPROVAL, SessionState.ABANDONED}),
    SessionState.AWAITING_APPROVAL: frozenset(
        {SessionState.COMPLETED, SessionState.REJECTED, SessionState.IN_PROGRESS, SessionState.ABANDONED}
    ),
    SessionState.COMPLETED: frozenset(),
    SessionState.ABANDONED: frozenset(),
    SessionState.REJECTED: frozenset(),
}
"""Where a session can go from each stage; back to IN_PROGRESS when the person adds or corrects something."""


class SessionOwner(NamedTuple):
    """Whose a session is, and of which flow."""

    client_id: str
    flow: str
    flow_version: int


def owners_of(cursor: Cursor, session_ids: list[str]) -> dict[str, SessionOwner]:
    """Clients and flows of those sessions that exist, by session."""
    if not session_ids:
        return {}
    ids = ", ".join(map(text_literal, session_ids))
    sql = f"SELECT id, client_id, flow, flow_version FROM sessions WHERE id IN ({ids})"  # noqa: S608 - quoted
    return {row.pop("id"): SessionOwner(**row) for row in fetch_all(cursor, sql)}


def languages_of(cursor: Cursor, session_ids: list[str]) -> dict[str, str]:
    """Languages of those sessions that have one, as given or as last detected, by session."""
    if not session_ids:
        return {}
    ids = ", ".join(map(text_literal, session_ids))
    rows = fetch_all(
        cursor,
        f"""SELECT s.id, coalesce(nullif(s.language, ''), (array_agg(t.language ORDER BY t.update_time DESC))[1])
            AS language
        FROM sessions AS s LEFT JOIN streams AS t ON t.session_id = s.id AND t.language <> ''
        WHERE s.id IN ({ids}) GROUP BY s.id, s.language""",  # noqa: S608 - quoted
    )
    return {row["id"]: row["language"] for row in rows if row["language"]}


def language_of(cursor: Cursor, session: SessionRow) -> str:
    """The language of a session, as given or as last detected; empty while it is not known."""
    return session.language or languages_of(cursor, [session.id]).get(session.id, "")


def insert_or_get(cursor: Cursor, row: SessionRow) -> tuple[SessionRow, bool]:
    """Open a session, or find the one that the same request opened before.

    Returns:
        The session, and whether it is new.
    """
    hold(cursor, "request", row.request_id)
    for known in fetch_all(cursor, "SELECT * FROM sessions WHERE request_id = ?", [row.request_id]):
        if known["client_id"] == row.client_id:
            return _session(known), False
    insert(
        cursor,
        "sessions",
        {
            "id": row.id,
            "client_id": row.client_id,
            "request_id": row.request_id,
            "state": row.state,
            "create_time": stored_time(row.create_time),
            "update_time": stored_time(row.update_time),
            "stage_time": stored_time(row.create_time),
            "language": row.language,
            "sealed_vocabulary": row.sealed_vocabulary,
            "variant": row.variant,
            "turn_count": row.turn_count,
            "subject_hash": row.subject_hash,
            "flow": row.flow,
            "flow_version": row.flow_version,
            "facts": json.dumps(row.facts, sort_keys=True),
            "time_zone": row.time_zone,
        },
    )
    _record_stage(cursor, row, row.state, row.create_time, took_s=None, reason="")
    return row, True


def get(cursor: Cursor, session_id: str) -> SessionRow:
    """Find a session.

    Raises:
        NotFound: SESSION_NOT_FOUND.
    """
    session = find(cursor, session_id)
    if session is None:
        raise not_found()
    return session


def find(cursor: Cursor, session_id: str) -> SessionRow | None:
    """A session, if it is there."""
    row = _row(cursor, session_id)
    return None if row is None else _session(row)


def not_found() -> NotFound:
    """The error for a session that is not there."""
    return NotFound("There is no such session.", reason=Reason.SESSION_NOT_FOUND)


def list_idle(
    cursor: Cursor, before: datetime, now: datetime, busy: Collection[str] = (), limit: int = IDLE_AT_ONCE
) -> list[SessionRow]:
    """Open sessions without activity since the given time, except busy ones, oldest first.

    One with a record that can still be approved waits for a person, so it is not idle.
    """
    rows = fetch_all(
        cursor,
        """SELECT * FROM sessions WHERE state IN ('STARTED', 'IN_PROGRESS', 'AWAITING_APPROVAL') AND update_time < ?
            AND id NOT IN (SELECT session_id FROM recommendations WHERE state = 'PENDING' AND expire_time > ?)
            AND NOT list_contains(?::VARCHAR[], id)
        ORDER BY update_time LIMIT ?""",
        [stored_time(before), stored_time(now), list(busy), limit],
    )
    return [_session(row) for row in rows]


def held_idle(cursor: Cursor, before: datetime, now: datetime, busy: Collection[str] = ()) -> list[SessionRow]:
    """The same, within a transaction that ends them: nobody goes on with one, or approves its record, meanwhile."""
    found = list_idle(cursor, before, now, busy)
    if dialect_of(cursor).one_writer:
        return found
    ids = {row.id for row in found}
    lock_sessions(cursor, ids)
    return [row for row in list_idle(cursor, before, now, busy) if row.id in ids]


def page_of_sessions(
    cursor: Cursor, *, client_id: str, running: bool, page_size: int, token: str = ""
) -> tuple[list[SessionRow], str]:
    """Sessions, the one that changed last first.

    Args:
        cursor: Of a read.
        client_id: Only those of this client; empty for all.
        running: Only those that have not ended.
        page_size: At most this many.
        token: What the page before gave; empty for the first.

    Returns:
        The sessions, and the token of the next page; empty on the last one.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    at, before = read_page_token(token)
    rows = fetch_all(
        cursor,
        """SELECT * FROM sessions WHERE ($client = '' OR client_id = $client)
            AND (NOT $running OR state IN ('STARTED', 'IN_PROGRESS', 'AWAITING_APPROVAL'))
            AND ($at::TIMESTAMP IS NULL OR update_time < $at OR (update_time = $at AND id < $before))
        ORDER BY update_time DESC, id DESC LIMIT $most""",
        {"client": client_id, "running": running, "at": at, "before": before, "most": page_size + 1},
    )
    found = [_session(row) for row in rows[:page_size]]
    return found, page_token_after(found[-1].update_time, found[-1].id) if len(rows) > page_size else ""


def touch(cursor: Cursor, session_id: str, now: datetime) -> None:
    """Set the time at which something last happened to a session."""
    update(cursor, "sessions", session_id, {"update_time": stored_time(now)})


def transition(cursor: Cursor, session_id: str, to: SessionState, now: datetime, reason: str = "") -> SessionRow:
    """Move the session with this UUID to a stage; see ``move``.

    Raises:
        NotFound: SESSION_NOT_FOUND.
        Conflict: WRONG_STATE when the stage it is in forbids this one.
    """
    return move(cursor, get(cursor, session_id), to, now, reason)


def move(cursor: Cursor, session: SessionRow, to: SessionState, now: datetime, reason: str = "") -> SessionRow:
    """Move a session to a stage and write the event with the time that the stage before took.

    Repeating the last move changes nothing.

    Args:
        cursor: Within a transaction of the writer.
        session: As this transaction has read it.
        to: The stage to enter.
        now: When it does.
        reason: Why, as a machine word; empty when the stage says it all.

    Raises:
        Conflict: WRONG_STATE when the stage it is in forbids this one.
    """
    session = held(cursor, session)
    if session.state == to:
        return session
    if to not in ALLOWED[session.state]:
        raise Conflict(f"A session that is {session.state} cannot become {to}.", reason=Reason.WRONG_STATE)
    update(
        cursor,
        "sessions",
        session.id,
        {"state": to, "update_time": stored_time(now), "stage_time": stored_time(now)},
    )
    took_s = max(0.0, (now - (session.stage_time or session.create_time)).total_seconds())
    _record_stage(cursor, session, to, now, took_s=took_s, reason=reason)
    return replace(session, state=to, update_time=now, stage_time=now)


def held(cursor: Cursor, session: SessionRow) -> SessionRow:
    """The session as it is now. Nobody else changes it until the transaction ends.

    Where one server writes, that is the session that was read.

    Raises:
        NotFound: SESSION_NOT_FOUND, it was erased meanwhile.
    """
    dialect = dialect_of(cursor)
    if dialect.one_writer:
        return session
    row = fetch_one(cursor, f"SELECT * FROM sessions WHERE id = ?{dialect.for_update}", [session.id])  # noqa: S608 - ours
    if row is None:
        raise not_found()
    return _session(row)


def require_open(cursor: Cursor, session_id: str) -> SessionRow:
    """Find a session that has not ended.

    Raises:
        NotFound: SESSION_NOT_FOUND.
        Conflict: SESSION_ENDED.
    """
    session = get(cursor, session_id)
    check_open(session)
    return session


def check_open(session: SessionRow) -> None:
    """Make sure that a session has not ended.

    Raises:
        Conflict: SESSION_ENDED.
    """
    if session.state not in _OPEN:
        raise Conflict("The session has ended.", reason=Reason.SESSION_ENDED, hint="Start a new session.")


def _record_stage(
    cursor: Cursor, session: SessionRow, stage: SessionState, now: datetime, *, took_s: float | None, reason: str
) -> None:
    event = EventRow(
        id=new_event_id(now),
        session_id=session.id,
        client_id=session.client_id,
        name=STAGE_ENTERED,
        server_time=now,
        stage=stage,
        variant=session.variant,
        took_s=took_s,
        properties={"reason": RedactedText.literal(reason)} if reason else {},
    )
    events.insert_event(cursor, event)


def _row(cursor: Cursor, session_id: str) -> Row | None:
    return fetch_one(cursor, "SELECT * FROM sessions WHERE id = ?", [session_id])


def _session(row: dict[str, Any]) -> SessionRow:
    return SessionRow(
        id=row["id"],
        client_id=row["client_id"],
        request_id=row["request_id"],
        state=SessionState(row["state"]),
        create_time=aware(row["create_time"]),
        update_time=aware(row["update_time"]),
        stage_time=aware(row["stage_time"]),
        language=row["language"],
        sealed_vocabulary=row["sealed_vocabulary"],
        variant=row["variant"],
        turn_count=row["turn_count"],
        subject_hash=row["subject_hash"],
        flow=row["flow"],
        flow_version=row["flow_version"],
        facts=json.loads(row["facts"]),
        time_zone=row["time_zone"],
    )
