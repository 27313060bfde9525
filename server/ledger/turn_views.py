"""The view of turns, and the column that says which replies are not whole."""

from __future__ import annotations

from server.ledger.table_schema import SqlView, comment_on

V_TURNS = SqlView(
    "v_turns",
    "One row for an utterance or a typed text, with the assistant's reply.",
    {
        "turn_id": "UUID of the turn.",
        "session_id": "UUID of its session.",
        "utterance": "Number within the stream, from 0.",
        "source": "typed or speech.",
        "create_time": "When it was finished, UTC.",
        "language": "Language that was recognized.",
        "confidence": "Confidence of the recognizer, 0 to 1.",
        "spoken_s": "Length of the utterance in seconds.",
        "compute_s": "Seconds of work that recognizing it took.",
        "text": "What was said, redacted; null when the redactor does not vouch for it.",
        "redactions": "How many of which entity were replaced.",
        "reply": "What the assistant answered, redacted; null when there is none that is safe.",
        "reply_origin": "MODEL or FALLBACK.",
    },
    """SELECT id AS turn_id, session_id, utterance, source, create_time, language, confidence,
        end_s - start_s AS spoken_s, compute_s, CASE WHEN text_safe THEN text END AS text, text_counts AS redactions,
        CASE WHEN reply_safe THEN reply END AS reply, reply_origin FROM turns""",
)

V_TURNS_WITH_CUT = SqlView(
    V_TURNS.name,
    V_TURNS.comment,
    V_TURNS.columns
    | {"reply_cut": "Why the reply is not whole, for example REPLY_INTERRUPTED; empty for a whole one."},
    V_TURNS.sql.replace("reply_origin FROM turns", "reply_origin, coalesce(reply_cut, '') AS reply_cut FROM turns"),
)

CUT_REPLIES = [
    "ALTER TABLE turns ADD COLUMN reply_cut VARCHAR DEFAULT ''",
    comment_on("COLUMN", "turns.reply_cut", "Stable reason why the reply is not whole; empty for a whole one."),
]
"""A reply that was interrupted, or that broke off, says so."""

ASKED_FIELDS = [
    "ALTER TABLE turns ADD COLUMN asked_field VARCHAR DEFAULT ''",
    comment_on("COLUMN", "turns.asked_field", "Field of the flow that the person was asked for; empty for none."),
]
"""What was asked is context of the redactor, also when the text is redacted again."""
