"""Files of declared events: read for `vestibule events declare`, and written by `vestibule events show`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import DeclaredEvent, DeclaredProperty

LONGEST_SHOWN: Final = 60
MAX_FILE_BYTES: Final = 1024 * 1024
_PLACE: Final = re.compile(r"events\[(\d+)\](?:\.properties\[(\d+)\])?(?:\.values\[(\d+)\])?(?:\.(?:name|key|values))?")
_HINT: Final = "docs/operating/events.md shows a whole file."


def read_events_file(path: Path) -> list[DeclaredEvent]:
    """The events of a file.

    Raises:
        InvalidInput: EVENTS_FILE_INVALID, with every place that is wrong.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _invalid(f"The file has more than {MAX_FILE_BYTES} bytes.")
        text = content.decode("utf-8")
    except OSError as error:
        raise _invalid(f"The file cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise _invalid("The file cannot be read: it is not UTF-8.") from None
    return parse_events(text)


def parse_events(text: str) -> list[DeclaredEvent]:
    """The events of the text of a file.

    Raises:
        InvalidInput: EVENTS_FILE_INVALID, with every place that is wrong.
    """
    whole = _loaded(text)
    if whole == {"events": None}:
        raise _invalid("There is nothing below `events`. Write `events: {}` to declare no events.")
    if not isinstance(whole, dict) or list(whole) != ["events"] or not isinstance(whole["events"], dict):
        raise _invalid("The file must have the one key `events`, with the events by name below it.")
    from server.flows.app_events import violations

    if wrong := [FieldViolation(f"events.{found.field}", found.description) for found in violations(whole["events"])]:
        raise _invalid("The file does not have the form of declared events.", wrong)
    return [_event(name, properties or {}) for name, properties in whole["events"].items()]


def _loaded(text: str) -> Any:
    import yaml

    from models.strict_yaml import load_strictly, where_wrong

    try:
        return load_strictly(text)
    except yaml.YAMLError as error:
        raise _invalid(f"The file is no YAML{where_wrong(error)}.") from None


def in_file(text: str, events: Sequence[DeclaredEvent]) -> str:
    """A text with places as the file has them, in place of those of a request: `events.form_sent.amount`."""

    def named(found: re.Match[str]) -> str:
        event = events[int(found[1])]
        given = event.properties[int(found[2])] if found[2] else None
        words = ["events", event.name]
        if given is not None:
            words += [given.key, *([given.values[int(found[3])]] if found[3] else [])]
        return ".".join(words)

    return _PLACE.sub(named, text)


def _event(name: str, properties: dict[str, Any]) -> DeclaredEvent:
    from vestibule.v1 import funnel_pb2

    return funnel_pb2.DeclaredEvent(name=name, properties=[_property(key, kind) for key, kind in properties.items()])


def _property(key: str, kind: str | list[str]) -> DeclaredProperty:
    from vestibule.v1 import funnel_pb2

    if isinstance(kind, list):
        return funnel_pb2.DeclaredProperty(key=key, kind=funnel_pb2.PROPERTY_KIND_ENUMERATION, values=kind)
    return funnel_pb2.DeclaredProperty(key=key, kind=funnel_pb2.PropertyKind.Value(f"PROPERTY_KIND_{kind.upper()}"))


def kind_name(given: DeclaredProperty) -> str:
    """The kind of a property as the file has it."""
    from vestibule.v1 import funnel_pb2

    if given.kind == funnel_pb2.PROPERTY_KIND_ENUMERATION:
        return f"[{', '.join(map(_scalar, given.values))}]"
    return funnel_pb2.PropertyKind.Name(given.kind).removeprefix("PROPERTY_KIND_").lower()


def shortened(kind: str) -> str:
    """A kind for a table, whose widest cell gives each line its width. ``vestibule events show`` has all values."""
    return kind if len(kind) <= LONGEST_SHOWN else f"{kind[: LONGEST_SHOWN - 4]}...]"


def events_text(events: Iterable[DeclaredEvent]) -> str:
    """The events as the text of a file."""
    lines = ["events:"]
    for event in events:
        lines.append(f"  {_scalar(event.name)}:")
        lines += [f"    {_scalar(given.key)}: {kind_name(given)}" for given in event.properties]
    return "\n".join(lines)


def _scalar(word: str) -> str:
    """A word in YAML, in quotation marks if YAML would read it as something else, such as `no` or `2026-11-27`."""
    import yaml

    try:
        plain = yaml.safe_load(f"[{word}]") == [word]
    except (yaml.YAMLError, ValueError):
        plain = False
    return word if plain else f"'{word}'"


def _invalid(message: str, wrong: Iterable[FieldViolation] = ()) -> InvalidInput:
    return InvalidInput(message, reason=Reason.EVENTS_FILE_INVALID, hint=_HINT, violations=tuple(wrong))
