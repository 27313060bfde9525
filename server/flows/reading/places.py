"""The name of a place, without the words in which an answer wraps it: "we are at Pump Station 7 today"."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from models.text import RedactedText
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import TODAY
from server.flows.reading.words import AT_PLACE, GREETING, IS_THERE, NOW, THE


def bare_place(material: AnswerText) -> RedactedText:
    """A text that answers where somebody is, without a phrase before the name, its article, and words for today after
    it. What else is said stays.
    """
    before, after = _framing(material.code)
    value = after.sub("", before.sub("", material.text.value, count=1), count=1).strip(" .,!")
    return replace(material.text, value=value, identities=())


@lru_cache(maxsize=16)
def _framing(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What goes before a place, and what goes after it."""
    lists = (AT_PLACE, THE, IS_THERE, NOW, TODAY, GREETING)
    at, the, there, now, today, greeting = (_any(each.get(code, each["en"])) for each in lists)
    before = rf"\A\s*(?:(?:{greeting})[\s,.!]+)?(?:{at})(?!\w)\s*(?:(?-i:{the})(?:(?!\w)|(?<=['\u2019]))\s*)?"
    after = rf"(?:[\s,]+(?:{today}|{now}|{there}|{greeting}))+[\s.!]*\Z"
    return re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE)


def _any(phrases: str) -> str:
    """An expression for any of these phrases, the longest first; for nothing where there are none."""
    listed = sorted(filter(None, phrases.split("|")), key=len, reverse=True)
    return "|".join(re.escape(each).replace("'", "['\u2019]") for each in listed) or "(?!)"
