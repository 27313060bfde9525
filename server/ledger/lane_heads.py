"""The first step of a claim where several servers claim at once: jobs that may be taken, in the order to take them.

It gives what the query of ``claims`` gives, and reads some jobs of each client instead of all. Triggers keep which jobs
are first in their lanes, see ``postgres.lanes``, and indexes give those of a client in the order of their turns.

The same as there: only the first open job of a session is found, if it is due and nobody holds it; the client with the
fewest running jobs comes first; of the jobs that run alone only one. For each kind and client as many jobs are looked
at as are wanted, and among those sessions have their turns as there. Where more of one client are due, three things
differ in which are looked at:

- Of the jobs that were tried before, it is those that have been due longest, not those whose session waits longest.
- Of the others it goes by the last turn of the session when the job became the first one of its kind there. A turn that
  a job of another kind had since does not count.
- Sessions that were never served come before those that were served longer ago than ``claims.FAIR_FOR``.

Claimants that work at the same time do not see what the others take until that is committed. So a client may get a turn
too many for as long as that takes. A job is still taken by one of them, and none before an earlier one of its session.
"""

from __future__ import annotations

from typing import Final

from server.ledger.columns import LANE_CLIENT, LANE_TIME, Cursor, Row, fetch_all
from server.ledger.postgres.lanes import DUE, FRESH, TRIED

_OF_KINDS: Final = "(cardinality($kinds::VARCHAR[]) = 0 OR {kind} = ANY($kinds::VARCHAR[]))"
_ALONE: Final = "last_reason = ANY($alone::VARCHAR[])"


def _pairs(which: str) -> str:
    """Each kind and client that has such jobs; it looks once into the index for each."""
    first = f"SELECT kind, {LANE_CLIENT} FROM jobs WHERE {which}"  # noqa: S608 - literals of ours
    order = f"ORDER BY kind, {LANE_CLIENT} LIMIT 1"
    return f"""({first} {order}) UNION ALL SELECT following.* FROM each_pair, LATERAL (
        {first} AND (kind, {LANE_CLIENT}) > (each_pair.kind, each_pair.{LANE_CLIENT}) {order}) AS following"""  # noqa: S608 - literals of ours


def _first_ones(pairs: str, where: str, order: str) -> str:
    """The first such jobs of each kind and client, without those that wait for an earlier one of another kind."""
    earlier = f"""SELECT 1 FROM jobs AS earlier
        WHERE jobs.session_id <> '' AND earlier.session_id = jobs.session_id AND earlier.state IN ('QUEUED', 'RUNNING')
            AND {_OF_KINDS.format(kind="earlier.kind")}
            AND (earlier.create_time, earlier.id) < (jobs.create_time, jobs.id)"""  # noqa: S608 - literals of ours
    found = "SELECT id, state, create_time, session_id, lane_client, last_reason FROM jobs"
    if not pairs:
        return f"{found} WHERE {where} AND NOT EXISTS ({earlier})"
    return f"""SELECT first_ones.* FROM {pairs} AS pair, LATERAL (
        {found} WHERE kind = pair.kind AND {LANE_CLIENT} = pair.{LANE_CLIENT} AND {where} AND NOT EXISTS ({earlier})
        ORDER BY {order} LIMIT $number) AS first_ones
    WHERE {_OF_KINDS.format(kind="pair.kind")}"""  # noqa: S608 - literals of ours


_DUE_NOW: Final = f"{TRIED} AND {DUE} <= $now"
_LOST: Final = f"""state = 'RUNNING' AND lease_until <= $now AND NOT id = ANY($held::VARCHAR[])
    AND {_OF_KINDS.format(kind="kind")}"""

_CANDIDATES: Final = f"""
WITH RECURSIVE fresh AS ({_pairs(FRESH).replace("each_pair", "fresh")}),
tried AS ({_pairs(TRIED).replace("each_pair", "tried")}),
found AS (
    {_first_ones("fresh", FRESH, f"{LANE_TIME}, create_time, id")}
    UNION ALL {_first_ones("tried", f"{_DUE_NOW} AND NOT {_ALONE}", DUE)}
    UNION ALL {_first_ones("tried", f"{_DUE_NOW} AND {_ALONE}", DUE)}
    UNION ALL {_first_ones("", _LOST, "")}
), taken AS (
    SELECT {LANE_CLIENT}, {_ALONE} AS alone FROM jobs
    WHERE state = 'RUNNING' AND {_OF_KINDS.format(kind="kind")}
        AND CASE WHEN lease_until > $now THEN true ELSE id = ANY($held) END  -- with OR the planner reads other indexes
), running AS (
    SELECT {LANE_CLIENT}, count(*) AS jobs FROM taken GROUP BY {LANE_CLIENT}
), clients AS (
    SELECT {LANE_CLIENT}, (
        SELECT max(claim_time) FROM jobs AS served
        WHERE served.{LANE_CLIENT} = each_client.{LANE_CLIENT} AND claim_time >= $recent) AS served_time
    FROM (SELECT DISTINCT {LANE_CLIENT} FROM found) AS each_client
), turns AS (
    SELECT found.*, {_ALONE} AS alone, row_number() OVER (PARTITION BY {LANE_CLIENT} ORDER BY (
        SELECT max(claim_time) FROM jobs AS served
        WHERE served.session_id = found.session_id AND claim_time >= $recent) NULLS FIRST, create_time, id) AS turn
    FROM found
), queue AS (
    SELECT id, state, alone, row_number() OVER (
        ORDER BY turn + coalesce(running.jobs, 0), clients.served_time NULLS FIRST, create_time, id) AS place
    FROM turns LEFT JOIN clients USING ({LANE_CLIENT}) LEFT JOIN running USING ({LANE_CLIENT})
), numbered AS (
    SELECT id, state, alone, place, row_number() OVER (PARTITION BY alone ORDER BY place) AS place_of_kind FROM queue
)
SELECT id, state, alone FROM numbered
WHERE NOT alone OR (place_of_kind = 1 AND NOT EXISTS (SELECT 1 FROM taken WHERE alone))
ORDER BY place LIMIT $number
"""  # noqa: S608 - literals of ours


def candidates(cursor: Cursor, wanted: Row) -> list[Row]:
    """Find jobs that may be taken.

    Args:
        cursor: Of PostgreSQL, within a transaction of the writer.
        wanted: The parameters of the claim; ``number`` is how many candidates are wanted.

    Returns:
        Jobs with ``id``, ``state`` and ``alone``, in the order in which to take them.
    """
    return fetch_all(cursor, _CANDIDATES, wanted)
