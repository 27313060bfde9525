"""The job that proposes a record in place of one that an upload, which was read late, has superseded."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from models.errors import Conflict, Unavailable
from models.reasons import Reason
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, JobRow, RecommendationState, SessionRow, SessionState
from server.records.proposal_jobs import PROPOSE_AGAIN
from server.records.recommender import Recommender

_WAIT_S: Final = 30.0
"""Longest wait for the other uploads of a session, and for labels of pictures."""

_LEAST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 600.0
"""Bounds of the wait for a pause of somebody who goes on."""


class ProposeAgain(Handler):
    """Proposes a record, unless one was proposed since: by its app, or by another job.

    While more comes in during each attempt, it tries again, each time after a wait as long as the job is old.
    """

    kind = PROPOSE_AGAIN
    deadline_s = 300.0

    def __init__(self, ledger: Ledger, recommender: Recommender, clock: Clock) -> None:
        self._ledger = ledger
        self._recommender = recommender
        self._clock = clock

    async def run(self, job: JobRow) -> Completion[None]:
        """See ``Handler``.

        Raises:
            Unavailable: PROPOSAL_OUTDATED.
        """

        def check(cursor: Cursor) -> None:
            if _is_done(sessions.get(cursor, job.session_id), job):
                raise Conflict("A record was proposed since.", reason=Reason.WRONG_STATE)

        with suppress(Conflict):  # also where the model insists on a record that was sent back
            await self._ledger.read(check)
            row = await self._recommender.propose(job.session_id, fallback=True, wait_s=_WAIT_S, check=check)
            if row.state is RecommendationState.SUPERSEDED:
                raise self._outdated(job)
        return NOTHING

    def _outdated(self, job: JobRow) -> Unavailable:
        age_s = (self._clock() - job.create_time).total_seconds()
        return Unavailable(
            "More came in while the record was being written.",
            reason=Reason.PROPOSAL_OUTDATED,
            retry_after_s=min(max(age_s, _LEAST_PAUSE_S), _LONGEST_PAUSE_S),
        )


def _is_done(session: SessionRow, job: JobRow) -> bool:
    """Whether a record was proposed since the upload was read, or the session has ended.

    A session leaves IN_PROGRESS with a record of everything that it holds, or for good. So one that has come back since
    had a record with the upload in it.
    """
    since = session.stage_time or session.create_time
    return session.state is not SessionState.IN_PROGRESS or since > job.create_time
