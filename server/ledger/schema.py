"""The schema, as data: every table and column with the comment that analysts read in the catalogue.

A released table never changes here: a later change is a new migration, see ``schema_changes``.
"""

from __future__ import annotations

from server.ledger.access_schema import API_KEYS, AUDIT, ERASURES, PARTICIPANTS, UPLOAD_ATTEMPTS
from server.ledger.answers import ANSWERS
from server.ledger.daily_events import DAILY_EVENTS
from server.ledger.event_declarations import EVENT_DECLARATIONS
from server.ledger.flows import FLOWS
from server.ledger.job_attempts import JOB_ATTEMPTS
from server.ledger.letter_operations import LETTER_OPERATIONS
from server.ledger.model_comparisons import MODEL_COMPARISONS
from server.ledger.reviews_schema import REVIEW_TABLES
from server.ledger.sealed_values import SEALED_VALUES
from server.ledger.server_events import SERVER_EVENTS
from server.ledger.servers import SERVERS
from server.ledger.speech_models import SPEECH_MODELS
from server.ledger.table_schema import TableSchema
from server.ledger.weekly_reports import WEEKLY_REPORTS


def _redacted(name: str, what: str, *, required: bool) -> tuple[tuple[str, str, str], ...]:
    null = " NOT NULL" if required else ""
    return (
        (name, f"VARCHAR{null}", f"{what}; redacted."),
        (f"{name}_counts", f"JSON{null}", f"How many of which entity were replaced in {name}."),
        (f"{name}_safe", f"BOOLEAN{null}", f"Whether the redactor vouches for {name}."),
    )


SESSIONS = TableSchema(
    "sessions",
    "One row for everything that one person does in one go.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the session."),
        ("client_id", "VARCHAR NOT NULL", "App or site that opened it."),
        ("request_id", "VARCHAR NOT NULL", "UUID that the client made, so that a repeated request opens one session."),
        (
            "state",
            "VARCHAR NOT NULL",
            "Current stage: STARTED, IN_PROGRESS, AWAITING_APPROVAL, COMPLETED, ABANDONED, REJECTED.",
        ),
        ("create_time", "TIMESTAMP NOT NULL", "When it was opened, UTC."),
        ("update_time", "TIMESTAMP NOT NULL", "When anything last happened to it, UTC."),
        ("stage_time", "TIMESTAMP NOT NULL", "When it entered its current stage, UTC."),
        ("language", "VARCHAR NOT NULL", "ISO 639-1 code that was asked for; empty means detected."),
        ("sealed_vocabulary", "VARCHAR NOT NULL", "Words to expect, encrypted: an app may list people."),
        ("variant", "VARCHAR NOT NULL", "Experiment variant; empty when there is none."),
        ("turn_count", "INTEGER NOT NULL", "Turns so far."),
    ),
    ("request_id",),
)

STREAMS = TableSchema(
    "streams",
    "One row for a conversation stream, so that it can be resumed.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the stream."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session."),
        ("token_hash", "VARCHAR NOT NULL", "SHA-256 of the resume token, hexadecimal."),
        ("encoding", "VARCHAR NOT NULL", "Encoding of the audio."),
        ("sample_rate_hz", "INTEGER NOT NULL", "Sample rate that the client declared."),
        ("channels", "INTEGER NOT NULL", "Channels that the client declared."),
        ("language", "VARCHAR NOT NULL", "ISO 639-1 code that was asked for; empty means detected."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was opened, UTC."),
        ("update_time", "TIMESTAMP NOT NULL", "When it last made progress, UTC."),
        ("next_offset", "BIGINT NOT NULL", "Bytes of audio that were taken in; 0 while it is open."),
        (
            "finalized_samples",
            "BIGINT NOT NULL",
            "Samples (mono, 16 kHz) before this one belong to utterances whose finals are stored.",
        ),
        ("next_utterance", "INTEGER NOT NULL", "Number that the next utterance gets."),
        ("carry", "BLOB NOT NULL", "Sealed state of the workers, opaque."),
        ("open", "BOOLEAN NOT NULL", "Whether it can still be resumed."),
    ),
    ("session_id", "token_hash"),
)

