"""What went wrong in a week: breakers that opened, refusals, workers that ended, work that failed for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.ledger.columns import Cursor, fetch_all, stored_time


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened, with its number in one week.

    Attributes:
        kind: breaker, upload_refused, stream_refused, no_speech, worker_ended or dead_letter.
        subject: The upstream, the reason or the kind of job.
        number: How often; of refusals and NO_SPEECH, in how many sessions.
        seconds: How long in all, for a breaker; else 0.
    """

    kind: str
    subject: str
    number: int
    seconds: float = 0.0


_IN_WEEK = "time >= $start AND time < $end"
_BREAKERS = """WITH changes AS (
    SELECT subject, time, properties->>'new' AS state, lead(time) OVER (PARTITION BY subject ORDER BY time) AS next_time
    FROM server_events WHERE name = 'breaker_changed'),
open AS (SELECT subject, greatest(time, $start) AS begin_time,
        least(coalesce(next_time, $end), $end) AS end_time
    FROM changes WHERE state = 'open' AND time < $end AND coalesce(next_time, $end) > $start)
SELECT 'breaker' AS kind, subject, count(*) AS number, sum(epoch(end_time - begin_time)) AS seconds
FROM open GROUP BY subject ORDER BY seconds DESC"""
_OF_SESSIONS = """SELECT name AS kind, coalesce(properties->>'reason', '') AS subject,
    count(DISTINCT session_id) AS number
FROM events WHERE name IN ('upload_refused', 'stream_refused', 'no_speech') AND device_time IS NULL
    AND server_time >= $start AND server_time < $end
GROUP BY ALL ORDER BY number DESC"""
_WORKERS = f"""SELECT name AS kind, subject, count(*) AS number FROM server_events
WHERE name = 'worker_ended' AND {_IN_WEEK} GROUP BY ALL ORDER BY number DESC"""  # noqa: S608 - a literal of ours
_LETTERS = """SELECT 'dead_letter' AS kind, kind AS subject, count(*) AS number FROM dead_letters
WHERE create_time >= $start AND create_time < $end GROUP BY ALL ORDER BY number DESC"""


def read_incidents(cursor: Cursor, start: datetime, end: datetime) -> tuple[Incident, ...]:
    """What happened between two times.

    Args:
        cursor: Of a read.
        start: From then on.
        end: Before then.
    """
    bounds = {"start": stored_time(start), "end": stored_time(end)}
    queries = (_BREAKERS, _OF_SESSIONS, _WORKERS, _LETTERS)
    return tuple(Incident(**row) for query in queries for row in fetch_all(cursor, query, bounds))
