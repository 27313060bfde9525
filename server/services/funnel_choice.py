"""What a request for a funnel asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import funnel_pb2

from server.analytics.funnel import FunnelChoice, Number, Ordering
from server.analytics.funnel_shape import Attempt, Condition, Exclusion, Shape, StepRule
from server.ledger import flows
from server.ledger.columns import Cursor
from server.rpc import convert

_ORDERINGS: Final[dict[int, Ordering]] = {
    funnel_pb2.FUNNEL_ORDER_STRICT: "strict",
    funnel_pb2.FUNNEL_ORDER_ANY: "any",
}
_ATTEMPTS: Final[dict[int, Attempt]] = {
    funnel_pb2.FUNNEL_ATTEMPT_FIRST: "first",
    funnel_pb2.FUNNEL_ATTEMPT_LAST: "last",
}
NUMBERS: Final[dict[int, Number]] = {
    funnel_pb2.FUNNEL_NUMBER_REACHED: Number.REACHED,
    funnel_pb2.FUNNEL_NUMBER_DROPPED: Number.DROPPED,
    funnel_pb2.FUNNEL_NUMBER_UNDER_WAY: Number.UNDER_WAY,
}
"""Numbers of stages. The rules of the proto refuse every other value but those of causes."""
OF_CAUSES: Final = frozenset({funnel_pb2.FUNNEL_NUMBER_AFFECTED, funnel_pb2.FUNNEL_NUMBER_LEFT})
"""Numbers of causes."""


def funnel_choice(
    request: funnel_pb2.GetReportRequest, pseudonym: Callable[[str], str], visible_to: str
) -> FunnelChoice:
    """The funnel and its sessions.

    Args:
        request: From when to when, of which client, and which steps.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
    """
    return FunnelChoice(
        start=convert.moment(request.start_time) if request.HasField("start_time") else None,
        end=convert.moment(request.end_time) if request.HasField("end_time") else None,
        client_id=request.client_id,
        pseudonym=pseudonym(request.client_id) if request.client_id else "",
        visible_to=visible_to,
        flow=request.flow,
        flow_version=request.flow_version,
        steps=tuple(request.steps),
        within=_time(request.window) if request.HasField("window") else None,
        ordering=_ORDERINGS.get(request.order, "ordered"),
        shape=Shape(
            tuple(map(_rule, request.step_rules)),
            tuple(Exclusion(found.name, found.after_position) for found in request.exclusions),
            _ATTEMPTS.get(request.attempt, "deepest"),
        ),
    )


def with_stages(
    cursor: Cursor, request: funnel_pb2.GetReportRequest, *, optional: bool = True
) -> funnel_pb2.GetReportRequest:
    """The request with the stages of its flow as its steps, where it names a flow and has no steps.

    Args:
        cursor: Of a read.
        request: The request. It is not changed.
        optional: Whether it has optional stages, too.

    Raises:
        NotFound: FLOW_NOT_FOUND.
    """
    if not request.flow:
        return request
    flow = flows.find(cursor, request.flow, request.flow_version)
    if request.steps:
        return request
    may_be_left_out = flow.optional_stages()
    stages = [stage for stage in flow.stages() if optional or stage not in may_be_left_out]
    whole = funnel_pb2.GetReportRequest()
    whole.CopyFrom(request)
    whole.steps.extend(stages)
    for position, stage in enumerate(stages, start=1):
        if stage in may_be_left_out:
            whole.step_rules.add(position=position, optional=True)
    return whole


def _rule(message: funnel_pb2.FunnelStepRule) -> StepRule:
    return StepRule(
        message.position,
        message.optional,
        _time(message.window) if message.HasField("window") else None,
        _condition(message.condition) if message.HasField("condition") else None,
    )


def _condition(message: funnel_pb2.FunnelCondition) -> Condition:
    return Condition(
        message.key,
        tuple(message.values),
        message.least if message.HasField("least") else None,
        message.most if message.HasField("most") else None,
    )


def _time(message: Duration) -> timedelta:
    return timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
