"""The records of the stand-in LLM, and its checks of records, built from the prompt by rules.

It knows no flow: it reads from the prompt which fields there are and what their values look like, as a real model does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from server.flows.extraction import TAG, meter_reading, site_name, tags_of, unit_in, visitor_count
from server.flows.reading.dates import days_in
from server.llm.plain_text import with_digits, words_of
from server.llm.prompts import REJECTED_RECORD
from server.llm.types import PICTURE_LABELS
from server.llm.written_values import dates_in, numbers_in

_FIELD: Final = re.compile(r"^- (\w+): (.*?); (.+)$", re.MULTILINE)
_ENTITIES: Final = {"phone": "PHONE", "mail": "EMAIL", "name": "NAME", "address": "ADDRESS"}
_NO: Final = re.compile(r"\b(?:no|not|nobody|none|without|no one)\b", re.IGNORECASE)
_PLACE: Final = re.compile(r"\b(?:at|in|near|behind) (the [a-z]+(?: (?!and|the|on|at)[a-z]+){0,2})")
_LONGEST_TEXT: Final = 160

SourceText = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AskedField:
    """A field as the prompt tells of it."""

    name: str
    label: str
    looks: str


def record_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """A record as JSON, built from the materials in the last message."""
    asked = [AskedField(*found) for found in _FIELD.findall(_system(messages))]
    materials = _materials(messages)
    found = [(field, *value) for field in asked if (value := _first_value(field, materials))]
    fields = [{"name": field.name, "value": value, "source_id": source} for field, value, source in found]
    fields = _put_right(fields, _objects(messages))
    return json.dumps({"summary": _summary(fields), "fields": fields}, ensure_ascii=False)


def check_of(messages: Sequence[Mapping[str, Any]]) -> str:
    """Verdicts as JSON: a value is supported that the material has."""
    materials = _materials(messages)
    verdicts = [
        {
            "field": proposed["field"],
            "verdict": "supported" if (source := _source_of(proposed, materials)) is not None else "unsure",
            "source_id": source or "",
            "other_value": "",
        }
        for proposed in _lines(messages, {"field", "value", "source_id"})
    ]
    return json.dumps({"verdicts": verdicts}, ensure_ascii=False)


def _system(messages: Sequence[Mapping[str, Any]]) -> str:
    return " ".join(str(message.get("content")) for message in messages if message.get("role") == "system")


def _objects(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The JSON objects in the last message, one a line."""
    found = []
    for line in str(messages[-1].get("content") if messages else "").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            found.append(content)
    return found


def _lines(messages: Sequence[Mapping[str, Any]], keys: set[str]) -> list[dict[str, str]]:
    """The objects that have these keys, with the values of these alone."""
    return [{key: str(line[key]) for key in keys} for line in _objects(messages) if keys <= line.keys()]


