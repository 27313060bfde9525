"""Numbers after an announcement that are no value: amounts, counts, times, days, and numbers in remarks.

Only the certain digits are judged, without the garbled words beside them: "my account is overdrawn by 1200 dollars".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.normalize.view import TextView
from models.redaction.recognizers.filters.quantity_context import is_amount, is_time_or_day
from models.redaction.recognizers.spoken.announced_clause import Clause, Value

_LONGEST_TIME_DIGITS: Final = 6
"""Digits of a day and a time."""

_MOST_REMARK_WORDS: Final = 3
"""Words after an announcement among which a remark ends it: "my mobile is broken, reading 4821"."""

_LEAST_PHONE_DIGITS: Final = 7
"""From so many digits on a remark or an amount does not clear the rest."""

_SHORTEST_PLURAL: Final = 4
_CLOCK: Final = re.compile(r"(?:[01]?\d|2[0-4])(?:[0-5]\d)?")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")


def is_harmless(view: TextView, clause: Clause, value: Value) -> bool:
    """Whether the value is a time, a day, an amount, or a number in a remark."""
    if not value.digits:
        return False
    return (
        _is_year(clause, value)
        or _is_time(view, clause, value)
        or _is_remark(clause, value)
        or _is_counted(view, clause, value)
    )


def _is_year(clause: Clause, value: Value) -> bool:
    """Whether the digits are a year, after a noun alone or after further words: "my phone is from 2019"."""
    characters = sum(map(clause.characters, range(value.first, value.last + 1)))
    if not _YEAR.fullmatch(value.digits) or characters > len(value.digits):
        return False
    before = _certain(clause, value)[0] - 1
    return not clause.announcement.told or (
        clause.announcement.type != "SECRET" and before >= 0 and clause.is_word(before)
    )


def _is_time(view: TextView, clause: Clause, value: Value) -> bool:
    parts = [clause.digits(*part) for part in _alternatives(clause, value)]
    if clause.tells_a_time(value) and all(len(part) <= _LONGEST_TIME_DIGITS for part in parts):
        return True
    announcement = clause.announcement
    points_back = announcement.type == "PHONE" and value.end <= announcement.start
    if points_back or (announcement.requested and announcement.last_word == "at"):
        return all(map(_CLOCK.fullmatch, parts))
    return is_time_or_day(view, *_span(clause, *_certain(clause, value)))


def _is_remark(clause: Clause, value: Value) -> bool:
    """Whether a remark about the thing stands between the announcement and the digits."""
    announcement = clause.announcement
    if announcement.requested or value.start < announcement.end or len(value.digits) >= _LEAST_PHONE_DIGITS:
        return False
    before = [token.text for token in clause.tokens[: _certain(clause, value)[0]] if token.text[0].isalnum()]
    return not clause.lists.remarks.isdisjoint(before[:_MOST_REMARK_WORDS])


def _is_counted(view: TextView, clause: Clause, value: Value) -> bool:
    """Whether the first number is an amount or a count, and too few digits are left for a telephone number."""
    runs = list(_runs(clause, value))
    counted = [_is_amount(view, clause, *run) for run in runs]
    left = sum(len(clause.digits(*run)) for run, amount in zip(runs, counted, strict=True) if not amount)
    return bool(counted) and counted[0] and left < _LEAST_PHONE_DIGITS


def _is_amount(view: TextView, clause: Clause, first: int, last: int) -> bool:
    if is_amount(view, *_span(clause, first, last)):
        return True
    if last + 1 >= len(clause.tokens):
        return False
    word = clause.tokens[last + 1].text
    if word in clause.lists.counted:
        return True
    plural = word.endswith("s") and len(word) >= _SHORTEST_PLURAL and word not in clause.lists.stops
    return plural and not clause.characters(last + 1) and _is_possessed(clause, first)


def _is_possessed(clause: Clause, first: int) -> bool:
    """Whether a word like "has" stands right before a number."""
    if first > 0:
        return clause.tokens[first - 1].text in clause.lists.possession
    return clause.announcement.last_word in clause.lists.possession


def _alternatives(clause: Clause, value: Value) -> Iterator[tuple[int, int]]:
    """The tokens of the value between words like "or"."""
    start = value.first
    for at in range(value.first, value.last + 1):
        if clause.tokens[at].text in clause.lists.alternatives:
            yield start, at - 1
            start = at + 1
    yield start, value.last


def _runs(clause: Clause, value: Value) -> Iterator[tuple[int, int]]:
    """First and last token of each number in the value. Marks inside a number belong to it."""
    first = last = None
    for at in range(value.first, value.last + 1):
        if clause.surely(clause.tokens[at]):
            first, last = (at if first is None else first), at
        elif clause.is_word(at) and first is not None and last is not None:
            yield first, last
            first = None
    if first is not None and last is not None:
        yield first, last


def _certain(clause: Clause, value: Value) -> tuple[int, int]:
    """The first and the last token of the value that is a number in any context."""
    runs = list(_runs(clause, value))
    return (runs[0][0], runs[-1][1]) if runs else (value.first, value.last)


def _span(clause: Clause, first: int, last: int) -> tuple[int, int]:
    return clause.offset + clause.tokens[first].start, clause.offset + clause.tokens[last].end
