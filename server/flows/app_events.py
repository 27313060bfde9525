"""Declared events of apps: their names, their keys, and the kind of each value, as files have them.

A file of ``vestibule events declare`` and the key ``events`` of a flow file have the same form, which is checked here.
The rules are those of ``DeclaredEvent`` in the protos; a test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field

from models.errors import FieldViolation

MOST_EVENTS: Final = 500
MOST_PROPERTIES: Final = 50
"""Of one event."""
MOST_VALUES: Final = 2000
"""Of one enumeration."""
NAME_PATTERN: Final = r"^[a-z][a-z0-9_]{0,63}$"
VALUE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9 ._:/+-]{0,63}$"

_NAME: Final = re.compile(NAME_PATTERN.strip("^$"))
_VALUE: Final = re.compile(VALUE_PATTERN.strip("^$"))
_A_NAME: Final = "must be 1 to 64 small letters, digits and underscores, a letter first"
_A_VALUE: Final = "must be 1 to 64 letters, digits, spaces or ._:/+-, the first a letter or a digit"
_A_WORD: Final = "must be a word; put it into quotation marks"


class PropertyKind(StrEnum):
    """What a value is."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    ENUMERATION = "enumeration"
    TIME = "time"
    CODE = "code"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class DeclaredProperty:
    """One property of an event.

    Attributes:
        values: Of an enumeration, in the order of the declaration; empty for every other kind.
    """

    kind: PropertyKind
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a file of declarations has it."""
        return f"[{', '.join(self.values)}]" if self.kind is PropertyKind.ENUMERATION else self.kind.value


Declaration = Mapping[str, Mapping[str, DeclaredProperty]]
"""Events by name; of each the properties by key."""

NamedKind = Literal["number", "boolean", "time", "code", "text"]
KINDS: Final[tuple[str, ...]] = get_args(NamedKind)
"""Kinds by name. A list of values is an enumeration."""

_Name = Annotated[str, Field(pattern=NAME_PATTERN)]
_Values = Annotated[list[Annotated[str, Field(pattern=VALUE_PATTERN)]], Field(min_length=1, max_length=MOST_VALUES)]


def _checked(given: object) -> object:
    """What a file has, if it has the form. Pydantic tells what is no mapping."""
    if isinstance(given, dict) and (wrong := list(violations(given))):
        raise ValueError("they do not fit: " + "; ".join(f"{found.field} {found.description}" for found in wrong))
    return given


AppEvents = Annotated[
    dict[_Name, Annotated[dict[_Name, NamedKind | _Values], Field(max_length=MOST_PROPERTIES)] | None],
    Field(max_length=MOST_EVENTS),
    BeforeValidator(_checked),
]
"""Events by name; of each the properties by key, with a kind or the values of an enumeration."""


def declaration_of(events: Mapping[str, Mapping[str, str | list[str]] | None]) -> Declaration:
    """The declaration that a file has, which has no violations."""
    return {
        name: {key: _declared(kind) for key, kind in (properties or {}).items()} for name, properties in events.items()
    }


def _declared(kind: str | list[str]) -> DeclaredProperty:
    if isinstance(kind, str):
        return DeclaredProperty(PropertyKind(kind))
    return DeclaredProperty(PropertyKind.ENUMERATION, tuple(kind))


def violations(events: Mapping[Any, Any]) -> Iterator[FieldViolation]:
    """Everything that is wrong with events as YAML gave them, with places such as ``form_sent.amount``."""
    if len(events) > MOST_EVENTS:
        yield FieldViolation("events", f"must be {MOST_EVENTS} at most")
    for name, properties in events.items():
        yield from _wrong_name(name, str(name))
        if not isinstance(properties, dict | None):
            yield FieldViolation(str(name), "must be empty, or have its properties by key below it")
            continue
        if len(properties or {}) > MOST_PROPERTIES:
            yield FieldViolation(str(name), f"must have {MOST_PROPERTIES} properties at most")
        for key, kind in (properties or {}).items():
            path = f"{name}.{key}"
            yield from _wrong_name(key, path)
            yield from _wrong_kind(kind, path)


def _wrong_name(name: Any, path: str) -> Iterator[FieldViolation]:
    if not isinstance(name, str):
        yield FieldViolation(path, _A_WORD)
    elif not _NAME.fullmatch(name):
        yield FieldViolation(path, _A_NAME)


def _wrong_kind(kind: Any, path: str) -> Iterator[FieldViolation]:
    if not isinstance(kind, list):
        if kind not in KINDS:
            yield FieldViolation(path, f"must be {', '.join(KINDS)} or a list of values")
        return
    if not kind:
        yield FieldViolation(path, "must have values")
    if len(kind) > MOST_VALUES:
        yield FieldViolation(path, f"must have {MOST_VALUES} values at most")
    words = [value for value in kind if isinstance(value, str)]
    if len(set(words)) < len(words):
        yield FieldViolation(path, "must have different values")
    for number, value in enumerate(kind, start=1):
        if not isinstance(value, str):
            yield FieldViolation(path, f"value {number} is read as {_read_as(value)}: it {_A_WORD}")
        elif not _VALUE.fullmatch(value):
            yield FieldViolation(f"{path}.{value}", _A_VALUE)


def _read_as(value: Any) -> str:
    """What YAML made of a word without quotation marks, such as true of `yes`."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return "a list or a map" if isinstance(value, list | dict) else str(value)
