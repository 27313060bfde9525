"""Reads days.

A day without a year is the one that is nearest to today, before or after. A day in figures whose month cannot be told,
such as 02/03/2026 in English, is not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from models.redaction.lexicons.loader import word_lists
from server.flows.reading.answer_text import AnswerText

_RELATIVE: Final = {
    "en": {
        0: "today|this morning|this afternoon|this evening|tonight|right now|just now",
        1: "tomorrow",
        -1: "yesterday|last night",
        2: "day after tomorrow",
        -2: "day before yesterday",
    },
    "de": {0: "heute", 1: "morgen", -1: "gestern", 2: "übermorgen", -2: "vorgestern"},
    "es": {
        0: "hoy|esta mañana|esta tarde|esta noche",
        1: "mañana",
        -1: "ayer|anoche",
        2: "pasado mañana",
        -2: "anteayer|antes de ayer",
    },
    "fr": {
        0: "aujourd'hui|ce matin|cet après-midi|ce soir",
        1: "demain",
        -1: "hier",
        2: "après-demain",
        -2: "avant-hier",
    },
    "pt": {
        0: "hoje|esta manhã|esta tarde|esta noite",
        1: "amanhã",
        -1: "ontem",
        2: "depois de amanhã",
        -2: "anteontem",
    },
    "hi": {0: "आज"},
}
"""Words by the days that lie between. Hindi has the same words for days before and after today, so none of
them is read."""

_NOT_TOMORROW: Final = {
    "de": re.compile(r"\b(guten|am|der|heute|gestern|jeden|diesen|diesem|ganzen|fruhen) morgen\b"),
    "es": re.compile(r"\b(por la|de la|la|una|cada) manana\b"),
}
"""Where the word for tomorrow means the morning."""

_WEEKDAYS: Final = {
    "en": "monday tuesday wednesday thursday friday saturday sunday",
    "de": "montag dienstag mittwoch donnerstag freitag samstag sonntag",
    "es": "lunes martes miercoles jueves viernes sabado domingo",
    "fr": "lundi mardi mercredi jeudi vendredi samedi dimanche",
}
_LAST_OR_NEXT: Final = {
    "en": (r"last {day}", r"(?:next|this coming|coming) {day}"),
    "de": (r"(?:letzten|letzter|vergangenen) {day}", r"(?:nachsten|kommenden|nachster) {day}"),
    "es": (r"{day} pasado|pasado {day}", r"{day} que viene|proximo {day}"),
    "fr": (r"{day} dernier", r"{day} prochain"),
}
_SPANS: Final = {
    "en": (r"(?:in )?(\d+) (day|week)s? from (?:now|today)|in (\d+) (day|week)s?", r"(\d+) (day|week)s? ago"),
    "de": (r"in (\d+) (tag|woche)(?:en|n)?", r"vor (\d+) (tag|woche)(?:en|n)?"),
    "es": (r"(?:en|dentro de) (\d+) (dia|semana)s?", r"hace (\d+) (dia|semana)s?"),
    "fr": (r"dans (\d+) (jour|semaine)s?", r"il y a (\d+) (jour|semaine)s?"),
    "pt": (r"(?:em|daqui a) (\d+) (dia|semana)s?", r"ha (\d+) (dia|semana)s?"),
}
_WEEKS: Final = frozenset({"week", "woche", "semana", "semaine"})
_LONGEST_SPAN_DAYS: Final = 3660

_ISO: Final = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_FIGURES: Final = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d])")


def read_date(material: AnswerText) -> str | None:
    """The one day that a text names, in ISO 8601; None for none, and for several that differ."""
    found = days_in(material.numbered, material.code, material.today)
    return found.pop().isoformat() if len(found) == 1 else None


def days_in(text: str, code: str, today: date) -> set[date]:
    """Every day that a text names; where it names none by its month, those that count from today.

    Args:
        text: With digits for spoken numbers.
        code: ISO 639-1 code of its language.
        today: The day on which it came.
    """
    return {day for _, day in _dates(text, code, today)} or set(_relative(text, code, today))


def without_dates(text: str, material: AnswerText) -> str:
    """The text with spaces in place of days, so that their numbers are not read."""
    spans = [span for span, _ in _dates(text, material.code, material.today)]
    spans += [found.span() for each in _SPANS.get(material.code, ()) for found in re.finditer(rf"\b(?:{each})\b", text)]
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _dates(text: str, code: str, today: date) -> Iterator[tuple[tuple[int, int], date]]:
    """Days with a month, and where they are in the text."""
    for found in _ISO.finditer(text):
        if day := _day(int(found[1]), int(found[3]), int(found[4])):
            yield found.span(), day
    for found in _FIGURES.finditer(text):
        if day := _of_figures(found, code):
            yield found.span(), day
    before, after, months = _with_months(code)
    for pattern in (before, after):
        for found in pattern.finditer(text):
            month = months[folded(found["month"])]
            if day := _day(int(found["year"] or 0), month, int(found["day"]), today):
                yield found.span(), day


def _of_figures(found: re.Match[str], code: str) -> date | None:
    one, two, year = int(found[1]), int(found[3]), int(found[4])
    year += 2000 * (year < 100)
    if code == "en" and found[2] != "." and one <= 12 and two <= 12 and one != two:
        return None
    return _day(year, two, one) or (_day(year, one, two) if code == "en" else None)


@lru_cache(maxsize=16)
def _with_months(code: str) -> tuple[re.Pattern[str], re.Pattern[str], dict[str, int]]:
    """Patterns with the day before and after the month, and the number of each month."""
    months = _months(code) | (_months("en") if code != "en" else {})
    names = "|".join(sorted({re.escape(name) for name in _unfolded(code) | _unfolded("en")}, key=len, reverse=True))
    year = r"(?:,?\s+(?:de\s+|del\s+)?(?P<year>\d{4}))?(?!\d)"
    day = r"(?<![\d.,:/-])(?P<day>\d{1,2})(?:st|nd|rd|th|\.|er|º|ª)?"
    month = rf"(?P<month>{names})\b\.?"
    before = rf"{day}\s+(?:of\s+|de\s+|d['\u2019])?{month}{year}"
    after = rf"\b{month}\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?{year}(?![\d:])"
    return re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE), months


def _unfolded(code: str) -> frozenset[str]:
    lists = word_lists(code, "months")
    return frozenset(name for each in ("all", "short") for name in lists.get(each, ()))


def _months(code: str) -> dict[str, int]:
    """The number of each month by its name. Two spellings of a month stand beside each other in the list."""
    numbers: dict[str, int] = {}
    for each in ("all", "short"):
        at, before = 0, ""
        for name in word_lists(code, "months").get(each, ()):
            plain = folded(name)
            same = before and plain[:3] == before[:3] and (len(word_lists(code, "months")[each]) > 12)
            at += not same
            numbers[plain] = at
            before = plain
    return numbers


def _day(year: int, month: int, day: int, near: date | None = None) -> date | None:
    """The day; without a year, the one nearest to ``near``. None if there is no such day."""
    try:
        if year or near is None:
            return date(year, month, day)
        around = [date(near.year + offset, month, day) for offset in (-1, 0, 1)]
    except ValueError:
        return None
    return min(around, key=lambda each: abs((each - near).days))


def _relative(text: str, code: str, today: date) -> Iterator[date]:
    text = folded(text)
    if code in _NOT_TOMORROW:
        text = _NOT_TOMORROW[code].sub(r"\1", text)
    groups = [(days, words.split("|")) for days, words in _RELATIVE.get(code, _RELATIVE["en"]).items()]
    for days, words in sorted(groups, key=lambda each: -max(map(len, each[1]))):  # "esta mañana" before "mañana"
        pattern = any_of(words)
        if pattern.search(text):
            yield today + timedelta(days=days)
            text = pattern.sub(" ", text)
    for sign, pattern_text in zip((1, -1), _SPANS.get(code, ()), strict=False):
        for found in re.finditer(rf"\b(?:{pattern_text})\b", text):
            number, unit = (each for each in found.groups() if each is not None)
            days = int(number) * (7 if unit in _WEEKS else 1)
            if days <= _LONGEST_SPAN_DAYS:
                yield today + sign * timedelta(days=days)
    yield from _weekdays(text, code, today)


def _weekdays(text: str, code: str, today: date) -> Iterator[date]:
    """Last Monday is the one before today, next Monday the one after it. A bare Monday may be either."""
    for number, name in enumerate(_WEEKDAYS.get(code, "").split()):
        ahead = (number - today.weekday() - 1) % 7 + 1
        back = (today.weekday() - number - 1) % 7 + 1
        for days, pattern in zip((-back, ahead), _LAST_OR_NEXT[code], strict=True):
            if re.search(rf"\b(?:{pattern.format(day=name)})\b", text):
                yield today + timedelta(days=days)
