"""Numbers, dates and times that stand in a text, in every way in which they may be meant. None is made up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

from server.flows.reading.months import month_numbers
from server.llm.plain_text import with_digits

_NUMBER: Final = re.compile(r"(?<![\w.,])(?<![^\W\d]-)-?\d+(?:[.,']\d+)*(?!\d)")
_GROUPS: Final = re.compile(r"(?<![\w.,])(?<![^\W\d]-)-?\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?![.,]?\d)")
_SINGLE_DIGITS: Final = re.compile(r"(?<!\d)\d(?:(?:,? |-)\d)+(?![\d.])")
_DAY: Final = r"(\d{1,2})(?:st|nd|rd|th|\.|º|er|e)?"
_ISO: Final = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_NUMERIC: Final = re.compile(r"(?<!\d)(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?!\d)")
_CLOCK: Final = re.compile(
    r"(?<![\d.:])(\d{1,2})(?:[:.h](\d{2})(?![\d.])|\s?(?:uhr|heures?|horas?|o'clock)\b(?:\s(\d{2})(?!\d))?|(?=\s?[ap]\.?m\b))"
    r"\s?([ap]?)(?:\.?m\b)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class WrittenDate:
    """A date as a text has it; ``year`` is None where the text names none."""

    year: int | None
    month: int
    day: int

    def fits(self, iso: str) -> bool:
        """Whether an ISO 8601 date may be meant."""
        year, month, day = (int(part) for part in iso.split("-"))
        return (month, day) == (self.month, self.day) and self.year in (None, year)


@lru_cache(maxsize=512)
def numbers_in(text: str, language: str) -> frozenset[Decimal]:
    """Every number that a text may state: in digits or words, with a decimal point or comma, grouped or dictated.

    The numbers of days and years in dates are none, nor are the groups of one number: 48 213 is not 213.
    """
    plain = with_digits(text, language)
    for rule in (_ISO, _NUMERIC, *_worded(language)):
        plain = rule.sub(" ", plain)
    found = {number for each in _NUMBER.finditer(_GROUPS.sub(" ", plain)) for number in _meanings(each[0])}
    joined = [each[0].replace(" ", "").replace(",", ".") for each in _GROUPS.finditer(plain)]
    joined += [re.sub(r"\D", "", each[0]) for each in _SINGLE_DIGITS.finditer(plain)]
    return frozenset(found.union(map(Decimal, joined)))


def _meanings(written: str) -> Iterator[Decimal]:
    """What digits with marks between them may mean: 1.234 is 1234 or 1.234; 1.234,50 is 1234.50 alone."""
    *before, last = re.split(r"[.,']", written)
    marks = re.findall(r"[.,']", written)
    if not before:
        yield Decimal(written)
        return
    grouped = all(len(part) == 3 for part in (*before[1:], last)) and len(set(marks)) == 1
    if grouped:
        yield Decimal("".join((*before, last)))
    if marks[-1] != "'" and marks.count(marks[-1]) == 1:
        yield Decimal(f"{''.join(before)}.{last}")


@lru_cache(maxsize=512)
def dates_in(text: str, language: str) -> frozenset[WrittenDate]:
    """Every date that a text may state. 3/4/2026 is the third of April or the fourth of March."""
    plain = with_digits(text, language).casefold()
    found = [(int(y), int(m), int(d)) for y, m, d in _ISO.findall(plain)]
    for one, _, two, year in _NUMERIC.findall(plain):
        found += [(_year(year), int(two), int(one)), (_year(year), int(one), int(two))]
    months, (day_first, month_first) = month_numbers(language), _worded(language)
    worded = [*day_first.findall(plain), *((d, m, y) for m, d, y in month_first.findall(plain))]
    found += [(int(year) if year else 0, months[month], int(day)) for day, month, year in worded]
    return frozenset(WrittenDate(y or None, m, d) for y, m, d in found if 1 <= m <= 12 and 1 <= d <= 31)


@lru_cache
def _worded(language: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Dates with the name of a month: the day first, or the month."""
    names = "|".join(sorted(map(re.escape, month_numbers(language)), key=len, reverse=True))
    of = r"(?:\s?(?:of|de|del)\s)?\s?"
    year_after = r"(?:,?\s(?:of |de |del )?(\d{4}))?(?!\d)"
    return (
        re.compile(rf"(?<!\d){_DAY}{of}({names})\b\.?{year_after}", re.IGNORECASE),
        re.compile(rf"\b({names})\.?\s(?:the\s)?{_DAY}\b{year_after}", re.IGNORECASE),
    )


def _year(written: str) -> int:
    return int(written) if len(written) == 4 else 2000 + int(written)


@lru_cache(maxsize=512)
def times_in(text: str, language: str) -> frozenset[str]:
    """Every time of day that a text may state, as hh:mm."""
    found: set[str] = set()
    for hour, minute, more, half in _CLOCK.findall(with_digits(text, language)):
        with suppress(ValueError):
            hours, minutes = int(hour), int(minute or more or 0)
            if hours < 24 and minutes < 60:
                pm = half.lower() == "p" and hours < 12
                found.add(f"{hours + 12 * pm:02d}:{minutes:02d}")
    return frozenset(found)
