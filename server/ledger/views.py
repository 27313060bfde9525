"""The views that analysts see: name, comment, comment of each column, SQL.

They show no resume token, sealed state, payload or vocabulary, and text only when it is ``safe_for_llm``.
Frozen once released: a later change is a new migration.
"""

from __future__ import annotations

from server.ledger.table_schema import SqlView
from server.ledger.turn_views import V_TURNS

V_SESSIONS = SqlView(
    "v_sessions",
    "One row for everything that one person does in one go.",
    {
        "session_id": "UUID of the session.",
        "client_id": "App or site that opened it.",
        "state": "STARTED, IN_PROGRESS, AWAITING_APPROVAL, COMPLETED, ABANDONED or REJECTED.",
        "variant": "Experiment variant; empty when there is none.",
        "language": "Language that was asked for; empty means detected.",
        "turns": "Turns so far.",
        "create_time": "When it was opened, UTC.",
        "update_time": "When anything last happened to it, UTC.",
        "stage_time": "When it entered its current stage, UTC.",
        "duration_s": "Seconds from opening to the last change.",
    },
    """SELECT id AS session_id, client_id, state, variant, language, turn_count AS turns, create_time, update_time,
        stage_time, epoch(update_time - create_time) AS duration_s FROM sessions""",
)


def session_stages(columns: str = "", events: str = "stage IS NOT NULL") -> str:
    """The SQL of ``v_session_stages``. To read more at once is cheaper than to look for each session again.

    Args:
        columns: Further columns of ``sessions``, as ``s``.
        events: Condition on the events that are read: those that enter a stage, or some of them.
    """
    return f"""SELECT s.id AS session_id, s.client_id, s.variant, s.create_time,
        e.in_progress_time, e.awaiting_approval_time, e.completed_time,
        CASE WHEN e.completed_time IS NOT NULL THEN 4 WHEN e.awaiting_approval_time IS NOT NULL THEN 3
             WHEN e.in_progress_time IS NOT NULL THEN 2 ELSE 1 END AS reached,
        s.state IN ('COMPLETED', 'REJECTED', 'ABANDONED') AS ended{columns and f", {columns}"}
    FROM sessions AS s JOIN (
        SELECT session_id,
            min(server_time) FILTER (WHERE stage = 'IN_PROGRESS') AS in_progress_time,
            min(server_time) FILTER (WHERE stage = 'AWAITING_APPROVAL') AS awaiting_approval_time,
            min(server_time) FILTER (WHERE stage = 'COMPLETED') AS completed_time
        FROM events WHERE {events} GROUP BY session_id HAVING bool_or(stage = 'STARTED')
    ) AS e ON e.session_id = s.id"""  # noqa: S608 - literals of ours


V_SESSION_STAGES = SqlView(
    "v_session_stages",
    "One row for a session: when it first entered each stage, and how far it got. The funnel is counted from it. A "
    "session whose first event retention has deleted is not there.",
    {
        "session_id": "UUID of the session.",
        "client_id": "App or site that opened it.",
        "variant": "Experiment variant; empty when there is none.",
        "create_time": "When it was opened, UTC.",
        "in_progress_time": "When it first entered IN_PROGRESS, UTC; null when it did not.",
        "awaiting_approval_time": "When it first entered AWAITING_APPROVAL, UTC; null when it did not.",
        "completed_time": "When it entered COMPLETED, UTC; null when it did not.",
        "reached": "Stages reached, 1 to 4; who reached a later stage counts for the earlier ones.",
        "ended": "Whether it is over: completed, rejected or abandoned, which one that is idle for long becomes.",
    },
    session_stages(),
)