TURNS = TableSchema(
    "turns",
    "One row for an utterance or a typed text, with the assistant's reply once it is there.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the turn."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session."),
        ("stream_id", "VARCHAR NOT NULL", "UUID of the stream it came on."),
        ("utterance", "INTEGER NOT NULL", "Number within the stream, from 0."),
        ("source", "VARCHAR NOT NULL", "typed or speech."),
        *_redacted("text", "What was said", required=True),
        ("create_time", "TIMESTAMP NOT NULL", "When it was finished, UTC."),
        ("confidence", "DOUBLE NOT NULL", "Confidence of the recognizer, 0 to 1."),
        ("language", "VARCHAR NOT NULL", "ISO 639-1 code of the language that was recognized."),
        ("start_s", "DOUBLE NOT NULL", "Where it begins in the stream, seconds."),
        ("end_s", "DOUBLE NOT NULL", "Where it ends in the stream, seconds."),
        ("compute_s", "DOUBLE NOT NULL", "Seconds of work that recognizing it took."),
        *_redacted("reply", "What the assistant answered", required=False),
        ("reply_origin", "VARCHAR", "MODEL or FALLBACK."),
    ),
    ("session_id", "stream_id"),
)

TURN_WORDS = TableSchema(
    "turn_words",
    "One row for an utterance whose client asked for the times of its words.",
    (
        ("turn_id", "VARCHAR PRIMARY KEY", "UUID of the turn."),
        ("words", "JSON NOT NULL", "List of [word, redacted; start and end in the stream, seconds; confidence]."),
    ),
)

UPLOADS = TableSchema(
    "uploads",
    "One row for a file that was accepted.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the upload."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session."),
        ("kind", "VARCHAR NOT NULL", "What it shows or carries, for example meter."),
        ("state", "VARCHAR NOT NULL", "ACCEPTED, PROCESSING, DONE or FAILED."),
        ("size_bytes", "BIGINT NOT NULL", "Size of the file."),
        ("sha256", "VARCHAR NOT NULL", "Hash of the file, hexadecimal."),
        ("media_type", "VARCHAR NOT NULL", "Detected media type."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was accepted, UTC."),
        ("update_time", "TIMESTAMP NOT NULL", "When it last made progress, UTC."),
        ("progress", "DOUBLE NOT NULL", "How far it is, 0 to 1."),
        ("attempts", "INTEGER NOT NULL", "Attempts to process it."),
        ("failure_reason", "VARCHAR NOT NULL", "Stable reason of the failure; empty when there is none."),
        *_redacted("text", "What was read in it", required=False),
        ("picture_path", "VARCHAR NOT NULL", "Redacted picture, relative to its folder; empty when there is none."),
        ("picture_mime", "VARCHAR NOT NULL", "Media type of the redacted picture."),
        ("picture_bytes", "BIGINT NOT NULL", "Size of the redacted picture."),
        ("picture_width", "INTEGER NOT NULL", "Its width in pixels."),
        ("picture_height", "INTEGER NOT NULL", "Its height in pixels."),
        ("painted", "INTEGER NOT NULL", "Boxes that were painted over."),
    ),
    ("session_id",),
)

JOBS = TableSchema(
    "jobs",
    "One row for work that was accepted; it ends DONE or in a dead letter.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the job."),
        ("kind", "VARCHAR NOT NULL", "What is to be done, for example read_upload."),
        ("key", "VARCHAR NOT NULL UNIQUE", "Idempotency key: one job for a key."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session; empty when there is none."),
        ("payload", "JSON NOT NULL", "Ids that the work needs, never content."),
        ("state", "VARCHAR NOT NULL", "QUEUED, RUNNING, DONE or DEAD."),
        ("policy", "VARCHAR NOT NULL", "Name of the retry policy."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was accepted, UTC."),
        ("next_attempt_time", "TIMESTAMP NOT NULL", "Not before this time, UTC."),
        ("attempts", "INTEGER NOT NULL", "Attempts that were begun."),
        ("first_attempt_time", "TIMESTAMP", "When the first attempt began, UTC."),
        ("lease_owner", "VARCHAR NOT NULL", "Process that works on it; empty when none does."),
        ("lease_until", "TIMESTAMP", "Until when the owner may work on it, UTC."),
        ("last_reason", "VARCHAR NOT NULL", "Stable reason of the last failure."),
        ("claim_time", "TIMESTAMP", "When it was last taken by a worker, UTC; claiming is fair by it."),
    ),
    ("session_id",),
)

RECOMMENDATIONS = TableSchema(
    "recommendations",
    "One row for a proposed record and what a person decided.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the recommendation."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session."),
        ("state", "VARCHAR NOT NULL", "PENDING, APPROVED, REJECTED or SUPERSEDED."),
        *_redacted("record", "The record as canonical JSON", required=True),
        ("content_hash", "VARCHAR NOT NULL", "SHA-256 of what was shown, hexadecimal."),
        ("origin", "VARCHAR NOT NULL", "MODEL or FALLBACK."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was proposed, UTC."),
        ("decide_time", "TIMESTAMP", "When it was decided, UTC."),
        ("decided_by", "VARCHAR NOT NULL", "Who decided; empty while nobody has."),
    ),
    ("session_id",),
)

