"""Reads days.

A day without a year is the one that is nearest to today, before or after. A day in figures whose month cannot be told,
such as 02/03/2026 in English, is not read.
"""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator
from datetime import MAXYEAR, date, timedelta
from functools import lru_cache
from typing import Final

from models.redaction.commands import any_of, folded
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.modifiers import clause_end, is_denied, is_open, meant
from server.flows.reading.months import month_numbers

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

TODAY: Final = {language: words[0] for language, words in _RELATIVE.items()}

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
    "en": (
        r"(?:in )?{n} (day|week|month|year)s? from (?:now|today)|in {n} (day|week|month|year)s?",
        r"{n} (day|week|month|year)s? ago",
    ),
    "de": (r"(?:heute )?in {n} (tag|woche|monat|jahr)(?:en|n)?", r"(?:heute )?vor {n} (tag|woche|monat|jahr)(?:en|n)?"),
    "es": (
        r"(?:de hoy )?(?:en|dentro de) {n} (dia|semana|mes|ano)(?:es|s)?",
        r"hace {n} (dia|semana|mes|ano)(?:es|s)?",
    ),
    "fr": (r"dans {n} (jour|semaine|mois|an)s?", r"il y a {n} (jour|semaine|mois|an)s?"),
    "pt": (r"(?:em|daqui a) {n} (dia|semana|mes|ano)(?:es|s)?", r"ha {n} (dia|semana|mes|ano)(?:es|s)?"),
}
_COUNT: Final = r"(\d+|an?|one|eine[mr]|un[ea]?|uma?)"
_DAYS: Final = {"day": 1, "tag": 1, "dia": 1, "jour": 1, "week": 7, "woche": 7, "semana": 7, "semaine": 7}
_MONTHS: Final = {"month": 1, "monat": 1, "mes": 1, "mois": 1, "year": 12, "jahr": 12, "ano": 12, "an": 12}
_LONGEST_SPAN_DAYS: Final = 3660

_ISO: Final = re.compile(r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)")
_ORDINAL: Final = re.compile(r"\b\d{1,2}(?:st|nd|rd|th)\b(?!\s+[^\W\d])")
"""A day of a month without its month. "My first day" has none."""
_FIGURES: Final = re.compile(r"(?<![\d./-])(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?![\d])")


def read_date(material: AnswerText) -> str | None:
    """The one day that a text says, in ISO 8601; None for none, for several, and for the bound of a span."""
    code = material.code
    text = meant(material.numbered, code, lambda part: _names_day(part, material))
    places = list(_dates(text, code, material.today))
    if not places:
        text = folded(text)
        places = list(_relative(text, code, material.today))
    days, rest = set[date](), text
    for (start, end), day in places:
        before, after = text[:start].casefold(), text[end:].casefold()
        if is_open(before, after, code):
            return None
        rest = rest[:start] + " " * (end - start) + rest[end:]
        ends = clause_end(code)
        if not is_denied(folded(ends.split(before)[-1]), folded(ends.split(after)[0]), code):
            days.add(day)
    if len(days) != 1 or _ORDINAL.search(rest):
        return None
    [day] = days
    return day.isoformat() if _weekdays_named(text, code) <= {day.weekday()} else None


def _names_day(text: str, material: AnswerText) -> bool:
    """Whether a part of a text names a day, also one that cannot be read, such as a bare Monday."""
    named = days_in(text, material.code, material.today) or _weekdays_named(text, material.code)
    return bool(named) or _ORDINAL.search(text) is not None


def days_in(text: str, code: str, today: date) -> set[date]:
    """Every day that a text names; where it names none by its month, those that count from today.

    Args:
        text: With digits for spoken numbers.
        code: ISO 639-1 code of its language.
        today: The day on which it came.
    """
    return {day for _, day in _dates(text, code, today)} or {day for _, day in _relative(folded(text), code, today)}


