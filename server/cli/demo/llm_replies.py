"""The replies of the stand-in LLM, built from the prompt by rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.flows.extraction import CONTACT_TAGS, meter_reading, site_name, tags_of
from server.llm.phrases import phrases_for
from server.llm.prompts import LANGUAGES

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
