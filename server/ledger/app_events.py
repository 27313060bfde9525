"""Events that apps record: whose session they belong to, when they happened, and that new ones keep it alive."""

from __future__ import annotations

import hashlib
import sys
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

import duckdb

from server.ledger import device_clock, event_counts
from server.ledger.columns import Cursor, RunAgain, text_literal
from server.ledger.device_clock import LONGEST_SESSION_US, TOLERANCE_US, US_PER_S, SessionClock, microseconds
from server.ledger.dialects import dialect_of
from server.ledger.event_counts import STORE_AFTER, EventCounts
from server.ledger.events import AppendResult, Texts, insert_new, insert_unknown, known_ids, texts_of
from server.ledger.locks import lock_sessions
from server.ledger.types import EventRow, SessionState

TOUCH_AFTER_S: Final = 10
"""Events set the time of the last activity of a session at most this often."""

_OF_APPS: Final = uuid.UUID("3f1b9c1e-7d1e-4f0b-8a55-0f2f8f6e2b11")
_VARIANT: Final = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
"""The digit of a UUID that RFC 9562 fixes the upper two bits of."""


class _Session(NamedTuple):
    """What a batch needs to know of a session; times are microseconds since 1970. A batch makes up to 500 of them.

    Attributes:
        ids: Makes the ids under which the events of its client are stored.
        ahead_s: Its shift, see ``device_clock``.
        stored: How many events its app has stored, as far as the row says.
    """

    ids: StoredIds
    id: str
    client_id: str
    variant: str
    state: str
    opened_us: int
    update_us: int
    ahead_s: int
    stored: int

    def is_idle(self, now_us: int) -> bool:
        """Whether it is open, and had no activity for some seconds."""
        return now_us - self.update_us > TOUCH_AFTER_S * US_PER_S and not SessionState(self.state).ended


class StoredIds:
    """Ids of the events of a client. Apps make their ids, so that of one must not stand for an event of another.

    The same as ``str(uuid.uuid5(_OF_APPS, f"{client_id}/{event_id}"))``, in a third of the time.
    """

    def __init__(self, client_id: str) -> None:
        self._client = hashlib.sha1(_OF_APPS.bytes + f"{client_id}/".encode(), usedforsecurity=False)

    def of(self, event_id: str) -> str:
        """The id under which an event is stored."""
        hashed = self._client.copy()
        hashed.update(event_id.encode())
        text = hashed.hexdigest()
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


