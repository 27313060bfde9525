"""What a rule of the protos allows, in the language of a page. The server says it in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

from models.errors import FieldViolation
from server.languages.formats import Count
from server.languages.texts import PLACE, Texts
from server.rpc.interceptors.rules_in_words import WHOLE

_NUMBER: Final = r"[0-9.]+s?(?: days?)?"
_OF_PLACE: Final = {"n": _NUMBER, "m": _NUMBER, "example": r"[^\s,]+", "names": r"\w+(?:, \w+)*"}
"""What can stand in each place."""


def rule_in(found: FieldViolation, texts: Texts) -> str | None:
    """A broken rule as a sentence in the language of the page; None for one that has no text in it, and in English.

    Args:
        found: The rule, in English.
        texts: In the language of the page.
    """
    if texts.language == "en":
        return None
    field = texts("rule_request") if found.field == WHOLE else found.field
    for rule, text in _rules(texts.language):
        if match := rule.fullmatch(found.description):
            values = {name: _length(value, texts) for name, value in match.groupdict().items()}
            return f"{field} {text.format(**values)}."
    return None


def _length(value: str, texts: Texts) -> str:
    """A value of a rule; days in the language of the page."""
    number, _, unit = value.partition(" ")
    return texts("rule_days", n=Count(number)) if unit in {"day", "days"} else value


@cache
def _rules(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_pattern(rule["en"]), rule[language]) for rule in all_rules())


def all_rules() -> Iterator[dict[str, str]]:
    """The text of each rule by language."""
    yield from yaml.safe_load(files("server.console").joinpath("messages", "rules.yaml").read_text(encoding="utf-8"))


def _pattern(english: str) -> re.Pattern[str]:
    """Matches the rule, with its places as groups."""
    parts = PLACE.split(english)
    found = [f"(?P<{part}>{_OF_PLACE[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts)]
    return re.compile("".join(found))