V_FUNNEL = SqlView(
    "v_funnel",
    "The funnel over all sessions, one row a stage, in order.",
    {
        "position": "1 for the first stage.",
        "stage": "Name of the stage.",
        "sessions": "Sessions that reached it.",
        "under_way": "Sessions that got no further so far and have not ended.",
        "dropped": "Sessions of the stage before that ended without reaching it; 0 for the first.",
        "drop_off_rate": "Share of dropped in all that reached it or were dropped before it, 0 to 1. Too low while "
        "many are under way, because going on is known before leaving; the macro drop_offs leaves new ones out.",
        "median_s": "Median seconds from the stage before; null where nobody made the step.",
    },
    """WITH steps AS (
        SELECT 1 AS position, 'STARTED' AS stage, count(*) AS sessions,
            count(*) FILTER (WHERE reached = 1 AND NOT ended) AS under_way, NULL::DOUBLE AS median_s
            FROM v_session_stages
        UNION ALL SELECT 2, 'IN_PROGRESS', count(*) FILTER (WHERE reached >= 2),
            count(*) FILTER (WHERE reached = 2 AND NOT ended),
            median(epoch(in_progress_time - create_time)) FROM v_session_stages
        UNION ALL SELECT 3, 'AWAITING_APPROVAL', count(*) FILTER (WHERE reached >= 3),
            count(*) FILTER (WHERE reached = 3 AND NOT ended),
            median(epoch(awaiting_approval_time - in_progress_time)) FROM v_session_stages
        UNION ALL SELECT 4, 'COMPLETED', count(*) FILTER (WHERE reached >= 4), 0,
            median(epoch(completed_time - awaiting_approval_time)) FROM v_session_stages),
    paired AS (
        SELECT *, coalesce(lag(sessions - under_way) OVER (ORDER BY position), sessions) AS could FROM steps)
    SELECT position, stage, sessions, under_way, could - sessions AS dropped,
        CASE WHEN could = 0 THEN 0.0 ELSE (could - sessions) / could END AS drop_off_rate, median_s
    FROM paired ORDER BY position""",
)

V_SESSION_TIMELINE = SqlView(
    "v_session_timeline",
    "Everything that happened in each session; order it by time.",
    {
        "session_id": "UUID of the session.",
        "time": "When it happened, UTC.",
        "kind": "event, turn, upload, recommendation or dead_letter.",
        "name": "Name of the event, source of the turn, kind of the upload, and so on.",
        "detail": "Stage that was entered, or the state it is in now.",
        "took_s": "Seconds in the stage before, or of work.",
        "properties": "Properties of an event, redacted; null for the others.",
    },
    """SELECT session_id, server_time AS time, 'event' AS kind, name, coalesce(stage, '') AS detail, took_s, properties
        FROM events
    UNION ALL SELECT session_id, create_time, 'turn', source, coalesce(reply_origin, ''), compute_s, NULL FROM turns
    UNION ALL SELECT session_id, create_time, 'upload', kind, state, epoch(update_time - create_time), NULL FROM uploads
    UNION ALL SELECT session_id, create_time, 'recommendation', origin, state, epoch(decide_time - create_time), NULL
        FROM recommendations
    UNION ALL SELECT session_id, create_time, 'dead_letter', kind, reason, NULL, NULL FROM dead_letters""",
)

V_SESSION_TIMELINE_WITH_SOURCE = SqlView(
    V_SESSION_TIMELINE.name,
    V_SESSION_TIMELINE.comment,
    V_SESSION_TIMELINE.columns
    | {"source": "app for an event that an app recorded, server for one of the server; empty for the others."},
    """SELECT session_id, server_time AS time, 'event' AS kind, name, coalesce(stage, '') AS detail, took_s, properties,
        CASE WHEN device_time IS NULL THEN 'server' ELSE 'app' END AS source FROM events
    UNION ALL SELECT session_id, create_time, 'turn', source, coalesce(reply_origin, ''), compute_s, NULL, '' FROM turns
    UNION ALL SELECT session_id, create_time, 'upload', kind, state, epoch(update_time - create_time), NULL, ''
        FROM uploads
    UNION ALL SELECT session_id, create_time, 'recommendation', origin, state, epoch(decide_time - create_time), NULL,
        '' FROM recommendations
    UNION ALL SELECT session_id, create_time, 'dead_letter', kind, reason, NULL, NULL, '' FROM dead_letters""",
)

