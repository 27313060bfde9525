"""Messages about declared events, and about what does not fit them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from vestibule.v1 import funnel_pb2

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from server.flows.app_events import Declaration, DeclaredProperty, PropertyKind
from server.records.declared_events import DeclarationChange
from server.records.event_values import EventProblem, GivenEvent

MOST_PROBLEMS: Final = 100
"""In one reply."""
_PREFIX: Final = "PROPERTY_KIND_"
_TWICE: Final = "is there twice"


def given_events(batch: Iterable[funnel_pb2.AppEvent]) -> list[GivenEvent]:
    """What is read of each event by its declaration."""
    return [GivenEvent(item.session_id.lower(), item.name, dict(item.properties)) for item in batch]


def problem_messages(
    problems: Sequence[EventProblem], batch: Sequence[funnel_pb2.AppEvent]
) -> list[funnel_pb2.EventProblem]:
    """What is told of them; the first ones of very many."""
    return [
        funnel_pb2.EventProblem(
            event_id=batch[problem.index].event_id,
            key=problem.key,
            description=problem.description,
            refused=problem.refused,
        )
        for problem in problems[:MOST_PROBLEMS]
    ]


def declaration_of(events: Sequence[funnel_pb2.DeclaredEvent]) -> Declaration:
    """The declaration of a request.

    Raises:
        InvalidInput: EVENT_DECLARATION_INVALID.
    """
    wrong = list(_violations(events))
    if wrong:
        raise InvalidInput(
            "The declaration of events contradicts itself.",
            reason=Reason.EVENT_DECLARATION_INVALID,
            violations=tuple(wrong),
        )
    return {
        event.name: {given.key: DeclaredProperty(_kind(given.kind), tuple(given.values)) for given in event.properties}
        for event in events
    }


def _violations(events: Sequence[funnel_pb2.DeclaredEvent]) -> Iterator[FieldViolation]:
    names: set[str] = set()
    for at, event in enumerate(events):
        if event.name in names:
            yield FieldViolation(f"events[{at}].name", _TWICE)
        names.add(event.name)
        keys: set[str] = set()
        for within, given in enumerate(event.properties):
            path = f"events[{at}].properties[{within}]"
            if given.key in keys:
                yield FieldViolation(f"{path}.key", _TWICE)
            keys.add(given.key)
            if len(set(given.values)) < len(given.values):
                yield FieldViolation(f"{path}.values", "must be different")
            if bool(given.values) != (given.kind == funnel_pb2.PROPERTY_KIND_ENUMERATION):
                yield FieldViolation(f"{path}.values", "must be there for an enumeration, and for no other kind")


def _kind(value: funnel_pb2.PropertyKind.ValueType) -> PropertyKind:
    return PropertyKind(funnel_pb2.PropertyKind.Name(value).removeprefix(_PREFIX).lower())


def _kind_value(kind: PropertyKind) -> funnel_pb2.PropertyKind.ValueType:
    return funnel_pb2.PropertyKind.Value(f"{_PREFIX}{kind.upper()}")


def changes_message(changes: Iterable[DeclarationChange]) -> funnel_pb2.DeclareEventsResponse:
    """What a declaration changes."""
    return funnel_pb2.DeclareEventsResponse(
        changes=[
            funnel_pb2.DeclarationChange(name=one.name, key=one.key, before=one.before, after=one.after)
            for one in changes
        ]
    )


def declarations_message(found: Mapping[str, Declaration]) -> funnel_pb2.ListDeclaredEventsResponse:
    """What clients have declared."""
    return funnel_pb2.ListDeclaredEventsResponse(
        declarations=[
            funnel_pb2.ClientDeclaration(client_id=client_id, events=_events(declaration))
            for client_id, declaration in found.items()
        ]
    )


def _events(declaration: Declaration) -> Iterator[funnel_pb2.DeclaredEvent]:
    for name, properties in declaration.items():
        listed = [
            funnel_pb2.DeclaredProperty(key=key, kind=_kind_value(given.kind), values=given.values)
            for key, given in properties.items()
        ]
        yield funnel_pb2.DeclaredEvent(name=name, properties=listed)