class AppendEvents:
    """Inserts events of apps; give it to ``Ledger.write_many``. It is fast while no id is known already.

    Those of sessions that do not exist, or of another client, are left out and counted. The session gives each event
    its client and its variant.

    Args:
        visible_to: The client whose sessions count as known; empty means every client.
        sent: When the app sent the batch, by the clock of its device; None where the app does not say.
        as_sent: Ids that came with capitals, by their lower-case form. The server once stored events under these, and
            a batch that it stored so may be sent again.
        counts: Of all sessions, with their bound; give ``committed`` as well to the ledger. None has no bound.

    In the embedded file, the first attempt assumes that every id is new. If one is not, the index refuses it and the
    transaction fails; the writer then runs this again, and the known ids are looked up first. PostgreSQL looks them up
    each time.
    """

    def __init__(
        self,
        rows: Sequence[EventRow],
        visible_to: str = "",
        sent: datetime | None = None,
        as_sent: Mapping[str, str] = MappingProxyType({}),
        counts: EventCounts | None = None,
    ) -> None:
        self._rows = rows
        self._counts = counts or EventCounts(sys.maxsize)
        self._added: Mapping[str, int] = {}
        self._stored: Collection[str] = ()
        self._as_sent = as_sent
        self._visible_to = visible_to
        self._sent = sent
        self._assume_new = len({row.id for row in rows}) == len(rows)

    def __call__(self, cursor: Cursor) -> AppendResult:
        """Insert, and note that the sessions of new events are alive. An event that comes again says nothing new."""
        if not self._rows:
            return AppendResult(0, 0)
        lock_sessions(cursor, {row.session_id for row in self._rows})
        batch = device_clock.receipt(self._rows[0].server_time, self._sent)
        found = _sessions(cursor, {row.session_id for row in self._rows}, self._visible_to)
        of_sessions = [row for row in self._rows if row.session_id in found]
        coming = self._without_stored_as_sent(cursor, found, of_sessions) if self._as_sent else of_sessions
        kept, refused = self._within_bound(cursor, found, coming)
        times = [None if row.device_time is None else microseconds(row.device_time) for row in kept]
        clocks = _clocks(found, kept, times, batch)
        moved = _store_shifts(cursor, found, clocks)
        texts = [
            _texts(row, found[row.session_id], at_us, clocks.get(row.session_id))
            for row, at_us in zip(kept, times, strict=True)
        ]
        new = self._insert(cursor, texts)
        _open_before(cursor, found, [*moved, *((session_id, int(at_us)) for _, session_id, *_, at_us, _ in new)])
        filled = self._count(cursor, found, new, {row.session_id for row in refused}, batch.at_us)
        return AppendResult(
            len(new),
            len(of_sessions) - len(refused) - len(new),
            unknown_sessions=len(self._rows) - len(of_sessions),
            refused=frozenset(row.id for row in refused),
            filled=filled,
        )

    def committed(self, result: AppendResult) -> None:
        """Count what was stored; give it to ``Ledger.write_many`` too."""
        self._counts.committed(self._added, self._stored)

    def _without_stored_as_sent(
        self, cursor: Cursor, found: Mapping[str, _Session], rows: list[EventRow]
    ) -> list[EventRow]:
        stored = {
            row.id: found[row.session_id].ids.of(self._as_sent[row.id]) for row in rows if row.id in self._as_sent
        }
        known = known_ids(cursor, list(stored.values()))
        return [row for row in rows if stored.get(row.id) not in known]

    def _within_bound(
        self, cursor: Cursor, found: Mapping[str, _Session], rows: list[EventRow]
    ) -> tuple[list[EventRow], list[EventRow]]:
        """The events that their sessions may store, and the others. Those that are stored already take no room."""
        coming = Counter(row.session_id for row in rows)
        room = {name: self._counts.most - self._number(found[name]) for name in coming}
        full = {name for name, number in coming.items() if number > room[name]}
        if not full:
            return rows, []
        self._assume_new = False
        stored_ids = {row.id: found[row.session_id].ids.of(row.id) for row in rows if row.session_id in full}
        known = known_ids(cursor, list(stored_ids.values()))
        kept, refused = [], []
        for row in rows:
            if row.session_id in full and (stored_id := stored_ids[row.id]) not in known:
                if room[row.session_id] <= 0:
                    refused.append(row)
                    continue
                room[row.session_id] -= 1
                known.add(stored_id)
            kept.append(row)
        return kept, refused

    def _number(self, session: _Session) -> int:
        return session.stored + self._counts.since_stored(session.id)

    def _insert(self, cursor: Cursor, batch: list[Texts]) -> Sequence[Texts]:
        """Insert those that are new, and return them."""
        if not self._assume_new or not dialect_of(cursor).one_writer:
            return insert_unknown(cursor, batch)
        try:
            insert_new(cursor, batch)
        except duckdb.ConstraintException:
            self._assume_new = False
            raise RunAgain from None
        return batch

    def _count(
        self, cursor: Cursor, found: Mapping[str, _Session], new: Iterable[Texts], refused: Collection[str], now_us: int
    ) -> tuple[str, ...]:
        """Count the new events, and store the numbers that are due; returns the sessions that were filled.

        Args:
            cursor: Within a transaction of the writer.
            found: The sessions of the batch.
            new: Events that were inserted.
            refused: Sessions of which events were refused.
            now_us: When the batch came.
        """
        added = Counter(session_id for _, session_id, *_ in new)
        alive = [name for name in added if found[name].is_idle(now_us)]
        filled = tuple(name for name in refused if self._number(found[name]) + added[name] == self._counts.most)
        added.update(filled)
        numbers = {name: self._number(found[name]) + added[name] for name in added}
        due = {name for name in added if numbers[name] - found[name].stored >= STORE_AFTER}.difference(alive)
        event_counts.store(cursor, {name: numbers[name] for name in alive}, now_us)
        event_counts.store(cursor, {name: numbers[name] for name in due})
        self._added, self._stored = added, {*alive, *due}
        return filled


def _sessions(cursor: Cursor, ids: Collection[str], visible_to: str) -> dict[str, _Session]:
    """The sessions that are there and belong to a client, by one query."""
    cursor.execute(
        f"""SELECT id, client_id, variant, state, epoch_us(create_time), epoch_us(update_time), clock_ahead_s,
            event_count
        FROM sessions WHERE id IN ({", ".join(map(text_literal, ids))})"""  # noqa: S608 - quoted, see text_literal
    )
    rows = [row for row in cursor.fetchall() if visible_to in ("", row[1])]
    clients = {client_id: StoredIds(client_id) for client_id in {row[1] for row in rows}}
    return {row[0]: _Session(clients[row[1]], *row) for row in rows}


