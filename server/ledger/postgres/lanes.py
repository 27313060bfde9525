"""Which open jobs stand first in their lanes, so that a claim in PostgreSQL does not read all that are open.

A lane is what is open of one kind in one session; a job without a session has one of its own. PostgreSQL remembers of
each open job whether it waits behind another one of its lane, and since when its lane has waited for a turn. Triggers
keep that, so no function that changes jobs has to know, and neither has a server of an earlier release.

Only the first of a lane must not wait, or nobody would find it. A later one that does not wait costs a claim a look.
So a job waits from its insertion on only if an earlier one of its lane can be locked, and so stays open until the
insertion is committed. When a job ends, the first of its lane that waits no longer does. Both are without any lock that
is waited for while another is asked for: what is locked is skipped, and whoever ends a job has that one alone.
"""

from __future__ import annotations

from typing import Final

from server.ledger.columns import LANE_CLIENT, LANE_TIME, Cursor, count

FRESH: Final = (
    f"state = 'QUEUED' AND {LANE_TIME} IS NOT NULL AND attempts = 0 AND claim_time IS NULL AND last_reason = ''"
)
"""A job that was never tried. It is due, whatever the clock says."""
TRIED: Final = (
    f"state = 'QUEUED' AND {LANE_TIME} IS NOT NULL AND NOT (attempts = 0 AND claim_time IS NULL AND last_reason = '')"
)
"""A job that waits for its next attempt, or that was redriven."""
DUE: Final = "(CASE WHEN attempts = 0 AND claim_time IS NULL THEN TIMESTAMP 'epoch' ELSE next_attempt_time END)"
"""When a job that was tried is due."""

INDEXES: Final = {
    "jobs_fresh": f"jobs (kind, {LANE_CLIENT}, {LANE_TIME}, create_time, id) WHERE {FRESH}",
    "jobs_tried": f"jobs (kind, {LANE_CLIENT}, {DUE}, last_reason) WHERE {TRIED}",
    "jobs_running": "jobs (lease_until) WHERE state = 'RUNNING'",
    "jobs_due": "jobs (next_attempt_time) WHERE state = 'QUEUED'",
    "jobs_served_clients": f"jobs ({LANE_CLIENT}, claim_time) WHERE claim_time IS NOT NULL",
    "jobs_served_sessions": "jobs (session_id, claim_time) WHERE claim_time IS NOT NULL",
}
"""By their names; see ``definitions.INDEXES``."""

_OPEN: Final = "state IN ('QUEUED', 'RUNNING')"
_SERVED: Final = "coalesce((SELECT max(claim_time) FROM jobs WHERE session_id = NEW.session_id), TIMESTAMP 'epoch')"

_FUNCTIONS: Final = [
    # The newest of the earlier ones is locked: claims and ends want the first one.
    f"""CREATE OR REPLACE FUNCTION enter_lane() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.{LANE_CLIENT} := coalesce((SELECT client_id FROM sessions WHERE id = NEW.session_id), '');
        NEW.{LANE_TIME} := TIMESTAMP 'epoch';
        IF NEW.session_id <> '' AND NEW.{_OPEN} THEN
            PERFORM 1 FROM jobs
            WHERE session_id = NEW.session_id AND kind = NEW.kind AND {_OPEN}
                AND (create_time, id) < (NEW.create_time, NEW.id)
            ORDER BY create_time DESC, id DESC LIMIT 1 FOR SHARE SKIP LOCKED;
            NEW.{LANE_TIME} := CASE WHEN NOT FOUND THEN {_SERVED} END;
        END IF;
        RETURN NEW;
    END $$""",  # noqa: S608 - literals of ours
    f"""CREATE OR REPLACE FUNCTION enter_lane_again() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.{LANE_TIME} := TIMESTAMP 'epoch'; RETURN NEW; END $$""",
    f"""CREATE OR REPLACE FUNCTION leave_lane() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE jobs SET {LANE_TIME} = coalesce(OLD.claim_time, TIMESTAMP 'epoch')
        WHERE {LANE_TIME} IS NULL AND id = (
            SELECT id FROM jobs
            WHERE session_id = OLD.session_id AND kind = OLD.kind AND {_OPEN} AND {LANE_TIME} IS NULL
            ORDER BY create_time, id LIMIT 1);
        RETURN NULL;
    END $$""",  # noqa: S608 - literals of ours
]
_NEW: Final = [
    f"ALTER TABLE jobs ADD COLUMN {LANE_CLIENT} VARCHAR COLLATE \"C\" NOT NULL DEFAULT ''",
    f"ALTER TABLE jobs ADD COLUMN {LANE_TIME} TIMESTAMP DEFAULT TIMESTAMP 'epoch'",
    f"COMMENT ON COLUMN jobs.{LANE_CLIENT} IS 'Client of its session; empty when there is none.'",
    f"COMMENT ON COLUMN jobs.{LANE_TIME} IS 'When its lane had its last turn, UTC; null while it waits for another.'",
    "CREATE TRIGGER jobs_enter_lane BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION enter_lane()",
    f"""CREATE TRIGGER jobs_enter_lane_again BEFORE UPDATE OF state ON jobs FOR EACH ROW
    WHEN (NOT OLD.{_OPEN} AND NEW.{_OPEN}) EXECUTE FUNCTION enter_lane_again()""",
    f"""CREATE TRIGGER jobs_end_in_lane AFTER UPDATE OF state ON jobs FOR EACH ROW
    WHEN (OLD.session_id <> '' AND OLD.{_OPEN} AND NOT NEW.{_OPEN}) EXECUTE FUNCTION leave_lane()""",
    f"""CREATE TRIGGER jobs_deleted_in_lane AFTER DELETE ON jobs FOR EACH ROW
    WHEN (OLD.session_id <> '' AND OLD.{_OPEN}) EXECUTE FUNCTION leave_lane()""",
]

PLACE: Final = f"""
UPDATE jobs SET {LANE_CLIENT} = placed.client_id,
    {LANE_TIME} = CASE WHEN placed.first THEN coalesce(placed.served, TIMESTAMP 'epoch') END
FROM (
    SELECT jobs.id, coalesce(sessions.client_id, '') AS client_id,
        CASE WHEN jobs.session_id <> '' THEN max(claim_time) OVER (PARTITION BY jobs.session_id) END AS served,
        NOT jobs.{_OPEN} OR jobs.session_id = '' OR row_number() OVER (
            PARTITION BY jobs.session_id, kind, jobs.{_OPEN} ORDER BY jobs.create_time, jobs.id) = 1 AS first
    FROM jobs LEFT JOIN sessions ON sessions.id = jobs.session_id
) AS placed
WHERE placed.id = jobs.id AND (jobs.{_OPEN} OR claim_time >= now() AT TIME ZONE 'UTC' - INTERVAL '2 hours')
"""  # noqa: S608 - literals of ours
"""Places jobs that were stored before there were lanes, or before their sessions. Those that ended lately count for
whose turn it is."""


def missing(cursor: Cursor) -> list[str]:
    """The statements that make what is not there yet, and the functions anew. Indexes come after them."""
    there = count(
        cursor,
        """SELECT count(*) FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = 'jobs' AND column_name = ?""",
        [LANE_TIME],
    )
    return _FUNCTIONS if there else [*_FUNCTIONS, *_NEW, PLACE]
