"""Reads times of day. One without morning or evening is read on the clock of 24 hours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import time
from typing import Final

from models.redaction.commands import any_of, folded
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import without_dates
from server.flows.reading.fractions import part_words
from server.flows.reading.modifiers import clause_end, is_denied, is_open, meant

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
    "en": (
        (r"half past {}", 30),
        (r"(?:a )?quarter past {}", 15),
        (r"(?:a )?quarter (?:to|before|of) {}", -15),
        (r"(?P<more>\d{{1,2}})(?: minutes?)? past {}", 0),
        (r"(?P<less>\d{{1,2}}) minutes? (?:to|before) {}", 0),
    ),
    "de": (
        (r"(?P<more>\d{{1,2}}) nach halb {}", -30),
        (r"(?P<less>\d{{1,2}}) vor halb {}", -30),
        (r"halb {}", -30),
        (r"dreiviertel {}", -15),
        (r"viertel nach {}", 15),
        (r"viertel vor {}", -15),
        (r"(?P<more>\d{{1,2}})(?: minuten)? nach {}", 0),
        (r"(?P<less>\d{{1,2}})(?: minuten)? vor {}", 0),
    ),
    "es": (
        (r"{} y media", 30),
        (r"{} y cuarto", 15),
        (r"{} menos cuarto", -15),
        (r"\blas? {} y (?P<more>\d{{1,2}})(?!\d)", 0),
        (r"\blas? {} menos (?P<less>\d{{1,2}})(?!\d)", 0),
    ),
    "fr": ((r"{}(?: h| heures?) et demie?", 30), (r"{}(?: h| heures?) et quart", 15)),
    "pt": ((r"{} e meia", 30), (r"{} e um quarto", 15)),
}
"""Parts of an hour, and the minutes that they add. Minutes that are said in figures are added or taken away, too."""

_LATE: Final = {
    "en": "evening|this evening|tonight|at night|afternoon|noon",
    "de": "abend|abends|nachmittag|nachmittags|heute abend",
    "es": "tarde|noche|de la tarde|de la noche",
    "fr": "soir|du soir|après-midi",
    "pt": "tarde|noite|da tarde|da noite",
}
_NIGHT: Final = {"en": "at night|tonight", "de": "nachts", "es": "noche", "fr": "nuit", "pt": "noite"}
_SMALL_HOUR: Final = 5
_MINUTES_OF_A_DAY: Final = 24 * 60


def read_time(material: AnswerText, *, asked: bool) -> str | None:
    """The one time of day that a text says, such as 14:30; None for none, for several that differ, and for the bound of
    a span.

    Args:
        material: The text.
        asked: Whether a bare number is a time.
    """
    code, whole = material.code, without_dates(material.numbered, material).casefold()
    text = meant(whole, code, lambda part: re.search(r"\d", part) is not None)
    late, night = _is_said(_LATE, text, code), _is_said(_NIGHT, text, code)
    if text != whole and not late and _tells_half(whole, code) and not _tells_half(text, code):
        return None
    found, places = set[str](), list(_places(text, code))
    for each, added in places:
        before, after = text[: each.start()], text[each.end() :]
        if is_open(before, after, code) or re.search(rf"{part_words(code).pattern}\s\Z", folded(before) + " "):
            return None
        ends = clause_end(code)
        if not is_denied(folded(ends.split(before)[-1]), folded(ends.split(after)[0]), code):
            found.add(_time(each, added, late=late, night=night))
    alone = _ALONE.fullmatch(text) if asked and not places else None
    found |= {_time(alone, 0, late=late, night=night)} if alone else set()
    return (found.pop() or None) if len(found) == 1 else None


def _places(text: str, code: str) -> Iterator[tuple[re.Match[str], int]]:
    """The times of a text, and the minutes to add to each. Hours after a word such as "at" alone count last."""
    some = False
    for pattern, added in [*_parts(code), *((pattern, 0) for pattern in _CLOCKS)]:
        if some and pattern is _CLOCKS[-1]:
            return
        for found in pattern.finditer(text):
            some = True
            yield found, added
        text = pattern.sub(lambda found: "_" * len(found[0]), text)


def _is_said(words: Mapping[str, str], text: str, code: str) -> bool:
    return any_of(words.get(code, words["en"]).split("|")).search(folded(text)) is not None


def _tells_half(text: str, code: str) -> bool:
    """Whether a text tells the half of the day."""
    return _is_said(_LATE, text, code) or re.search(r"\d\s*[ap]\.?m\b", text) is not None


def _parts(code: str) -> list[tuple[re.Pattern[str], int]]:
    hour = rf"(?P<hour>\d{{1,2}})(?P<minute>)(?!\d)\s*{_HALF}"
    return [(re.compile(rf"\b{form.format(hour)}", re.IGNORECASE), added) for form, added in _PARTS.get(code, ())]


def _time(found: re.Match[str], added: int, *, late: bool, night: bool) -> str:
    """The time in ISO 8601; empty for none, and for a small hour of a night, of which the day is not told."""
    named = found.groupdict()
    added += int(named.get("more") or 0) - int(named.get("less") or 0)
    hour, half = int(found["hour"]), (found["half"] or "").lower().replace(".", "")
    if (half and not 1 <= hour <= 12) or (night and not half and (hour <= _SMALL_HOUR or hour == 12)):
        return ""
    if half:
        hour = hour % 12 + 12 * (half == "pm")
    elif late and 1 <= hour < 12:
        hour += 12
    minutes = hour * 60 + int(found["minute"] or 0) + added
    if hour > 23 or int(found["minute"] or 0) > 59:
        return ""
    return time(*divmod(minutes % _MINUTES_OF_A_DAY, 60)).isoformat("minutes")
