"""The job that asks the remote LLM again for a record that the fallback had to write."""

from __future__ import annotations

from typing import Any

from models.errors import Conflict
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger.transactional import Ledger
from server.ledger.types import JobRow, RecommendationRow
from server.records.proposal_jobs import PROPOSE_RECORD
from server.records.recommender import Recommender


class ProposeRecord(Handler):
    """Replaces the record of the fallback by the remote LLM's, while nobody has decided on it."""

    kind = PROPOSE_RECORD

    def __init__(self, ledger: Ledger, recommender: Recommender) -> None:
        self._ledger = ledger
        self._recommender = recommender

    async def run(self, job: JobRow) -> Completion[Any]:
        """See ``Handler``."""
        pending_id = job.payload["recommendation_id"]
        if not await self._ledger.read(lambda cursor: self._recommender.may_replace(cursor, pending_id)):
            return NOTHING
        try:
            better = await self._recommender.build(job.session_id, retry=job.attempts > 1)
        except Conflict:
            return NOTHING  # the session has ended meanwhile

        async def after(row: RecommendationRow | None) -> None:
            if row is not None:
                self._recommender.publish(row)

        return Completion(lambda cursor: self._recommender.replace_fallback(cursor, pending_id, better), after)
