"""Which weights an operator chose for the recognition of speech. All servers on the ledger follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.ledger.columns import Cursor, aware_or_none, fetch_one, stored_time
from server.ledger.table_schema import TableSchema

SPEECH_MODELS: Final = TableSchema(
    "speech_models",
    "One row once an operator has chosen weights; none before.",
    (
        ("kind", "VARCHAR PRIMARY KEY", "Kind of worker: speech."),
        ("weights", "VARCHAR NOT NULL", "Weights of finals and recordings; empty for those of the settings."),
        ("candidate", "VARCHAR NOT NULL", "Weights that get a share of the finals, to compare; empty for none."),
        ("share", "DOUBLE NOT NULL", "Share of the finals that the candidate gets, 0 to 1."),
        ("update_time", "TIMESTAMP NOT NULL", "When it was chosen last, UTC. The audit says by whom."),
    ),
)

_KIND: Final = "speech"


@dataclass(frozen=True, slots=True)
class SpeechModelsRow:
    """The columns of ``SPEECH_MODELS``; without a row the settings count.

    Attributes:
        update_time: None where nothing was ever chosen.
    """

    weights: str = ""
    candidate: str = ""
    share: float = 0.0
    update_time: datetime | None = None


def load(cursor: Cursor) -> SpeechModelsRow:
    """What was chosen last."""
    row = fetch_one(cursor, "SELECT * FROM speech_models WHERE kind = ?", [_KIND])
    if row is None:
        return SpeechModelsRow()
    return SpeechModelsRow(row["weights"], row["candidate"], row["share"], aware_or_none(row["update_time"]))


def store(cursor: Cursor, row: SpeechModelsRow, now: datetime) -> None:
    """Store what is chosen now; ``update_time`` of the row is not read."""
    cursor.execute(
        """INSERT INTO speech_models (kind, weights, candidate, share, update_time) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (kind) DO UPDATE SET weights = excluded.weights, candidate = excluded.candidate,
            share = excluded.share, update_time = excluded.update_time""",
        [_KIND, row.weights, row.candidate, row.share, stored_time(now)],
    )