V_UPLOADS = SqlView(
    "v_uploads",
    "One row for a file that was accepted.",
    {
        "upload_id": "UUID of the upload.",
        "session_id": "UUID of its session.",
        "kind": "What it shows or carries.",
        "state": "ACCEPTED, PROCESSING, DONE or FAILED.",
        "media_type": "Detected media type.",
        "size_bytes": "Size of the file.",
        "create_time": "When it was accepted, UTC.",
        "update_time": "When it last made progress, UTC.",
        "took_s": "Seconds from acceptance to the last change.",
        "attempts": "Attempts to process it.",
        "failure_reason": "Stable reason of the failure; empty when there is none.",
        "text": "What was read in it, redacted; null when the redactor does not vouch for it.",
        "redactions": "How many of which entity were replaced.",
        "painted": "Boxes that were painted over.",
    },
    """SELECT id AS upload_id, session_id, kind, state, media_type, size_bytes, create_time, update_time,
        epoch(update_time - create_time) AS took_s, attempts, failure_reason,
        CASE WHEN text_safe THEN text END AS text, text_counts AS redactions, painted FROM uploads""",
)

V_JOBS = SqlView(
    "v_jobs",
    "One row for work that was accepted; it ends DONE or DEAD.",
    {
        "job_id": "UUID of the job.",
        "session_id": "UUID of its session; empty when there is none.",
        "kind": "What is to be done.",
        "state": "QUEUED, RUNNING, DONE or DEAD.",
        "policy": "Name of the retry policy.",
        "attempts": "Attempts that were begun.",
        "last_reason": "Stable reason of the last failure.",
        "create_time": "When it was accepted, UTC.",
        "first_attempt_time": "When the first attempt began, or that after a wait for an upstream or the workers, UTC.",
        "next_attempt_time": "Not before this time, UTC.",
        "waited_s": "Seconds from acceptance to first_attempt_time.",
    },
    """SELECT id AS job_id, session_id, kind, state, policy, attempts, last_reason, create_time, first_attempt_time,
        next_attempt_time, epoch(first_attempt_time - create_time) AS waited_s FROM jobs""",
)

V_DEAD_LETTERS = SqlView(
    "v_dead_letters",
    "One row for a job that failed for good.",
    {
        "dead_letter_id": "UUID of the letter.",
        "job_id": "UUID of the job.",
        "session_id": "UUID of the session; empty when there is none.",
        "kind": "Kind of the job.",
        "reason": "Stable reason of the last failure.",
        "message": "One sentence about it, written by us.",
        "attempts": "Attempts that were made.",
        "policy": "Retry policy that was exhausted; empty when the failure was permanent.",
        "create_time": "When it became a dead letter, UTC.",
        "open": "Whether it waits to be dealt with.",
        "closed_as": "retried or discarded; empty while it is open.",
    },
    """SELECT id AS dead_letter_id, job_id, session_id, kind, reason, message, attempts, policy, create_time,
        closed_time IS NULL AS open, closed_as FROM dead_letters""",
)

UNDER_WAY_VIEWS = (V_SESSION_STAGES, V_FUNNEL)
"""Made again by later migrations: the first ones counted sessions that were under way as dropped, and the second ones
those whose events retention has deleted."""

FIRST_VIEWS = (
    V_SESSIONS,
    V_SESSION_STAGES,
    V_FUNNEL,
    V_SESSION_TIMELINE,
    V_UPLOADS,
    V_JOBS,
    V_DEAD_LETTERS,
    V_TURNS,
)

