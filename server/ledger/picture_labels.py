"""Labels of pictures: what the vision upstream says that they show, redacted. Only labels that are safe are stored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from models.text import RedactedText
from server.ledger.table_schema import SqlView, comment_on


@dataclass(frozen=True, slots=True)
class PictureLabel:
    """What the vision upstream says that a picture shows; ``confidence`` is 0 to 1."""

    text: RedactedText
    confidence: float


LABELS: Final = [
    "ALTER TABLE uploads ADD COLUMN labels JSON",
    comment_on(
        "COLUMN",
        "uploads.labels",
        "List of what a vision upstream saw: text, redacted; its counts of entities; confidence. Null before.",
    ),
]

V_PICTURE_LABELS: Final = SqlView(
    "v_picture_labels",
    "One row for a label that the vision upstream gave a redacted picture. A label is a guess.",
    {
        "upload_id": "UUID of the upload.",
        "session_id": "UUID of its session.",
        "kind": "What the app says that the picture shows.",
        "position": "1 for the most certain label of the picture.",
        "label": "What the picture shows, redacted.",
        "confidence": "How sure the upstream is, 0 to 1.",
        "redactions": "How many of which entity were replaced in the label.",
        "create_time": "When the picture was accepted, UTC.",
    },
    """SELECT id AS upload_id, session_id, kind, position, labels->>('$[' || (position - 1) || '].text') AS label,
        (labels->>('$[' || (position - 1) || '].confidence'))::DOUBLE AS confidence,
        labels->('$[' || (position - 1) || '].counts') AS redactions, create_time
    FROM uploads, unnest(range(1, json_array_length(labels)::BIGINT + 1)) AS places(position)""",
)


def labels_json(labels: Sequence[PictureLabel]) -> str:
    """The labels as their column has them."""
    return json.dumps(
        [{"text": each.text.value, "counts": each.text.counts, "confidence": each.confidence} for each in labels]
    )


def labels_of(stored: str | None) -> tuple[PictureLabel, ...] | None:
    """The labels of the column; None when it is null."""
    if stored is None:
        return None
    return tuple(
        PictureLabel(RedactedText.restore(each["text"], each["counts"], safe_for_llm=True), each["confidence"])
        for each in json.loads(stored)
    )
