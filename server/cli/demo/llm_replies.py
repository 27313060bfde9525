"""The replies of the stand-in LLM, built from the prompt by rules."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.flows.extraction import CONTACT_TAGS, ExtractedReading, meter_reading, site_name, tags_of, visitor_count
from server.llm.phrases import phrases_for
from server.llm.prompts import LANGUAGES, REJECTED_RECORD
from server.llm.types import PICTURE_LABELS

_GREETINGS = {
    "en": "All right.",
    "es": "Muy bien.",
    "fr": "Très bien.",
    "de": "Alles klar.",
    "hi": "ठीक है।",
    "pt": "Muito bem.",
}
_CODES = {name: code for code, name in LANGUAGES.items()}

Conversation = Sequence[Mapping[str, Any]]
"""The ``messages`` of a chat completions request."""


def reply_to(messages: Conversation) -> list[str]:
    """A reply of up to three sentences, split into the tokens of a stream."""
    language = _language(messages)
    words = phrases_for(language)
    said, replied = _said_by("user", messages), _said_by("assistant", messages)
    known = {name for text in said for name in _named(text)}
    now = _named(said[-1]) if said else []
    nouns = [words.nouns[name] for name in now]
    sentences = [
        _GREETINGS.get(language, _GREETINGS["en"]),
        words.noted.format(what=words.conjunction.join(nouns)) if nouns else words.heard,
        words.request([name for name in words.ask if name not in known], replied),
    ]
    return re.findall(r"\S+\s*", " ".join(sentences))


def record_of(messages: Conversation) -> str:
    """A record as JSON, built from the materials in the last message."""
    materials = _materials(messages)
    fields = _put_right([*_reading_fields(materials), *_other_fields(materials)], _lines(messages))
    found = {"contact" if field["name"] == "contact_given" else field["name"] for field in fields}
    missing = [name for name in ("site_name", "meter_reading", "contact") if name not in found]
    summary = _summary(fields) if _language(messages) == "en" else _short_summary(found, _language(messages))
    return json.dumps({"summary": summary, "fields": fields, "missing": missing}, ensure_ascii=False)


def _said_by(role: str, messages: Conversation) -> list[str]:
    return [str(message.get("content") or "") for message in messages if message.get("role") == role]


def _language(messages: Conversation) -> str:
    system = " ".join(str(m.get("content")) for m in messages if m.get("role") == "system")
    named = re.search(r"Write in (\w+)\.", system)
    return _CODES.get(named[1], "en") if named else "en"


def _named(text: str) -> list[str]:
    found = {
        "site_name": bool(site_name(text)),
        "meter_reading": meter_reading(text) is not None,
        "contact": bool(CONTACT_TAGS & tags_of(text, {}).keys()),
    }
    return [name for name, there in found.items() if there]


def _lines(messages: Conversation) -> list[dict[str, Any]]:
    """The JSON objects in the last message, one a line."""
    lines = []
    for line in str(messages[-1].get("content") if messages else "").splitlines():
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            lines.append(content)
    return lines


def _materials(messages: Conversation) -> list[dict[str, str]]:
    return [
        {key: str(line[key]) for key in ("id", "kind", "text")}
        for line in _lines(messages)
        if {"id", "kind", "text"} <= line.keys() and line["kind"] != PICTURE_LABELS  # a guess: no value is read from it
    ]


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


def _field(name: str, value: str, material: Mapping[str, str]) -> dict[str, str]:
    return {"name": name, "value": value, "source_id": material["id"]}


def _reading_fields(materials: list[dict[str, str]]) -> list[dict[str, str]]:
    """The reading of a photographed meter, or else the one that was said last."""
    newest_first = list(reversed(materials))
    for material in sorted(newest_first, key=lambda material: material["kind"] != "meter"):
        reading: ExtractedReading | None = (
            meter_reading(material["text"]) if material["kind"] != "visitor_register" else None
        )
        if reading is not None:
            unit = [_field("meter_unit", reading.unit, material)] if reading.unit else []
            return [_field("meter_reading", reading.value, material), *unit]
    return []


def _other_fields(materials: list[dict[str, str]]) -> list[dict[str, str]]:
    fields: dict[str, dict[str, str]] = {}
    for material in materials:
        text = material["text"]
        if material["kind"] == "visitor_register":
            count = visitor_count(text, {})
            if count:
                fields.setdefault("visitor_count", _field("visitor_count", str(count), material))
            continue
        if site_name(text):
            fields.setdefault("site_name", _field("site_name", site_name(text), material))
        if material["kind"] == "turn" and CONTACT_TAGS & tags_of(text, {}).keys():
            fields.setdefault("contact_given", _field("contact_given", "yes", material))
    return list(fields.values())


def _summary(fields: list[dict[str, str]]) -> str:
    value = {field["name"]: field["value"] for field in fields}
    site = f" at {value['site_name']}" if "site_name" in value else ""
    parts = [f"A visit{site}"]
    if "meter_reading" in value:
        parts.append(f"the meter reads {value['meter_reading']} {value.get('meter_unit', '')}".rstrip())
    if "visitor_count" in value:
        parts.append(f"{value['visitor_count']} visitors are in the register")
    return "; ".join(parts) + "."


def _short_summary(found: set[str], language: str) -> str:
    words = phrases_for(language)
    nouns = [noun for name, noun in words.nouns.items() if name in found]
    return words.summary.format(what=", ".join(nouns)) if nouns else words.empty_summary