def without_dates(text: str, material: AnswerText) -> str:
    """The text with spaces in place of days, so that their numbers are not read."""
    spans = [span for span, _ in _dates(text, material.code, material.today)]
    plain = "".join(unicodedata.normalize("NFKD", char)[0] for char in text)
    spans += [found.span() for each in _spans(material.code) for found in each.finditer(plain)]
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def without_days(material: AnswerText) -> str:
    """The folded text with spaces in place of all words for days."""
    text = folded(without_dates(material.numbered, material))
    for (start, end), _ in list(_relative(text, material.code, material.today)):
        text = text[:start] + " " * (end - start) + text[end:]
    return any_of(_WEEKDAYS.get(material.code, "").split()).sub(" ", text)


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
    months = {folded(name): number for name, number in month_numbers(code).items()}
    names = "|".join(sorted(map(re.escape, month_numbers(code)), key=len, reverse=True))
    year = r"(?:,?\s+(?:de\s+|del\s+)?(?P<year>\d{4}))?(?!\d)"
    day = r"(?<![\d.,:/-])(?P<day>\d{1,2})(?:st|nd|rd|th|\.|er|º|ª)?"
    month = rf"(?P<month>{names})\b\.?"
    before = rf"{day}\s+(?:of\s+|de\s+|d['\u2019])?{month}{year}"
    after = rf"\b{month}\s+(?:the\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?{year}(?![\d:])"
    return re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE), months


def _day(year: int, month: int, day: int, near: date | None = None) -> date | None:
    """The day; without a year, the one nearest to ``near``. None if there is no such day."""
    try:
        if year or near is None:
            return date(year, month, day)
        around = [date(near.year + offset, month, day) for offset in (-1, 0, 1)]
    except ValueError:
        return None
    return min(around, key=lambda each: abs((each - near).days))


def _relative(text: str, code: str, today: date) -> Iterator[tuple[tuple[int, int], date]]:
    """Days that count from today, and where they are in the folded text."""
    if code in _NOT_TOMORROW:
        text = _NOT_TOMORROW[code].sub(lambda found: found[1].ljust(len(found[0])), text)
    for sign, pattern in zip((1, -1), _spans(code), strict=False):
        for found in pattern.finditer(text):
            number, unit = (each for each in found.groups() if each is not None)
            if (day := _distant(today, sign * (int(number) if number.isdecimal() else 1), unit.lower())) is not None:
                yield found.span(), day
        text = pattern.sub(_blank, text)
    groups = [(days, words.split("|")) for days, words in _RELATIVE.get(code, _RELATIVE["en"]).items()]
    for days, words in sorted(groups, key=lambda each: -max(map(len, each[1]))):  # "esta mañana" before "mañana"
        pattern = any_of(words)
        yield from ((found.span(), today + timedelta(days=days)) for found in pattern.finditer(text))
        text = pattern.sub(_blank, text)
    yield from _weekdays(text, code, today)


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


@lru_cache(maxsize=16)
def _spans(code: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of spans from today on, and back from it."""
    forms = (form.replace("{n}", _COUNT) for form in _SPANS.get(code, ()))
    return tuple(re.compile(rf"\b(?:{form})\b", re.IGNORECASE) for form in forms)


def _distant(today: date, number: int, unit: str) -> date | None:
    """The day so many days, weeks, months or years away; None for one that is too far."""
    if abs(number) > _LONGEST_SPAN_DAYS:
        return None
    if unit in _DAYS:
        return today + timedelta(days=number * _DAYS[unit])
    year, month = divmod(today.year * 12 + today.month - 1 + number * _MONTHS[unit], 12)
    return _day(year, month + 1, min(today.day, monthrange(year, month + 1)[1])) if year < MAXYEAR else None


def _weekdays(text: str, code: str, today: date) -> Iterator[tuple[tuple[int, int], date]]:
    """Last Monday is the one before today, next Monday the one after it. A bare Monday may be either."""
    for number, name in enumerate(_WEEKDAYS.get(code, "").split()):
        ahead = (number - today.weekday() - 1) % 7 + 1
        back = (today.weekday() - number - 1) % 7 + 1
        for days, pattern in zip((-back, ahead), _LAST_OR_NEXT[code], strict=True):
            for found in re.finditer(rf"\b(?:{pattern.format(day=name)})\b", text):
                yield found.span(), today + timedelta(days=days)


def _weekdays_named(text: str, code: str) -> set[int]:
    """The days of the week that a text names, from 0 for Monday."""
    names = enumerate(_WEEKDAYS.get(code, "").split())
    return {number for number, name in names if any_of([name]).search(folded(text))}
