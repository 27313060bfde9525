"""The sessions behind the numbers of a cause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel import check_position
from server.funnel.affected import AffectedIds, read_affected
from server.funnel.recommendations import conditions_text
from server.ledger.columns import DuckDb
from server.ledger.long_reads import Reads
from server.ledger.types import Clock
from server.services.funnel_analysis import Analysis, selection_of
from server.services.funnel_choice import funnel_choice, with_stages
from server.services.funnel_conditions import condition_of

KEPT: Final = timedelta(minutes=1)
CAUSES_KEPT: Final = 2
"""Few, because each may have the ids of all sessions that the analysis looks at."""


class CauseSessions:
    """Reads the sessions of causes, one cause at a time. It keeps those of the last causes, as each has two lists.

    Args:
        clock: Says when they are too old.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[datetime, AffectedIds]] = {}

    async def read(
        self, ledger: Reads, key: bytes, fn: Callable[[DuckDb], AffectedIds], one_at_a_time: asyncio.Lock
    ) -> AffectedIds:
        """The sessions of a cause.

        Args:
            ledger: What is read.
            key: The same for both lists of the cause, and for those who see the same sessions.
            fn: Reads the table of the analysis, which takes seconds of a core.
            one_at_a_time: That of the analysis.
        """
        found = self._fresh().get(key)
        if found is None:
            async with one_at_a_time:
                found = self._fresh().get(key)  # another caller may have read it by now
                if found is None:
                    found = self._keep(key, await ledger.read(fn))
        return found[1]

    def _fresh(self) -> dict[bytes, tuple[datetime, AffectedIds]]:
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if now - kept[0] <= KEPT}
        return self._kept

    def _keep(self, key: bytes, found: AffectedIds) -> tuple[datetime, AffectedIds]:
        while len(self._kept) >= CAUSES_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = self._clock(), found
        return self._kept[key]


def affected_sessions(
    cursor: DuckDb,
    request: funnel_pb2.ListFunnelSessionsRequest,
    pseudonym: Callable[[str], str],
    visible_to: str,
    analysis: Analysis,
) -> AffectedIds:
    """The sessions of the cause whose conditions a request has, as its analysis counts them.

    Raises:
        InvalidInput: FUNNEL_POSITION_UNKNOWN, FUNNEL_FEATURE_UNKNOWN, FUNNEL_CONDITION_MISFIT.
        NotFound: FLOW_NOT_FOUND.
    """
    whole = funnel_choice(with_stages(cursor, request.report), pseudonym, visible_to)
    choice = funnel_choice(with_stages(cursor, request.report, optional=False), pseudonym, visible_to)
    check_position(whole, request.position)
    stage, watched = whole.names()[request.position - 1], analysis.watched()
    if stage not in choice.names()[1:]:
        raise InvalidInput(
            "The analysis looks for no causes at this position.",
            reason=Reason.FUNNEL_POSITION_UNKNOWN,
            hint="Take the position as the evidence of the report has it.",
        )
    return read_affected(
        cursor,
        choice.names().index(stage),
        tuple(map(condition_of, request.conditions)),
        selection_of(choice),
        steps=choice.analyzed(),
        now=watched.now,
        idle=watched.idle,
    )


def conditions_in_words(request: funnel_pb2.ListFunnelSessionsRequest, analysis: Analysis) -> str:
    """The conditions of a request in the language of its report; empty without any."""
    return conditions_text(tuple(map(condition_of, request.conditions)), analysis.texts_in(request.report.language))
