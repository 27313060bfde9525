"""The job that proposes a record in place of one that an upload, which was read late, has superseded."""

from __future__ import annotations

from contextlib import suppress

from models.errors import Conflict
from models.reasons import Reason
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.types import JobRow, SessionState
from server.ledger.writer import Ledger
from server.records.proposal_jobs import PROPOSE_AGAIN
from server.records.recommender import Recommender

_WAIT_S = 30.0
"""Longest wait for the other uploads of a session, and for labels of pictures."""


class ProposeAgain(Handler):
    """Proposes a record, unless anything else has happened to the session: then its app is there, and asks itself."""

    kind = PROPOSE_AGAIN
    deadline_s = 300.0

    def __init__(self, ledger: Ledger, recommender: Recommender) -> None:
        self._ledger = ledger
        self._recommender = recommender

    async def run(self, job: JobRow) -> Completion[None]:
        """See ``Handler``."""

        def check(cursor: Cursor) -> None:
            session = sessions.get(cursor, job.session_id)
            if session.state is not SessionState.IN_PROGRESS or session.update_time > job.create_time:
                raise Conflict("Something has happened since.", reason=Reason.WRONG_STATE)

        with suppress(Conflict):  # also where the model insists on a record that was sent back
            await self._ledger.read(check)
            await self._recommender.propose(job.session_id, fallback=True, wait_s=_WAIT_S, check=check)
        return NOTHING
