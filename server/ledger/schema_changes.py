"""Changes of released tables, as SQL; ``migrations`` runs them."""

from __future__ import annotations

from dataclasses import replace

from server.ledger.schema import UPLOADS
from server.ledger.table_schema import comment_on

STREAM_DETECTS = [
    # DuckDB adds no NOT NULL column; with the default it is never null.
    "ALTER TABLE streams ADD COLUMN detects BOOLEAN DEFAULT false",
    "UPDATE streams SET detects = true WHERE language = ''",
    comment_on("COLUMN", "streams.detects", "Whether nobody gave a language when it was opened."),
    comment_on("COLUMN", "streams.language", "ISO 639-1 code in which it is recognised now; empty while detected."),
]
"""Auto-detected languages may be re-detected; given ones may not."""

SUBJECTS = [
    "ALTER TABLE sessions ADD COLUMN subject_hash VARCHAR DEFAULT ''",
    comment_on("COLUMN", "sessions.subject_hash", "Hash that the app gave for the person; empty when it gave none."),
]
"""A person may have several sessions; erasure finds them by this hash."""

TIME_ZONES = [
    "ALTER TABLE sessions ADD COLUMN time_zone VARCHAR DEFAULT 'UTC'",
    comment_on("COLUMN", "sessions.time_zone", "IANA name of its time zone, in which the days of its words are read."),
]
"""Before sessions had time zones, the days of every session were those of UTC."""

DISPLAY_NAMES = [
    statement
    for name, kind, text in (
        (
            "display_name",
            "VARCHAR",
            "Name of the file as the app gave it, cleaned and redacted; null when there is none.",
        ),
        ("display_name_counts", "JSON", "How many of which entity were replaced in display_name."),
        ("display_name_safe", "BOOLEAN", "Whether the redactor vouches for display_name."),
    )
    for statement in (
        f"ALTER TABLE uploads ADD COLUMN {name} {kind}",
        comment_on("COLUMN", f"uploads.{name}", text),
    )
]
"""Uploads may have a name for people."""

_ARTIFACT_COLUMNS = {
    "picture_path": ("artifact_path", "Redacted picture or recording, relative to its folder; empty for none."),
    "picture_mime": ("artifact_mime", "Media type of the redacted picture or recording."),
    "picture_bytes": ("artifact_bytes", "Size of the redacted picture or recording."),
    "picture_width": ("artifact_width", "Width of the redacted picture in pixels; 0 for a recording."),
    "picture_height": ("artifact_height", "Height of the redacted picture in pixels; 0 for a recording."),
    "painted": ("painted", "Places that were painted over, or words that were muted."),
}
UPLOADS_WITH_ARTIFACTS = replace(
    UPLOADS,
    columns=tuple(
        (renamed, kind, comment)
        for name, kind, text in UPLOADS.columns
        for renamed, comment in [_ARTIFACT_COLUMNS.get(name, (name, text))]
    ),
)
"""The columns of the redacted picture are named for recordings too."""

RENAME_ARTIFACTS = [
    # DuckDB renames no column of a table with an index. Dropping the index in the same transaction ends the process.
    "CREATE TABLE uploads_before AS FROM uploads",
    "DROP TABLE uploads",
    *UPLOADS_WITH_ARTIFACTS.statements(),
    "INSERT INTO uploads FROM uploads_before",
    "DROP TABLE uploads_before",
]

BREAKER_CHANGES = [
    "ALTER TABLE breakers ADD COLUMN change_time TIMESTAMP",
    "ALTER TABLE breakers ADD COLUMN last_failure_time TIMESTAMP",
    comment_on("COLUMN", "breakers.change_time", "When it last changed its state, UTC; null for an older release."),
    comment_on("COLUMN", "breakers.last_failure_time", "When a call had last failed then, UTC; null when none had."),
]
"""With the time of a change, a second server process on the ledger knows what is news."""

SECOND_OWNERS = [
    "ALTER TABLE uploads ADD COLUMN given_id VARCHAR DEFAULT ''",
    comment_on("COLUMN", "uploads.given_id", "Id that its client gave; empty where it is the id of the row."),
]
"""Clients make the ids of their uploads, so two of them may give the same one."""

APPROVALS = [
    "ALTER TABLE recommendations ADD COLUMN expire_time TIMESTAMP",
    "ALTER TABLE recommendations ADD COLUMN decided_subject VARCHAR DEFAULT ''",
    "UPDATE recommendations SET expire_time = create_time + INTERVAL 1 DAY",
    comment_on("COLUMN", "recommendations.expire_time", "From when on it cannot be approved any more, UTC."),
    comment_on("COLUMN", "recommendations.decided_subject", "Credential that decided; empty while none has."),
    comment_on("COLUMN", "recommendations.decided_by", "Who decided, as the console stated it; not verified."),
]
"""An approval expires, and records the credential that gave it."""

KINDS_OF_READING = [
    """UPDATE jobs SET kind = CASE WHEN EXISTS (FROM uploads
        WHERE uploads.id = (jobs.payload->>'upload_id') AND uploads.media_type LIKE 'audio/%')
    THEN 'read_recording' ELSE 'read_picture' END WHERE kind = 'read_upload'""",
    """UPDATE dead_letters SET kind = (SELECT jobs.kind FROM jobs WHERE jobs.id = dead_letters.job_id)
    WHERE kind = 'read_upload' AND job_id IN (SELECT id FROM jobs)""",
    comment_on("COLUMN", "jobs.kind", "What is to be done, for example read_picture."),
]
"""Before, jobs of one kind read pictures and recordings, and shared their places."""

