"""The order of the jobs of a session: each comes after every open one, whatever the clocks say."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from server.ledger.columns import Cursor, aware_or_none, fetch_one
from server.ledger.dialects import dialect_of, hold
from server.ledger.types import JobRow


class _Newest:
    """The newest time of an open job, as far as this process knows. Only an older one needs a look at the others.

    It serves the embedded file alone. With several servers every job needs that look.
    """

    time = datetime.min.replace(tzinfo=UTC)


def note_newest(cursor: Cursor) -> None:
    """At the start, note the times of the jobs that are there: the clock may have been set back since."""
    last = fetch_one(cursor, "SELECT max(create_time) AS last FROM jobs WHERE state IN ('QUEUED', 'RUNNING')")
    _Newest.time = max(_Newest.time, (aware_or_none(last["last"]) if last else None) or _Newest.time)


def after_earlier(cursor: Cursor, row: JobRow) -> JobRow:
    """The job with a time after all open ones of its session; the next step stores it.

    Its own time may be earlier because the clock was set back, or because another server has a clock that is ahead.
    """
    if not row.session_id:
        return row
    if dialect_of(cursor).one_writer and row.create_time >= _Newest.time:
        _Newest.time = row.create_time
        return row
    hold(cursor, "jobs", row.session_id)
    last = fetch_one(
        cursor,
        "SELECT max(create_time) AS last FROM jobs WHERE session_id = ? AND state IN ('QUEUED', 'RUNNING')",
        [row.session_id],
    )
    latest = aware_or_none(last["last"]) if last else None
    if latest is None or latest < row.create_time:
        return row
    return replace(row, create_time=latest + timedelta(microseconds=1))
