"""The tables of reviews: who works on a record, what was decided about its fields, comments, and several approvals.

A part of ``schema``, under the same rule: a released table never changes here. They hold no value of a field: that
stands in the records of the two recommendations that a decision names.
"""

from __future__ import annotations

from dataclasses import replace

from server.ledger.table_schema import SqlView, TableSchema, comment_on

REVIEWS = TableSchema(
    "reviews",
    "One row for a session whose record somebody has claimed, or that is assigned to somebody.",
    (
        ("session_id", "VARCHAR PRIMARY KEY", "UUID of the session."),
        ("claim_subject", "VARCHAR NOT NULL", "Credential that claimed it last; empty when none has."),
        ("claim_reviewer", "VARCHAR NOT NULL", "Staff id that the console stated with the claim; not verified."),
        ("claim_time", "TIMESTAMP", "When it was claimed first, UTC; null when it is not claimed."),
        ("claim_until", "TIMESTAMP", "When the claim ends, UTC; null when it is not claimed."),
        ("assignee", "VARCHAR NOT NULL", "Staff id or credential whose turn it is; empty for nobody."),
        ("assigned_subject", "VARCHAR NOT NULL", "Credential that assigned it; empty for nobody."),
        ("assign_time", "TIMESTAMP", "When it was assigned, UTC; null when it is not."),
    ),
)

FIELD_DECISIONS = TableSchema(
    "field_decisions",
    "One row for a decision of a person about one field of a proposed record.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the decision."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("recommendation_id", "VARCHAR NOT NULL", "UUID of the recommendation that was shown."),
        ("result_id", "VARCHAR NOT NULL", "UUID of the recommendation after it; the same where no field changed."),
        ("field", "VARCHAR NOT NULL", "Name of the field."),
        ("decision", "VARCHAR NOT NULL", "ACCEPTED, CORRECTED or REJECTED."),
        ("reason", "VARCHAR NOT NULL", "Why, a machine word; empty for an accepted one."),
        ("decided_by", "VARCHAR NOT NULL", "Staff id that the console stated; not verified."),
        ("decided_subject", "VARCHAR NOT NULL", "Credential that decided."),
        ("decide_time", "TIMESTAMP NOT NULL", "When it was decided, UTC."),
    ),
    ("session_id",),
)

REVIEW_COMMENTS = TableSchema(
    "review_comments",
    "One row for a comment of a reviewer.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the comment."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("recommendation_id", "VARCHAR NOT NULL", "UUID of the recommendation that was shown."),
        ("text", "VARCHAR", "What was written; redacted; null for a word alone."),
        ("text_counts", "JSON", "How many of which entity were replaced in text."),
        ("text_safe", "BOOLEAN", "Whether the redactor vouches for text."),
        ("word", "VARCHAR NOT NULL", "Machine word; empty for none."),
        ("reviewer", "VARCHAR NOT NULL", "Staff id that the console stated; not verified."),
        ("subject", "VARCHAR NOT NULL", "Credential that wrote it."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was written, UTC."),
    ),
    ("session_id",),
)

APPROVALS = TableSchema(
    "approvals",
    "One row for one of several approvals that a record needs.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the approval."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("recommendation_id", "VARCHAR NOT NULL", "UUID of the recommendation."),
        ("content_hash", "VARCHAR NOT NULL", "SHA-256 of what was shown, hexadecimal."),
        ("decided_by", "VARCHAR NOT NULL", "Staff id that the console stated; not verified."),
        ("decided_subject", "VARCHAR NOT NULL", "Credential that approved."),
        ("approve_time", "TIMESTAMP NOT NULL", "When it was given, UTC."),
    ),
    ("session_id", "recommendation_id"),
)

PICTURE_LINES = TableSchema(
    "picture_lines",
    "One row for a picture that was read: where its lines of print lie in the redacted picture. Their text stands with "
    "the upload.",
    (
        ("upload_id", "VARCHAR PRIMARY KEY", "UUID of the upload."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        (
            "rows",
            "JSON NOT NULL",
            "For each line of the text its pieces, each [left, top, width, height] as shares of the picture, 0 to 1.",
        ),
    ),
    ("session_id",),
)

REVIEW_TABLES = (REVIEWS, FIELD_DECISIONS, REVIEW_COMMENTS, APPROVALS, PICTURE_LINES)

APPROVALS_NEEDED = [
    # DuckDB adds no NOT NULL column; with the default it is never null.
    "ALTER TABLE recommendations ADD COLUMN approvals_needed INTEGER DEFAULT 1",
    comment_on("COLUMN", "recommendations.approvals_needed", "Approvals that it needs, each of another credential."),
]
"""A flow may want more than one approval, or none."""

_VALUE = """(SELECT any_value(item ->> 'value') FROM (
        SELECT unnest(from_json({record}.record -> 'fields', '["JSON"]')) AS item
    ) WHERE item ->> 'name' = field)"""
_BEFORE, _AFTER = _VALUE.format(record="before"), _VALUE.format(record="after")

V_FIELD_DECISIONS = SqlView(
    "v_field_decisions",
    "One row for a decision of a person about one field of a proposed record.",
    {
        "record_id": "UUID of the proposal that was shown.",
        "session_id": "UUID of its session.",
        "client_id": "App or site of the session.",
        "field": "Name of the field.",
        "decision": "ACCEPTED, CORRECTED or REJECTED.",
        "reason": "Why, a machine word; empty for an accepted one.",
        "origin": "Who wrote the proposal: MODEL or FALLBACK.",
        "value_before": "The value that was shown, redacted; null where the field was missing or is not vouched for.",
        "value_after": "The value after the decision, redacted; null where it was removed or is not vouched for.",
        "result_id": "UUID of the proposal after the decision; the same where nothing changed.",
        "decide_time": "When it was decided, UTC.",
        "shown_s": "Seconds from the proposal to the decision.",
    },
    f"""SELECT recommendation_id AS record_id, d.session_id, client_id, field, decision, reason, before.origin,
        CASE WHEN before.record_safe THEN {_BEFORE} END AS value_before,
        CASE WHEN after.record_safe THEN {_AFTER} END AS value_after,
        result_id, d.decide_time, epoch(d.decide_time - before.create_time) AS shown_s
    FROM field_decisions AS d JOIN sessions AS s ON s.id = d.session_id
        JOIN recommendations AS before ON before.id = d.recommendation_id
        JOIN recommendations AS after ON after.id = d.result_id""",  # noqa: S608 - literals of ours
)

V_FIELD_DECISIONS_WITH_FLOWS = replace(
    V_FIELD_DECISIONS,
    columns={
        **V_FIELD_DECISIONS.columns,
        "flow": "Name of the flow of the session.",
        "flow_version": "Version of the flow.",
    },
    sql=V_FIELD_DECISIONS.sql.replace(" AS shown_s\n", " AS shown_s, flow, flow_version\n"),
)

_DECISION = "ACCEPTED, CORRECTED, REJECTED, or REMOVED by a decision about another field on which it depends."
_REASON = "Why, a machine word; empty for a field that was accepted or removed."
REMOVED_FIELDS = [
    comment_on("COLUMN", "field_decisions.decision", _DECISION),
    comment_on("COLUMN", "field_decisions.reason", _REASON),
]
"""A decision may remove other fields."""
V_FIELD_DECISIONS_WITH_REMOVED = replace(
    V_FIELD_DECISIONS_WITH_FLOWS,
    columns={**V_FIELD_DECISIONS_WITH_FLOWS.columns, "decision": _DECISION, "reason": _REASON},
)
