"""The properties of an event: typed values as the app sent them, and redacted text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as in_json
from typing import Any, Final, NamedTuple

from models.text import RedactedText
from server.ledger.columns import Row

_KIND: Final = "kind"


class TypedValue(NamedTuple):
    """A value that its client declared as a number, a boolean, a time, a code or one word of an enumeration.

    It fits its kind, and is stored as it came. A batch makes up to 10,000 of them.

    Attributes:
        value: As the app wrote it; of a number, digits that JSON takes as they are.
        kind: For a value that JSON writes in quotation marks, what it is: ``time``, ``code`` or ``enumeration``.
            Empty for a number or a boolean, which JSON itself tells apart from text.
    """

    value: str
    kind: str = ""

    @property
    def json(self) -> str:
        """The value in JSON. No digit of a number is lost, which a float would do."""
        return in_json(self.value) if self.kind else self.value


PropertyValue = RedactedText | TypedValue


def properties_columns(properties: Mapping[str, PropertyValue]) -> Row:
    """The two columns of an event's properties."""
    meta = []
    pairs = []
    for name, value in properties.items():
        if isinstance(value, TypedValue):
            pairs.append(f"{in_json(name)}: {value.json}")
            if value.kind:
                meta.append(_kind_of(name, value.kind))
        else:
            pairs.append(f"{in_json(name)}: {in_json(value.value)}")
            if value.counts or not value.safe_for_llm:
                found = json.dumps({"counts": value.counts, "safe": value.safe_for_llm})
                meta.append(f"{in_json(name)}: {found}")
    return {"properties": f"{{{', '.join(pairs)}}}", "properties_meta": f"{{{', '.join(meta)}}}"}


@lru_cache(maxsize=1024)
def _kind_of(name: str, kind: str) -> str:
    """What a property is. The same few come with every event."""
    return f'{in_json(name)}: {{"{_KIND}": "{kind}"}}'


def properties_of(row: Row) -> dict[str, PropertyValue]:
    """The properties of an event from its two columns."""
    meta: dict[str, dict[str, Any]] = json.loads(row["properties_meta"])
    stored = json.loads(row["properties"], parse_int=TypedValue, parse_float=TypedValue)
    return {name: _property(value, meta.get(name, {})) for name, value in stored.items()}


def _property(value: str | bool | TypedValue, meta: dict[str, Any]) -> PropertyValue:
    if isinstance(value, TypedValue):
        return value
    if isinstance(value, bool):
        return TypedValue("true" if value else "false")
    if _KIND in meta:
        return TypedValue(value, meta[_KIND])
    return RedactedText.restore(value, meta.get("counts", {}), safe_for_llm=meta.get("safe", True))
