"""Writes the reference of flow files from their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from server.flows.json_schema import flow_schema

Schema = Mapping[str, Any]

INTRO: Final = """
A flow file is YAML and says what one onboarding asks, checks and approves; [Flows](../concepts/flows.md) explains it
with examples. `vestibule flows schema` prints this as JSON Schema (2020-12) for editors, and `vestibule flows check
FILE` checks a file. A key without a default must be given. A *text* is a string in the first of the `languages`, or one
for each: `{en: ..., de: ...}`; *words* are a list, or a list for each language.
"""

_FIELDS: Final = {
    "TextField": "text",
    "NumberField": "number",
    "ChoiceField": "choice",
    "YesNoField": "yes_no",
    "DateField": "date",
    "TimeField": "time",
    "CodeField": "code",
    "PersonalField": "personal",
    "PhotoField": "photo",
}
_PARTS: Final = {
    "Option": "An option of a choice",
    "Condition": "A condition",
    "OtherField": "The value of another field",
    "Check": "A check",
    "Fact": "A fact",
    "Approval": "approval",
    "AssistantPart": "assistant",
    "RecordPart": "record",
    "Funnel": "funnel",
    "RetentionPart": "retention",
}


def flow_file_parts() -> Iterator[str]:
    """The sections of the page."""
    schema = flow_schema()
    parts: Schema = schema["$defs"]
    yield _section("The file", schema)
    yield _section("A step", parts["Step"])
    common = dict.fromkeys(set.intersection(*(set(parts[name]["properties"]) for name in _FIELDS)) - {"kind"})
    text = parts["TextField"]
    shared = {**text, "description": "", "properties": {k: v for k, v in text["properties"].items() if k in common}}
    yield _section("A field: what all kinds have", shared)
    for name, kind in _FIELDS.items():
        part = parts[name]
        own = {key: value for key, value in part["properties"].items() if key not in common and key != "kind"}
        yield _section(f"kind: {kind}", {**part, "properties": own})
    for name, title in _PARTS.items():
        yield _section(title, parts[name])


def _section(title: str, schema: Schema) -> str:
    told = " ".join(str(schema.get("description", "")).replace("``", "`").split())
    rows = [
        f"| `{name}` | {_type(value)} | {_default(value, name in schema.get('required', ()))} | "
        f"{' '.join(value.get('description', '').split())} |"
        for name, value in schema["properties"].items()
    ]
    table = (
        ["| key | value | default | what |", "| --- | --- | --- | --- |", *rows]
        if rows
        else ["It has no keys of its own."]
    )
    return "\n\n".join(part for part in (f"## {title}", told, "\n".join(table)) if part).replace("|  |", "| |")


def _default(value: Schema, required: bool) -> str:
    if required or "default" not in value:
        return "" if required else "none"
    given = value["default"]
    return "none" if given in (None, [], "") or isinstance(given, dict) else f"`{json.dumps(given)}`"


def _type(value: Schema) -> str:
    """The type in words, with its bounds."""
    if "anyOf" in value or "oneOf" in value:
        return _union(value.get("anyOf") or value["oneOf"])
    if "$ref" in value:
        return _named(value["$ref"].rpartition("/")[2])
    if "enum" in value or "const" in value:
        return ", ".join(f"`{each}`" for each in value.get("enum", [value.get("const")]))
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}"
    words = {"string": "string", "integer": "whole number", "number": "number", "boolean": "true or false"}
    bounds = [
        *([f"`{value['pattern']}`".replace("|", "\\|")] if "pattern" in value else []),
        *([f"{value['minimum']:g} to {value['maximum']:.15g}"] if {"minimum", "maximum"} <= value.keys() else []),
        *(
            [f"above {value['exclusiveMinimum']:g}, at most {value['maximum']:.15g}"]
            if "exclusiveMinimum" in value
            else []
        ),
        *([f"at most {value['maxLength']} characters"] if "maxLength" in value else []),
    ]
    return ", ".join([words.get(str(value.get("type")), "mapping"), *bounds])


def _union(options: list[Schema]) -> str:
    kinds = [option for option in options if option.get("type") != "null"]
    if any("patternProperties" in option for option in kinds):
        return "words" if any(option.get("type") == "array" for option in kinds) else "text"
    if any(option.get("$ref", "").endswith("Field") and "Other" not in option["$ref"] for option in kinds):
        return "a field, see below"
    return " or ".join(dict.fromkeys(map(_type, kinds)))


def _named(name: str) -> str:
    if name == "Keep":
        return "`given`, `tag`, `hash`, `sealed`"
    title = {"Step": "A step", **_PARTS}.get(name, name)
    return f"[{title.lower()}](#{title.lower().replace(' ', '-')})"