def _clocks(
    found: dict[str, _Session], rows: Sequence[EventRow], times: Sequence[int | None], batch: device_clock.Receipt
) -> dict[str, SessionClock]:
    """How the times of the sessions in this batch are read."""
    by_session: dict[str, list[int]] = {}
    for row, at_us in zip(rows, times, strict=True):
        if at_us is not None:
            by_session.setdefault(row.session_id, []).append(at_us)
    return {
        name: device_clock.session_clock(at_us, found[name].opened_us, batch, found[name].ahead_s)
        for name, at_us in by_session.items()
    }


def _texts(row: EventRow, session: _Session, at_us: int | None, clock: SessionClock | None) -> Texts:
    """An event as it is stored, with what the session gives it and the time at which it happened."""
    owner = (session.ids.of(row.id), session.id, session.client_id)
    if at_us is None or clock is None:
        return texts_of(row, owner, session.variant, None, microseconds(row.server_time), device_clock.SERVER)
    time = clock.event_time(at_us)
    return texts_of(row, owner, session.variant, at_us, time.at_us, time.clock)


def _store_shifts(
    cursor: Cursor, found: dict[str, _Session], clocks: Mapping[str, SessionClock]
) -> Sequence[tuple[str, int]]:
    """Store the shifts that changed, and shift the events that had the one before, or none that fits.

    One that is not plausible with the new shift stays as it is.

    Returns:
        The session and the time of each event that was shifted.
    """
    shifts = {name: (found[name].ahead_s, clock.shift_s) for name, clock in clocks.items()}
    changed = {name: (old, new) for name, (old, new) in shifts.items() if old != new}
    if not changed:
        return ()
    values = ", ".join(f"({text_literal(name)}, {old}::BIGINT, {new}::BIGINT)" for name, (old, new) in changed.items())
    changes = f"(VALUES {values}) AS change (id, old_s, new_s)"
    cursor.execute(
        f"UPDATE sessions SET clock_ahead_s = new_s FROM {changes} WHERE sessions.id = change.id"  # noqa: S608 - quoted
    )
    if not any(old for old, _ in changed.values()):
        return ()
    # Numbers are compared, because PostgreSQL has no times before 4713 BC, where a shift of millennia leads.
    cursor.execute(
        f"""UPDATE events SET event_time = make_timestamp(epoch_us(device_time) - new_s * {US_PER_S}),
        clock = 'corrected'
        FROM {changes} JOIN sessions ON sessions.id = change.id WHERE events.session_id = change.id
        AND (clock = 'server'
            OR (clock = 'corrected' AND epoch_us(event_time) = epoch_us(device_time) - old_s * {US_PER_S}))
        AND epoch_us(device_time) - new_s * {US_PER_S} BETWEEN epoch_us(create_time) - {LONGEST_SESSION_US}
        AND epoch_us(server_time) + {TOLERANCE_US}
        RETURNING events.session_id, epoch_us(event_time)"""  # noqa: S608 - quoted
    )
    return cursor.fetchall()


def _open_before(cursor: Cursor, found: Mapping[str, _Session], times: Iterable[tuple[str, int]]) -> None:
    """Place the opening of each session no later than its events, see ``device_clock``.

    Args:
        cursor: Within a transaction of the writer.
        found: The sessions of the batch.
        times: A session and the time of one of its events, any number of each.
    """
    earliest: dict[str, int] = {}
    for name, at_us in times:
        if at_us < earliest.get(name, found[name].opened_us):
            earliest[name] = at_us
    if not earliest:
        return
    values = ", ".join(f"({text_literal(name)}, make_timestamp({at_us}))" for name, at_us in earliest.items())
    opened = [found[name].opened_us for name in earliest]
    # The times narrow down the rows that DuckDB reads: it keeps the least and the greatest of each block.
    cursor.execute(
        f"""UPDATE events SET event_time = least(event_time, earliest_time)
        FROM (VALUES {values}) AS app (id, earliest_time) WHERE events.session_id = app.id AND stage = 'STARTED'
        AND server_time BETWEEN make_timestamp({min(opened)}) AND make_timestamp({max(opened)})"""  # noqa: S608 - quoted
    )
