"""Reads times of day. One without morning or evening is read on the clock of 24 hours."""

from __future__ import annotations

import re
from datetime import time
from typing import Final

from models.redaction.commands import any_of, folded
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import without_dates

_HALF: Final = r"(?P<half>[ap]\.?m\b)?"
_CLOCKS: Final = (
    re.compile(rf"(?<![\d:.])(?P<hour>\d{{1,2}})(?::|h|\s*uhr\s*)(?P<minute>\d{{2}})(?!\d)\s*{_HALF}", re.IGNORECASE),
    re.compile(r"(?<![\d:.])(?P<hour>\d{1,2})(?:\.(?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\b)", re.IGNORECASE),
    re.compile(
        r"(?<![\d:.])(?P<hour>\d{1,2})\s*(?:uhr|heures?|horas?|h\b|o'?clock|ish\b)(?P<minute>)(?P<half>)", re.IGNORECASE
    ),
    re.compile(
        r"\b(?:at|around|about|um|gegen|a las|a la|a|à|às)\s+(?P<hour>\d{1,2})(?:[.:](?P<minute>\d{2}))?"
        r"(?![\d/.:-]|\s*(?:%|€|\$))(?P<half>)",
        re.IGNORECASE,
    ),
)
_ALONE: Final = re.compile(r"\W*(?P<hour>\d{1,2}|(?=\d{4}\W*$)\d{2})(?P<minute>\d{2})?(?P<half>)\W*")
_PARTS: Final = {
    "en": ((r"half past {}", 30), (r"(?:a )?quarter past {}", 15), (r"(?:a )?quarter (?:to|before|of) {}", -15)),
    "de": ((r"halb {}", -30), (r"viertel nach {}", 15), (r"viertel vor {}", -15)),
    "es": ((r"{} y media", 30), (r"{} y cuarto", 15), (r"{} menos cuarto", -15)),
    "fr": ((r"{}(?: h| heures?) et demie?", 30), (r"{}(?: h| heures?) et quart", 15)),
    "pt": ((r"{} e meia", 30), (r"{} e um quarto", 15)),
}
"""Parts of an hour, and the minutes that they add."""

_LATE: Final = {
    "en": "evening|this evening|tonight|at night|afternoon|noon",
    "de": "abend|abends|nachmittag|nachmittags|heute abend",
    "es": "tarde|noche|de la tarde|de la noche",
    "fr": "soir|du soir|après-midi",
    "pt": "tarde|noite|da tarde|da noite",
}
_MINUTES_OF_A_DAY: Final = 24 * 60


def read_time(material: AnswerText, *, asked: bool) -> str | None:
    """The one time of day that a text names, such as 14:30; None for none, and for several that differ.

    Args:
        material: The text.
        asked: Whether a bare number is a time.
    """
    text = without_dates(material.numbered, material)
    late = any_of(_LATE.get(material.code, _LATE["en"]).split("|")).search(folded(text)) is not None
    patterns = [*_parts(material.code), *((pattern, 0) for pattern in _CLOCKS)]
    for pattern, added in patterns:
        found = {value for each in pattern.finditer(text) if (value := _time(each, added, late=late))}
        if found:
            return found.pop() if len(found) == 1 else None
    alone = _ALONE.fullmatch(text) if asked else None
    return (_time(alone, 0, late=late) or None) if alone else None


def _parts(code: str) -> list[tuple[re.Pattern[str], int]]:
    hour = rf"(?P<hour>\d{{1,2}})(?P<minute>)\s*{_HALF}"
    return [(re.compile(rf"\b{form.format(hour)}", re.IGNORECASE), added) for form, added in _PARTS.get(code, ())]


def _time(found: re.Match[str], added: int, *, late: bool) -> str:
    """The time in ISO 8601; empty for none."""
    hour, half = int(found["hour"]), (found["half"] or "").lower().replace(".", "")
    if half and not 1 <= hour <= 12:
        return ""
    if half:
        hour = hour % 12 + 12 * (half == "pm")
    elif late and 1 <= hour < 12:
        hour += 12
    minutes = hour * 60 + int(found["minute"] or 0) + added
    if hour > 23 or int(found["minute"] or 0) > 59:
        return ""
    return time(*divmod(minutes % _MINUTES_OF_A_DAY, 60)).isoformat("minutes")
