"""Events that apps record: whose session they belong to, when they happened, and that they keep their session alive."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import duckdb

from server.ledger import device_clock
from server.ledger.columns import Cursor, RunAgain, aware, fetch_all, stored_time, text_literal
from server.ledger.device_clock import Receipt, microseconds
from server.ledger.events import AppendResult, insert_many, insert_new
from server.ledger.types import EventRow, SessionState

TOUCH_AFTER = timedelta(seconds=10)
"""Events set the time of the last activity of a session at most this often."""

_OF_APPS = uuid.UUID("3f1b9c1e-7d1e-4f0b-8a55-0f2f8f6e2b11")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Session:
    """What a batch needs to know of a session; ``ahead_s`` is its shift, see ``device_clock``."""

    id: str
    client_id: str
    variant: str
    state: SessionState
    create_time: datetime
    update_time: datetime
    ahead_s: int


class AppendEvents:
    """Inserts events of apps; give it to ``Ledger.write``. It is fast while no id is known already.

    Those of sessions that do not exist, or of another client, are left out and counted. The session gives each event
    its client and its variant.

    Args:
        visible_to: The client whose sessions count as known; empty means every client.
        sent: When the app sent the batch, by the clock of its device; None where the app does not say.

    The first attempt assumes that every id is new. If one is not, the index refuses it and the transaction fails; the
    writer then runs this again, and the known ids are looked up first.
    """

    def __init__(self, rows: Sequence[EventRow], visible_to: str = "", sent: datetime | None = None) -> None:
        self._rows = rows
        self._visible_to = visible_to
        self._sent = sent
        self._assume_new = len({row.id for row in rows}) == len(rows)

    def __call__(self, cursor: Cursor) -> AppendResult:
        """Insert, and note that the sessions are alive."""
        if not self._rows:
            return AppendResult(0, 0)
        received = self._rows[0].server_time
        found = _sessions(cursor, {row.session_id for row in self._rows}, self._visible_to)
        kept = _with_times(cursor, found, self._rows, device_clock.receipt(received, self._sent))
        unknown = len(self._rows) - len(kept)
        result = self._insert(cursor, kept)
        _keep_alive(cursor, found.values(), received)
        return replace(result, unknown_sessions=unknown)

    def _insert(self, cursor: Cursor, rows: list[EventRow]) -> AppendResult:
        if not self._assume_new:
            return insert_many(cursor, rows)
        try:
            insert_new(cursor, rows)
        except duckdb.ConstraintException:
            self._assume_new = False
            raise RunAgain from None
        return AppendResult(len(rows), 0)


def _sessions(cursor: Cursor, ids: Collection[str], visible_to: str) -> dict[str, _Session]:
    """The sessions that are there and belong to a client, by one query."""
    rows = fetch_all(
        cursor,
        f"""SELECT id, client_id, variant, state, create_time, update_time, clock_ahead_s FROM sessions
        WHERE id IN ({", ".join(map(text_literal, ids))})""",  # noqa: S608 - quoted; parameters would read all rows
    )
    return {
        row["id"]: _Session(
            row["id"],
            row["client_id"],
            row["variant"],
            SessionState(row["state"]),
            aware(row["create_time"]),
            aware(row["update_time"]),
            row["clock_ahead_s"],
        )
        for row in rows
        if visible_to in ("", row["client_id"])
    }


def _with_times(cursor: Cursor, found: dict[str, _Session], rows: Sequence[EventRow], batch: Receipt) -> list[EventRow]:
    """The events whose session was found, with what the session gives them and with the time at which they happened."""
    by_session: dict[str, list[int]] = {}
    for row in rows:
        if row.session_id in found and row.device_time is not None:
            by_session.setdefault(row.session_id, []).append(microseconds(row.device_time))
    shifts = {
        name: device_clock.shift_s(times, microseconds(found[name].create_time), batch, found[name].ahead_s)
        for name, times in by_session.items()
    }
    _store_shifts(cursor, {name: (found[name].ahead_s, ahead_s) for name, ahead_s in shifts.items()})
    return [
        _with_time(row, session, batch, shifts.get(session.id, 0))
        for row in rows
        if (session := found.get(row.session_id)) is not None
    ]


def _with_time(row: EventRow, session: _Session, batch: Receipt, ahead_s: int) -> EventRow:
    given = replace(row, id=_stored_id(session.client_id, row.id), client_id=session.client_id, variant=session.variant)
    if row.device_time is None:
        return given
    time = device_clock.event_time(microseconds(row.device_time), microseconds(session.create_time), batch, ahead_s)
    return replace(given, event_time=_EPOCH + timedelta(microseconds=time.at_us), clock=time.clock)


def _store_shifts(cursor: Cursor, shifts: dict[str, tuple[int, int]]) -> None:
    """Store the shifts that changed, from the first number to the second, and shift the events that had the first."""
    changed = {name: shift for name, shift in shifts.items() if shift[0] != shift[1]}
    if not changed:
        return
    values = ", ".join(f"({text_literal(name)}, {old}, {new})" for name, (old, new) in changed.items())
    changes = f"(VALUES {values}) AS change (id, old_s, new_s)"
    cursor.execute(
        f"UPDATE sessions SET clock_ahead_s = new_s FROM {changes} WHERE sessions.id = change.id"  # noqa: S608 - quoted
    )
    if any(old for old, _ in changed.values()):
        cursor.execute(
            f"""UPDATE events SET event_time = device_time - to_seconds(new_s) FROM {changes}
            WHERE events.session_id = change.id AND clock = 'corrected'
            AND event_time = device_time - to_seconds(old_s)"""  # noqa: S608 - quoted
        )


def _keep_alive(cursor: Cursor, found: Collection[_Session], now: datetime) -> None:
    """Set the time of the last activity of open sessions that had none for some seconds."""
    idle = [row.id for row in found if not row.state.ended and now - row.update_time > TOUCH_AFTER]
    if idle:
        ids = ", ".join(map(text_literal, idle))
        cursor.execute(
            f"UPDATE sessions SET update_time = ? WHERE id IN ({ids})",  # noqa: S608 - quoted, see text_literal
            [stored_time(now)],
        )


def _stored_id(client_id: str, event_id: str) -> str:
    """The id of an event of an app. Apps make their ids, so that of one client must not stand for another's event."""
    return str(uuid.uuid5(_OF_APPS, f"{client_id}/{event_id}"))
