"""The sessions behind the numbers of a cause."""

from __future__ import annotations

from collections.abc import Callable

from vestibule.v1 import funnel_pb2

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel import check_position
from server.funnel.affected import AffectedIds, read_affected
from server.funnel.recommendations import conditions_text
from server.ledger.columns import Cursor
from server.services.funnel_analysis import Analysis, selection_of
from server.services.funnel_choice import funnel_choice, with_stages
from server.services.funnel_conditions import condition_of


def affected_sessions(
    cursor: Cursor,
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
