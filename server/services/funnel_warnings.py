"""What a request for a funnel names that nothing has. It counts nothing, and may be misspelt."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from google.protobuf.message import Message
from vestibule.v1 import funnel_pb2

from server.analytics.known_names import Name, NameKind, UnknownName, most_like, unknown_names
from server.funnel.report import UnknownName as UnknownOfReport
from server.ledger.columns import Cursor
from server.ledger.types import SessionState

_KINDS: Final[dict[NameKind, tuple[funnel_pb2.FunnelNameKind.ValueType, str]]] = {
    "event": (funnel_pb2.FUNNEL_NAME_KIND_EVENT, "No session has this event."),
    "key": (funnel_pb2.FUNNEL_NAME_KIND_KEY, "No event of the step has a property of this key."),
    "client": (funnel_pb2.FUNNEL_NAME_KIND_CLIENT, "No session has this client."),
    "group": (funnel_pb2.FUNNEL_NAME_KIND_GROUP, "The report has no group of this value."),
}
_OF_APP: Final = "No event of an app has a property of this key."
_NUMBER: Final = "No event of an app has a number under this key."
_PART: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")
"""Of a path such as ``step_rules[0].condition.key``."""
_STAGES: Final = frozenset(SessionState)
_VALUE: Final = funnel_pb2.FUNNEL_SEGMENT_KIND_VALUE
_NO_VALUE: Final = funnel_pb2.FUNNEL_SEGMENT_KIND_NONE


def list_warnings(
    cursor: Cursor,
    request: funnel_pb2.ListFunnelSessionsRequest,
    pseudonym: Callable[[str], str],
    visible_to: str,
    report: Callable[[], funnel_pb2.GetReportResponse],
) -> list[funnel_pb2.FunnelWarning]:
    """The names that nothing has, for a list without sessions; if it has all of them, a group that its report has not.

    Args:
        cursor: Of a read.
        request: The request.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        visible_to: The client of the caller; empty for every client.
        report: Counts the report.
    """
    found = name_warnings(cursor, request.report, None, pseudonym, visible_to)
    for warning in found:
        warning.field = f"report.{warning.field}"
    return found or (_group_warnings(request, report()) if request.segment.kind == _VALUE else [])


def name_warnings(
    cursor: Cursor,
    request: funnel_pb2.GetReportRequest,
    report: funnel_pb2.GetReportResponse | None,
    pseudonym: Callable[[str], str],
    visible_to: str,
) -> list[funnel_pb2.FunnelWarning]:
    """The names that nothing has.

    Args:
        cursor: Of a read.
        request: The request.
        report: Its report: only names for which it has counted nothing are looked up. None looks up all.
        pseudonym: What the server calls a client of tokens, from the id that its issuer gave it.
        visible_to: The client of the caller; empty for every client.
    """
    names = [*_of_sessions(request, report, pseudonym), *_of_steps(request, report), *_of_details(request, report)]
    unknown = unknown_names(cursor, names, visible_to)
    events = {found.name.text for found in unknown if found.name.kind == "event"}
    return [_message(found) for found in unknown if found.name.event not in events]


def named_in(request: Message, warning: funnel_pb2.FunnelWarning) -> str:
    """The name that a warning is about, from the request that has it."""
    found: Any = request
    for name, place in _PART.findall(warning.field):
        found = getattr(found, name)
        found = found[int(place)] if place else found
    return str(found)


def unknown_in(request: Message, warnings: Iterable[funnel_pb2.FunnelWarning]) -> Iterator[UnknownOfReport]:
    """The names that nothing has, as a report tells them."""
    kinds = {number: kind for kind, (number, _) in _KINDS.items()}
    for warning in warnings:
        if warning.kind in kinds:  # A newer server may know names of other kinds.
            yield UnknownOfReport(kinds[warning.kind], named_in(request, warning), warning.suggestion)


def absent_events(cursor: Cursor, names: Iterable[str], visible_to: str) -> set[str]:
    """Those of some steps that are events which no session has.

    Args:
        cursor: Of a read.
        names: Of events or stages.
        visible_to: The client of the caller; empty for every client.
    """
    events = [Name("event", "", name) for name in names if name not in _STAGES]
    return {found.name.text for found in unknown_names(cursor, events, visible_to)}


def _group_warnings(
    request: funnel_pb2.ListFunnelSessionsRequest, report: funnel_pb2.GetReportResponse
) -> list[funnel_pb2.FunnelWarning]:
    values = [segment.key.value for segment in report.segments if segment.key.kind == _VALUE]
    if request.segment.value in values:
        return []
    name = Name("group", "segment.value", request.segment.value)
    return [_message(UnknownName(name, most_like(name.text, values)))]


def _of_sessions(
    request: funnel_pb2.GetReportRequest,
    report: funnel_pb2.GetReportResponse | None,
    pseudonym: Callable[[str], str],
) -> Iterator[Name]:
    if request.client_id and (report is None or not report.stages[0].session_count):
        yield Name("client", "client_id", request.client_id, pseudonym=pseudonym(request.client_id))


def _of_steps(request: funnel_pb2.GetReportRequest, report: funnel_pb2.GetReportResponse | None) -> Iterator[Name]:
    counted = [stage.session_count for stage in report.stages] if report and request.steps else [0] * len(request.steps)
    if request.order == funnel_pb2.FUNNEL_ORDER_ANY:
        counted = [min(counted)] * len(counted)  # the last number counts the sessions with all of the steps
    for position, step in enumerate(request.steps):
        if step not in _STAGES and not counted[position]:
            yield Name("event", f"steps[{position}]", step)
    for number, rule in enumerate(request.step_rules):
        if rule.HasField("condition") and not counted[rule.position - 1]:
            event = request.steps[rule.position - 1]
            yield Name("key", f"step_rules[{number}].condition.key", rule.condition.key, event)
    for number, exclusion in enumerate(request.exclusions):
        if exclusion.name not in _STAGES:
            yield Name("event", f"exclusions[{number}].name", exclusion.name)


def _of_details(request: funnel_pb2.GetReportRequest, report: funnel_pb2.GetReportResponse | None) -> Iterator[Name]:
    by, value = request.breakdown, request.value
    keys = [segment.key for segment in report.segments] if report else []
    if by.by == funnel_pb2.FUNNEL_DIMENSION_EVENT:
        if by.key not in _STAGES and not any(key.value == "true" for key in keys):
            yield Name("event", "breakdown.key", by.key)
    elif by.by == funnel_pb2.FUNNEL_DIMENSION_PROPERTY and all(key.kind == _NO_VALUE for key in keys):
        yield Name("key", "breakdown.key", by.key, _event_of(request, by.attribution), of_app=True)
    if value.key and not (report and any(stage.value.session_count for stage in report.stages)):
        yield Name("key", "value.key", value.key, _event_of(request, value.attribution), of_app=True, of_number=True)


def _event_of(request: funnel_pb2.GetReportRequest, attribution: funnel_pb2.FunnelAttribution) -> str:
    """The step whose events have the value; empty for any event of an app."""
    if not request.steps or not attribution.position:
        return ""
    return request.steps[attribution.position - 1]


def _message(found: UnknownName) -> funnel_pb2.FunnelWarning:
    kind, description = _KINDS[found.name.kind]
    description = _OF_APP if found.name.of_app else description
    description = _NUMBER if found.name.of_number else description
    return funnel_pb2.FunnelWarning(
        kind=kind, field=found.name.field, description=description, suggestion=found.suggestion
    )