EVENTS = TableSchema(
    "events",
    "One row for something that happened in a session, seen by the server or recorded by an app.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the event; a second one with the same id is not stored."),
        ("session_id", "VARCHAR NOT NULL", "UUID of its session."),
        ("client_id", "VARCHAR NOT NULL", "App or site of the session."),
        ("name", "VARCHAR NOT NULL", "Machine name, for example stage_entered."),
        ("server_time", "TIMESTAMP NOT NULL", "When the server learnt of it, UTC."),
        ("stage", "VARCHAR", "Stage that the session entered; null for other events."),
        ("device_time", "TIMESTAMP", "When it happened by the clock of the device, UTC."),
        ("sequence", "BIGINT NOT NULL", "Position within the session as the app counts; 0 when it does not."),
        ("variant", "VARCHAR NOT NULL", "Experiment variant of the session."),
        ("took_s", "DOUBLE", "Seconds in the stage before, or duration of the thing."),
        ("properties", "JSON NOT NULL", "Names and values; values are redacted."),
        ("properties_meta", "JSON NOT NULL", "For values with replaced entities: counts, and whether they are safe."),
    ),
)

DEAD_LETTERS = TableSchema(
    "dead_letters",
    "One row for a job that failed for good.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the letter."),
        ("job_id", "VARCHAR NOT NULL", "UUID of the job."),
        ("kind", "VARCHAR NOT NULL", "Kind of the job."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session; empty when there is none."),
        ("reason", "VARCHAR NOT NULL", "Stable reason of the last failure."),
        ("message", "VARCHAR NOT NULL", "One sentence about it, written by us."),
        ("attempts", "INTEGER NOT NULL", "Attempts that were made."),
        ("policy", "VARCHAR NOT NULL", "Retry policy that was exhausted; empty when the failure was permanent."),
        ("create_time", "TIMESTAMP NOT NULL", "When it became a dead letter, UTC."),
        ("closed_time", "TIMESTAMP", "When somebody dealt with it, UTC."),
        ("closed_as", "VARCHAR NOT NULL", "retried or discarded; empty while it is open."),
        ("closed_reason", "VARCHAR NOT NULL", "Why it was discarded, a machine word."),
    ),
)

FIRST_TABLES = (SESSIONS, STREAMS, TURNS, UPLOADS, JOBS, RECOMMENDATIONS, EVENTS, DEAD_LETTERS)

MIGRATIONS = TableSchema(
    "migrations",
    "One row for a change of this schema.",
    (
        ("number", "INTEGER PRIMARY KEY", "Number of the migration, from 1."),
        ("name", "VARCHAR NOT NULL", "What it does."),
        ("apply_time", "TIMESTAMP NOT NULL", "When it was applied, UTC."),
    ),
)

BREAKERS = TableSchema(
    "breakers",
    "One row for a circuit breaker, so that its state survives a restart.",
    (
        ("name", "VARCHAR PRIMARY KEY", "Name of the upstream, for example llm_api."),
        ("state", "VARCHAR NOT NULL", "closed, open or half-open."),
        ("failures", "INTEGER NOT NULL", "Failures in a row."),
        ("opened_at", "TIMESTAMP", "When it opened, UTC; null when it is closed."),
    ),
)

TAG_NUMBERS = TableSchema(
    "tag_numbers",
    "One row for a value whose tags have a number, under the policy operator number.",
    (
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("type", "VARCHAR NOT NULL", "Entity type."),
        ("hash", "VARCHAR NOT NULL", "Keyed hash of the value, hexadecimal; the workers hold the key."),
        ("number", "INTEGER NOT NULL", "Its number, from 1 in each session and type."),
    ),
    ("session_id",),
    ("UNIQUE (session_id, type, hash)", "UNIQUE (session_id, type, number)"),
)

REDACTIONS = TableSchema(
    "redactions",
    "One row for a session whose stored texts were redacted again.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the session, or the word events for those of all apps."),
        ("rules", "VARCHAR NOT NULL", "Hash of the code and the policies that were used."),
        ("redact_time", "TIMESTAMP NOT NULL", "When it was last redacted again, UTC."),
    ),
)

TABLES = (
    *FIRST_TABLES,
    *(TURN_WORDS, MIGRATIONS, BREAKERS, TAG_NUMBERS, REDACTIONS, ERASURES, AUDIT, UPLOAD_ATTEMPTS, API_KEYS),
    *(PARTICIPANTS, SERVER_EVENTS, JOB_ATTEMPTS, LETTER_OPERATIONS, EVENT_DECLARATIONS, DAILY_EVENTS, WEEKLY_REPORTS),
    *REVIEW_TABLES,
    FLOWS,
    SEALED_VALUES,
    ANSWERS,
    SERVERS,
    SPEECH_MODELS,
    MODEL_COMPARISONS,
)
"""All tables, whichever migration made them."""
