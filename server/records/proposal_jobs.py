"""The jobs that propose a record in the background."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from server.ledger import jobs
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.types import RecommendationRow, UploadRow

PROPOSE_RECORD: Final = "propose_record"
"""Kind of the job that replaces a record of the fallback."""

PROPOSE_AGAIN: Final = "propose_again"
"""Kind of the job that proposes a record after an upload was read late."""


def replace_later(cursor: Cursor, row: RecommendationRow, now: datetime) -> None:
    """Accept that the upstream is asked for a record in place of one that the fallback wrote."""
    payload = {"recommendation_id": row.id}
    jobs.enqueue(cursor, new_job(PROPOSE_RECORD, f"{PROPOSE_RECORD}:{row.id}", row.session_id, payload, "llm_api", now))


def propose_again_later(cursor: Cursor, upload: UploadRow, now: datetime) -> None:
    """Accept that a record is proposed in place of one that an upload has superseded."""
    jobs.enqueue(cursor, new_job(PROPOSE_AGAIN, f"{PROPOSE_AGAIN}:{upload.id}", upload.session_id, {}, "llm_api", now))