LETTER_FIELDS = [
    "ALTER TABLE jobs ADD COLUMN correlation_id VARCHAR DEFAULT ''",
    "ALTER TABLE dead_letters ADD COLUMN correlation_id VARCHAR DEFAULT ''",
    "ALTER TABLE dead_letters ADD COLUMN build VARCHAR DEFAULT ''",
    *(
        comment_on("COLUMN", f"{table}.correlation_id", "Id of the call that brought the work; empty for none.")
        for table in ("jobs", "dead_letters")
    ),
    comment_on("COLUMN", "dead_letters.build", "Version of the server that wrote the letter."),
    comment_on("COLUMN", "dead_letters.closed_reason", "Why it was redriven or discarded, a machine word."),
]
"""A letter names the call and the build, so that a cause can be found in the log."""

_CANNOT_BE_TRUE = """events.device_time IS NOT NULL AND NOT events.device_time
    BETWEEN sessions.create_time - INTERVAL 1 DAY AND events.server_time + INTERVAL 1 DAY"""

EVENT_TIMES = [
    "ALTER TABLE events ADD COLUMN event_time TIMESTAMP",
    "ALTER TABLE events ADD COLUMN clock VARCHAR DEFAULT 'server'",
    "ALTER TABLE sessions ADD COLUMN clock_ahead_s BIGINT DEFAULT 0",
    "UPDATE events SET event_time = server_time",
    f"""UPDATE events SET event_time = device_time, clock = 'device' FROM sessions
    WHERE sessions.id = events.session_id AND device_time IS NOT NULL
        AND NOT ({_CANNOT_BE_TRUE})""",  # noqa: S608 - literals of ours
    f"""UPDATE sessions SET clock_ahead_s = wrong.ahead_s FROM (
        SELECT session_id, floor(max(epoch(device_time) - epoch(server_time)))::BIGINT AS ahead_s
        FROM events JOIN sessions ON sessions.id = events.session_id WHERE {_CANNOT_BE_TRUE} GROUP BY session_id
    ) AS wrong WHERE wrong.session_id = sessions.id""",  # noqa: S608 - literals of ours
    f"""UPDATE events SET event_time = device_time - to_seconds(clock_ahead_s), clock = 'corrected' FROM sessions
    WHERE sessions.id = events.session_id AND {_CANNOT_BE_TRUE} AND device_time - to_seconds(clock_ahead_s)
        BETWEEN create_time - INTERVAL 366 DAY AND server_time + INTERVAL 1 DAY""",  # noqa: S608 - literals of ours
    comment_on(
        "COLUMN",
        "events.event_time",
        "When it happened, UTC: device_time, corrected if that clock was over a day off; else server_time.",
    ),
    comment_on("COLUMN", "events.clock", "Where event_time is from: device, corrected or server."),
    comment_on("COLUMN", "events.device_time", "When it happened by the clock of the device, as the app gave it, UTC."),
    comment_on(
        "COLUMN",
        "sessions.clock_ahead_s",
        "Seconds that the times of its device are shifted back by where they cannot be true; 0 for none.",
    ),
]
"""Wrong clocks of devices are corrected; see ``device_clock``."""

DECIDE_REASONS = [
    "ALTER TABLE recommendations ADD COLUMN decide_reason VARCHAR DEFAULT ''",
    comment_on("COLUMN", "recommendations.decide_reason", "Why it was rejected, a machine word; empty for none."),
]
"""The next proposal is told why the last one was sent back."""

OPENINGS = [
    """UPDATE events SET event_time = app.earliest_time FROM (
        SELECT session_id, min(event_time) AS earliest_time FROM events
        WHERE device_time IS NOT NULL GROUP BY session_id
    ) AS app WHERE app.session_id = events.session_id AND stage = 'STARTED' AND app.earliest_time < event_time""",
    comment_on(
        "COLUMN",
        "events.event_time",
        "When it happened, UTC: device_time, corrected if that clock was over a day off; else server_time. The opening "
        "of a session has the time of its earliest event.",
    ),
]
"""Before, an app whose clock was slow had events before the opening of their session."""

AGE_ERASES = [
    comment_on("COLUMN", "erasures.scope", "What was named: session, client or subject; age for a limit of retention."),
]
"""Retention erases whole sessions, too."""

HELD_STREAMS = [
    "ALTER TABLE streams ADD COLUMN holder VARCHAR DEFAULT ''",
    "ALTER TABLE streams ADD COLUMN held_until TIMESTAMP",
    comment_on("COLUMN", "streams.holder", "Id of the connection that has it open; empty for none."),
    comment_on(
        "COLUMN",
        "streams.held_until",
        "Until when the server of that connection counts as alive, UTC; null where one server has the ledger alone.",
    ),
]
"""With several servers, a stream may be resumed at another one than where it broke."""

MARKS = [
    "ALTER TABLE migrations ADD COLUMN goes_back BOOLEAN DEFAULT false",
    comment_on("COLUMN", "migrations.goes_back", "Whether a release that does not know it can use the ledger."),
]
"""Releases from then on use a ledger with later migrations if all of those are marked so."""