def _materials(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The material but labels of pictures: they are guesses, and no value is read from them."""
    told = [line for line in _objects(messages) if {"id", "kind", "text"} <= line.keys()]
    return [{key: str(line[key]) for key in line} for line in told if line["kind"] != PICTURE_LABELS]


def _put_right(fields: list[dict[str, str]], lines: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Leave out fields that the reason of a rejection names, such as wrong_reading, while their value is the same."""
    for line in lines:
        if line.get("kind") == REJECTED_RECORD:
            words = set(str(line.get("reason")).split("_"))
            rejected = {field["name"]: field["value"] for field in line.get("record", {}).get("fields", ())}
            fields = [
                field
                for field in fields
                if not words & set(field["name"].split("_")) or rejected.get(field["name"]) != field["value"]
            ]
    return fields


def _first_value(field: AskedField, materials: Sequence[SourceText]) -> tuple[str, str] | None:
    """A value and its source: of a meter the photographed one, of everything else the newest."""
    newest = list(reversed(materials))
    for material in sorted(newest, key=lambda material: material["kind"] != "meter"):
        if value := next(iter(_values(field, material)), ""):
            return value, material["id"]
    return None


def _values(field: AskedField, material: SourceText) -> Iterator[str]:
    text, looks = material["text"], field.looks
    if "visitor register" in looks:
        count = visitor_count(text, {}) if material["kind"] == "visitor_register" else 0
        yield str(count) if count else ""
    elif material["kind"] == "visitor_register":
        return
    elif looks.startswith("yes, when"):
        entities = {entity for word, entity in _ENTITIES.items() if word in field.label}
        yield "yes" if material["kind"] == "turn" and entities & tags_of(text, {}).keys() else ""
    elif "on the meter" in looks:
        reading = meter_reading(text)
        yield reading.value if reading is not None else ""
    else:
        yield from _typed_values(field, material)


def _typed_values(field: AskedField, material: SourceText) -> Iterator[str]:
    looks, text = field.looks, material["text"]
    if looks.startswith("one of "):
        options = looks.removeprefix("one of ").split(", ")
        unit, words = unit_in(text), words_of(text)
        yield from (each for each in options if each == unit or words_of(each.replace("_", " ")) in words)
    elif looks.startswith("a number"):
        beside = re.search(r", in (\S+)$", looks)
        if beside:
            yield from re.findall(rf"(\d+(?:\.\d+)?)\s*{re.escape(beside[1])}", with_digits(text, "en"), re.IGNORECASE)
        elif any(word in text.casefold() for word in words_of(field.label).split()):
            yield from (f"{number:f}" for number in sorted(numbers_in(text, "en")))
    elif looks.startswith("a date"):
        yield from _days(material)
    elif looks.startswith("a code"):
        code = re.search(looks.removeprefix("a code that fits the regular expression "), text)
        yield code[0] if code else ""
    elif looks == "yes or no":
        named = any(word in text.casefold() for word in field.label.split() if len(word) > 3 and word != "somebody")
        yield ("no" if _NO.search(text) else "yes") if named else ""
    else:
        yield _text(field, text)


def _days(material: SourceText) -> list[str]:
    """The days that a material names, in ISO 8601; "yesterday" counts from its own day."""
    written = {f"{d.year}-{d.month:02d}-{d.day:02d}" for d in dates_in(material["text"], "en") if d.year}
    if written or "day" not in material:
        return sorted(written)
    told = days_in(with_digits(material["text"], "en"), "en", date.fromisoformat(material["day"]))
    return sorted(day.isoformat() for day in told)


def _text(field: AskedField, text: str) -> str:
    if "site" in field.label:
        return site_name(text)
    if "place" in field.label:
        place = _PLACE.search(text)
        return place[1] if place else ""
    plain = TAG.sub("", text).strip()
    return plain[:_LONGEST_TEXT] if len(plain.split()) > 4 else ""


def _source_of(proposed: Mapping[str, str], materials: Sequence[SourceText]) -> str | None:
    first = sorted(materials, key=lambda material: material["id"] != proposed["source_id"])
    return next((material["id"] for material in first if _has(material, proposed["value"])), None)


def _has(material: SourceText, value: str) -> bool:
    text = material["text"]
    if value in ("yes", "no") or words_of(value) in words_of(text) or unit_in(text) == value:
        return True
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return any(each.fits(value) for each in dates_in(text, "en")) or value in _days(material)
    numbers, reading = numbers_in(value, "en"), meter_reading(text)
    if numbers and (numbers <= numbers_in(text, "en") or (reading is not None and reading.value == value)):
        return True
    return (value.isdigit() and visitor_count(text, {}) == int(value)) or words_of(value) in words_of(
        with_digits(text, "en")
    )


def _summary(fields: Sequence[Mapping[str, str]]) -> str:
    value = {field["name"]: field["value"] for field in fields}
    if "meter_reading" not in value and "site_name" not in value:
        return f"{len(fields)} fields were found." if fields else "Nothing was found."
    site = f" at {value['site_name']}" if "site_name" in value else ""
    parts = [f"A visit{site}"]
    if "meter_reading" in value:
        parts.append(f"the meter reads {value['meter_reading']} {value.get('meter_unit', '')}".rstrip())
    if "visitor_count" in value:
        parts.append(f"{value['visitor_count']} visitors are in the register")
    return "; ".join(parts) + "."
