"""Reads sessions and their events from the ledger: many past ones to learn from, or one that runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.ledger.columns import DuckDb, count, fetch_all, stored_time, text_literal
from server.ledger.types import SessionRow
from server.risk.features import Known, Row, in_order
from server.risk.properties import MOST_APP_EVENTS, LastValues

MOST_OF_BATCH: Final = 500
"""Events of one batch, as the protocol has it. So many more are read of a running session: the batch of the first event
that counts is whole then, and ``in_order`` finds which of it count."""
MOST_SESSIONS: Final = 20_000
MOST_PAST_EVENTS: Final = 500_000
"""Of past sessions at most about so many events are read."""
MOST_PAST_BYTES: Final = 128 * 1024**2
"""Of the properties of apps' events at most about so many bytes are read."""
SETTLED: Final = 0.99
"""Sessions count once they are as old as this share of the ended ones became, and the idle time on top."""

_ROW: Final = """epoch_us(server_time) / 1e6 AS at_s, name, device_time IS NULL AS own, stage, took_s,
    properties, CASE WHEN device_time IS NULL THEN '{}' ELSE properties_meta END AS properties_meta,
    epoch_us(event_time) / 1e6 AS event_s, sequence"""
_WAIT: Final = """SELECT coalesce(quantile_disc(epoch(stage_time - create_time), $settled), 0) AS wait_s FROM sessions
    WHERE create_time >= $since AND state IN ('COMPLETED', 'REJECTED', 'ABANDONED')"""
_BYTES: Final = """SELECT coalesce(sum(strlen(properties) + strlen(properties_meta)), 0)::BIGINT FROM events
    WHERE server_time >= $since AND device_time IS NOT NULL"""
_COHORT: Final = "FROM sessions WHERE create_time >= $since AND create_time < $until"
_DRAWN: Final = f"""SELECT id, state, create_time, stage_time, language, client_id, subject_hash {_COHORT}
    AND ($share >= 1 OR hash(id) < ($share * 18446744073709551615)::UBIGINT)"""
_SESSIONS: Final = f"""SELECT state, epoch_us(create_time) / 1e6 AS opened_s, epoch_us(stage_time) / 1e6 AS state_s,
    language, client_id, hash(coalesce(nullif(subject_hash, ''), id::VARCHAR)) AS person
    FROM ({_DRAWN}) ORDER BY create_time, id"""  # noqa: S608 - literals of ours
_EVENTS: Final = f"""WITH s AS (SELECT id, row_number() OVER (ORDER BY create_time, id) - 1 AS session FROM ({_DRAWN}))
    SELECT session, {_ROW} FROM events JOIN s ON s.id = session_id WHERE server_time >= $since
    ORDER BY session, events.id"""  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class PastSessions:
    """Sessions whose end should be known by now, in the order in which they were opened, and their events.

    Attributes:
        begin: Since when they were opened.
        end: Before when.
        sessions: Columns ``state``, ``opened_s``, ``state_s`` (when it entered that state), ``language``, ``client_id``
            and ``person`` (a number, the same for sessions of one person). Times are seconds since 1970.
        events: Column ``session``, the place of the session, and those of ``features.Row``; ordered by the session,
            then by their ids.
    """

    begin: datetime
    end: datetime
    sessions: dict[str, npt.NDArray[Any]]
    events: dict[str, npt.NDArray[Any]]

    @property
    def number(self) -> int:
        """How many sessions."""
        return len(self.sessions["state"])


def read_past(cursor: DuckDb, now: datetime, days: float, idle_s: float, most: int = MOST_SESSIONS) -> PastSessions:
    """Read the sessions of the last days that are so old that nearly all of them have ended.

    Whoever looks at sessions that have ended, whatever their age, sees too many that ended fast.

    Args:
        cursor: Of a read.
        now: The time.
        days: How far back.
        idle_s: Idle time after which the server ends a session.
        most: At most about so many sessions, drawn by a hash of their ids; fewer where they have many or large events.
    """
    since, until = _cohort(cursor, now, days, idle_s)
    span: dict[str, Any] = {"since": stored_time(since), "until": stored_time(until)}
    share = _share(cursor, span, most)
    sessions, events = (
        {name: _plain(column) for name, column in cursor.execute(sql, span | {"share": share}).fetchnumpy().items()}
        for sql in (_SESSIONS, _EVENTS)
    )
    return PastSessions(since, until, sessions, events)


def sessions_to_read(cursor: DuckDb, now: datetime, days: float, idle_s: float, most: int = MOST_SESSIONS) -> int:
    """About how many sessions ``read_past`` would read."""
    since, until = _cohort(cursor, now, days, idle_s)
    span = {"since": stored_time(since), "until": stored_time(until)}
    return int(_there(cursor, span) * _share(cursor, span, most))


def _cohort(cursor: DuckDb, now: datetime, days: float, idle_s: float) -> tuple[datetime, datetime]:
    """Since when and before when the sessions were opened."""
    since = now - timedelta(days=days)
    (settled,) = fetch_all(cursor, _WAIT, {"since": stored_time(since), "settled": SETTLED})
    return since, now - timedelta(seconds=settled["wait_s"] + idle_s)


def _there(cursor: DuckDb, span: dict[str, Any]) -> int:
    return count(cursor, f"SELECT count(*) {_COHORT}", span)


def _share(cursor: DuckDb, span: dict[str, Any], most: int) -> float:
    """The share of the sessions that is read, 0 to 1."""
    there = _there(cursor, span)
    events_there = count(cursor, "SELECT count(*) FROM events WHERE server_time >= $since", {"since": span["since"]})
    bytes_there = count(cursor, _BYTES, {"since": span["since"]})
    shares = (most / max(1, there), MOST_PAST_EVENTS / max(1, events_there), MOST_PAST_BYTES / max(1, bytes_there))
    return min(1.0, *shares)


def _plain(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A column without a mask: null is NaN for a number and an empty text otherwise."""
    if not isinstance(column, np.ma.MaskedArray):
        return column
    filled: npt.NDArray[Any] = column.filled("" if column.dtype == object else np.nan)
    return filled


def read_running(cursor: DuckDb, session: SessionRow) -> Known:
    """What is known of a session by now. Every event of the server is read, and the newest ones of the app.

    Args:
        cursor: Of a read.
        session: As this read found it.
    """
    # By the time, DuckDB skips the parts of the table that are older than the session.
    chosen = f"""SELECT {_ROW}, id FROM events
        WHERE session_id = {text_literal(session.id)} AND server_time >= $since AND device_time IS"""  # noqa: S608 - quoted
    rows = cursor.execute(
        f"{chosen} NULL UNION ALL ({chosen} NOT NULL ORDER BY server_time DESC LIMIT $most)",
        {"since": stored_time(session.create_time), "most": MOST_APP_EVENTS + MOST_OF_BATCH},
    ).fetchall()
    known = Known(session.language, LastValues(session.client_id))
    for row in in_order([Row(*row[:-1]) for row in sorted(rows, key=itemgetter(-1))]):
        known.add(row)
    return known