V_AUDIT = SqlView(
    "v_audit",
    "One row for a decision about access, or for something that a person or the server did. Only operators see the "
    "network addresses, with `vestibule audit list`.",
    {
        "number": "Position in the chain, from 1 without gaps.",
        "time": "When, UTC; of several calls in one row, the first.",
        "subject": "Who: id of the credential, or server; empty when nobody was known.",
        "client_id": "App or site of the credential; empty for one of every client.",
        "action": "What, for example access, approve, redrive, key_created or server_started.",
        "object_type": "Kind of thing that it was done to: method, door, recommendation, dead_letter, breaker, key.",
        "object_id": "Its id.",
        "outcome": "done, allowed, denied or failed.",
        "reason": "Stable reason or machine word; empty when there is none.",
        "count": "How many equal calls this row stands for.",
    },
    """SELECT number, time, subject, client_id, action, object_type, object_id, outcome, reason, "count" FROM audit""",
)

V_SERVER_EVENTS = SqlView(
    "v_server_events",
    "One row for something that happened to the server or to an upstream, such as a breaker that opened.",
    {
        "time": "When it happened, UTC.",
        "name": "Machine name, for example breaker_changed.",
        "subject": "What it happened to, for example llm_api.",
        "properties": "Names and values as JSON. Of breaker_changed: old, new, failures, cause. "
        "Of worker_ended: reason, pid.",
    },
    "SELECT time, name, subject, properties FROM server_events",
)

V_DEAD_LETTERS_WITH_BUILD = SqlView(
    V_DEAD_LETTERS.name,
    V_DEAD_LETTERS.comment,
    V_DEAD_LETTERS.columns
    | {
        "closed_time": "When somebody dealt with it, UTC; null while it is open.",
        "closed_reason": "Why it was redriven or discarded, a machine word.",
        "correlation_id": "Id of the call that brought the work, as in the log; empty when no call did.",
        "build": "Version of the server that wrote the letter; empty in letters of before.",
        "first_attempt_time": "When the oldest attempt that is still stored began, UTC.",
        "last_attempt_time": "When the newest attempt began, UTC.",
        "attempt_s": "Seconds that the attempts took in all.",
    },
    """SELECT id AS dead_letter_id, d.job_id, session_id, kind, reason, message, attempts, policy, create_time,
        closed_time IS NULL AS open, closed_as, closed_time, closed_reason, correlation_id, build,
        a.first_attempt_time, a.last_attempt_time, a.attempt_s
    FROM dead_letters AS d LEFT JOIN (
        SELECT job_id, min(begin_time) AS first_attempt_time, max(begin_time) AS last_attempt_time,
            sum(epoch(end_time - begin_time)) AS attempt_s
        FROM job_attempts GROUP BY job_id) AS a ON a.job_id = d.job_id""",
)

V_JOB_ATTEMPTS = SqlView(
    "v_job_attempts",
    "One row for an attempt at a job that has ended.",
    {
        "job_id": "UUID of the job.",
        "session_id": "UUID of its session; empty when there is none.",
        "kind": "What is to be done.",
        "attempt": "Number of the attempt, from 1 since the job was accepted or last redriven.",
        "begin_time": "When it began, UTC.",
        "end_time": "When it ended, UTC; for a lost one, when that was noticed.",
        "took_s": "Seconds from begin to end.",
        "outcome": "done, refused, retry, dead, released or lost.",
        "reason": "Stable reason of the failure; empty when there is none.",
        "build": "Version of the server that made it; empty when it is not known.",
    },
    """SELECT job_id, jobs.session_id, jobs.kind, number AS attempt, begin_time, end_time,
        epoch(end_time - begin_time) AS took_s, outcome, reason, build
    FROM job_attempts JOIN jobs ON jobs.id = job_attempts.job_id""",
)

ATTEMPT_VIEWS = (V_DEAD_LETTERS_WITH_BUILD, V_JOB_ATTEMPTS)
