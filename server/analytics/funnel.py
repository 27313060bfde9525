"""How many sessions reached each stage, and where the others dropped out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from server.ledger.columns import Cursor, fetch_all, stored_time_or_none
from server.ledger.types import SessionState, StageReport

STAGES = (SessionState.STARTED, SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL, SessionState.COMPLETED)

HIGH_RATE = 0.30
CRITICAL_RATE = 0.50
FEWEST_SESSIONS = 20
"""A drop-off rate that rests on fewer sessions than this gets no severity."""

# A session that reached a later stage counts for the earlier ones. A session that has not ended does not count as
# dropped; the server ends sessions that are idle for long. The median is over the sessions that reached both stages and
# whose times of both are known.
_COUNTS = """
SELECT count(*) AS reached_1,
    count(*) FILTER (WHERE reached >= 2) AS reached_2,
    count(*) FILTER (WHERE reached >= 3) AS reached_3,
    count(*) FILTER (WHERE reached >= 4) AS reached_4,
    count(*) FILTER (WHERE reached = 1 AND NOT ended) AS under_way_1,
    count(*) FILTER (WHERE reached = 2 AND NOT ended) AS under_way_2,
    count(*) FILTER (WHERE reached = 3 AND NOT ended) AS under_way_3,
    median(epoch(in_progress_time - create_time)) AS median_2,
    median(epoch(awaiting_approval_time - in_progress_time)) AS median_3,
    median(epoch(completed_time - awaiting_approval_time)) AS median_4
FROM v_session_stages
WHERE (?::TIMESTAMP IS NULL OR create_time >= ?) AND (?::TIMESTAMP IS NULL OR create_time < ?)
    AND (? = '' OR client_id IN (?, ?)) AND (? = '' OR client_id = ?)
"""


def funnel_report(
    cursor: Cursor,
    start: datetime | None = None,
    end: datetime | None = None,
    client_id: str = "",
    *,
    pseudonym: str = "",
    visible_to: str = "",
) -> list[StageReport]:
    """Count the default funnel.

    Args:
        cursor: Of a read.
        start: Sessions opened at or after this time; None for no bound.
        end: Sessions opened before this time; None for no bound.
        client_id: Only sessions of this client; empty means all.
        pseudonym: Under which the client's sessions are stored, if not under its id.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.

    Returns:
        The four stages in order. ``severity`` is ``HIGH`` from a drop-off of 30 %, ``CRITICAL`` from 50 %, otherwise
        ``NORMAL``; empty for the first stage and where fewer than 20 sessions could have made the step.
    """
    since, until = stored_time_or_none(start), stored_time_or_none(end)
    client = [client_id, client_id, pseudonym, visible_to, visible_to]
    (counts,) = fetch_all(cursor, _COUNTS, [since, since, until, until, *client])
    return [_stage(counts, position) for position in range(1, len(STAGES) + 1)]


def _stage(counts: dict[str, Any], position: int) -> StageReport:
    sessions: int = counts[f"reached_{position}"]
    first = position == 1
    could: int = sessions if first else counts[f"reached_{position - 1}"] - counts[f"under_way_{position - 1}"]
    rate = (could - sessions) / could if could else 0.0
    return StageReport(
        name=STAGES[position - 1],
        sessions=sessions,
        under_way=counts.get(f"under_way_{position}", 0),
        dropped=could - sessions,
        drop_off_rate=rate,
        median_s=counts.get(f"median_{position}"),
        severity="" if first else _severity(rate, could),
    )


def _severity(rate: float, could: int) -> str:
    """The severity of a drop-off rate; empty when too few sessions could have made the step."""
    if could < FEWEST_SESSIONS:
        return ""
    if rate >= CRITICAL_RATE:
        return "CRITICAL"
    return "HIGH" if rate >= HIGH_RATE else "NORMAL"
