"""The checker's answer: its schema, and what is read from it. What does not fit it is no answer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import jsonschema

from server.llm.record_schema import clean, parsed_answer, strict_form
from server.llm.types import FieldVerdict, Verdict

MAX_CHECK_BYTES: Final = 64 * 1024

CHECK_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["verdicts"],
    "properties": {
        "verdicts": {
            "type": "array",
            "maxItems": 80,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["field", "verdict", "source_id", "other_value"],
                "properties": {
                    "field": {"type": "string", "maxLength": 64},
                    "verdict": {"type": "string", "enum": list(Verdict)},
                    "source_id": {"type": "string", "maxLength": 64},
                    "other_value": {"type": "string", "maxLength": 2000},
                },
            },
        },
    },
}
"""JSON Schema (2020-12) of the answer. What goes to the upstream is ``check_wire_schema``."""

_RULES: Final = jsonschema.Draft202012Validator(CHECK_SCHEMA)
_WORST_FIRST: Final = (Verdict.CONTRADICTED, Verdict.UNSURE, Verdict.SUPPORTED)


def check_wire_schema(source_ids: Collection[str], names: Collection[str]) -> dict[str, Any]:
    """The schema for ``response_format``, with the fields and the sources that there are."""
    schema = strict_form(CHECK_SCHEMA)
    properties = schema["properties"]["verdicts"]["items"]["properties"]
    properties["field"]["enum"] = list(names)
    properties["source_id"]["enum"] = ["", *sorted(set(source_ids))]
    return schema


def verdicts_from_model(text: str, names: Collection[str]) -> dict[str, FieldVerdict]:
    """Read the checker's answer. Of several words about a field the worst counts; other fields are left out.

    Raises:
        InvalidInput: It does not fit the schema; the message names the rule, never the content.
    """
    found: dict[str, FieldVerdict] = {}
    for item in parsed_answer(text, _RULES, MAX_CHECK_BYTES)["verdicts"]:
        word = FieldVerdict(Verdict(item["verdict"]), item["source_id"], clean(item["other_value"]))
        known = found.get(item["field"], word)
        if item["field"] in names:
            found[item["field"]] = min(known, word, key=lambda each: _WORST_FIRST.index(each.verdict))
    return found
