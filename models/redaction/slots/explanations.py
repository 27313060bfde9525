"""What explains a number, so that it identifies nobody: a unit, a price, a time, a day, a thing, a remark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.view import TextView
from models.redaction.recognizers.filters.quantity_context import introduced_as, is_amount, is_harmless, is_time_or_day
from models.redaction.slots.announcements import Announcement
from models.redaction.slots.spoken_words import STOPS, Run, SpokenWords

_IMPERSONAL: Final = 0.05
"""Highest probability of being personal by the slot tagger with which a number is nobody's. See
docs/evaluation/constants/redaction.md, slot-bars.
"""

_LONGEST_TIME_DIGITS: Final = 6
"""Digits of a day and a time."""

_TIME_REACH: Final = 2
_THING_REACH: Final = 3
"""Words before a number among which a thing explains it."""

_MOST_REMARK_WORDS: Final = 3
"""Words after an announcement among which a remark ends it: "my mobile is broken, reading 4821"."""

_LEAST_PHONE_DIGITS: Final = 7
"""From so many digits on a remark does not explain a number."""

_MOST_COUNTED_DIGITS: Final = 4
_MOST_CORRECTIONS: Final = 4
"""Most times that a number of a thing is corrected."""

_SHORTEST_PLURAL: Final = 4
_CLOCK: Final = re.compile(r"(?:[01]?\d|2[0-4])(?:[0-5]\d)?")
_HOUR: Final = r"(?:0?[1-9]|1[0-2])(?:[.:]?[0-5]\d)?"
_MARKED: Final = r"\s?[ap]\.?m\.?"
_MARKED_CLOCK: Final = re.compile(rf"(?:{_HOUR}(?:{_MARKED})?(?:\s?[-–]\s?|\s[^\W\d_]{{1,5}}\s))?{_HOUR}{_MARKED}")
"""A time with a mark of its own: "5pm", "6:30 p.m.", "9-11am", "8am to 10am"."""

_TIMED: Final = frozenset({"PHONE"})
"""Types of values beside which a time stands for itself. A code may look like one: "my code is 5am"."""

_BEFORE_TIME: Final = re.compile(rf"(?<![^\W_])(?:{alternatives('units', 'times')})\s$")
_BEFORE_TIME_REACH: Final = 14
NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_DECIMAL: Final = re.compile(r"\d{1,4}[.,]\d{1,2}")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_DATED: Final = frozenset({"DOB"})
"""Types of values that are days: neither a month nor a year explains them."""


def is_explained(
    text: SpokenWords, run: Run, slot: Announcement | None = None, corrections: int = _MOST_CORRECTIONS
) -> bool:
    """Like ``is_explained_by_words``, or the slot tagger sees nothing personal in the run."""
    if not (slot and slot.told) and text.personal(run) <= _IMPERSONAL:
        return True
    return is_explained_by_words(text, run, slot, corrections)


def is_explained_by_words(
    text: SpokenWords, run: Run, slot: Announcement | None = None, corrections: int = _MOST_CORRECTIONS
) -> bool:
    """Whether the words around the run, or after the announcement of its slot, show that it identifies nobody.

    Args:
        text: All words.
        run: The number.
        slot: The slot that the number stands in.
        corrections: Most numbers before the run that are looked at because it may correct them.
    """
    if is_amount(text.view, run.start, run.end) or _is_counted(text, run, slot):
        return True
    if slot is not None and slot.type in _DATED:
        return False
    if _is_time(text, run, slot) or _is_year(text, run, slot):
        return True
    told = slot is not None and slot.told and not slot.back
    if told and _is_remark(text, run, slot):
        return True
    return not told and (_is_of_thing(text, run) or (corrections > 0 and _corrects_explained(text, run, corrections)))


def is_quantity(view: TextView, number: re.Match[str]) -> bool:
    """Whether a number is an amount with its unit or currency, or has decimals: "220 V", "29,8"."""
    return _DECIMAL.fullmatch(number.group()) is not None or is_amount(view, *number.span())


def _corrects_explained(text: SpokenWords, run: Run, corrections: int) -> bool:
    """Whether the run corrects a number of a thing: "the meter shows 4821, no wait, 4812"."""
    if not text.is_after_pause(run):
        return False
    before = next((other for other in reversed(text.runs) if other.last < run.first), None)
    return before is not None and is_explained(text, before, corrections=corrections - 1)


def _is_counted(text: SpokenWords, run: Run, slot: Announcement | None) -> bool:
    """Whether the word after the run is what is counted. Inside a slot a plural counts only after "has" or "of"."""
    if run.last + 1 >= len(text.tokens):
        return False
    word = text.tokens[run.last + 1].text
    if word in text.lists.counted:
        return True
    plural = word.endswith("s") and len(word) >= _SHORTEST_PLURAL and text.is_plain(run.last + 1)
    verb = run.last + 2 < len(text.tokens) and text.lists.owner.fullmatch(text.tokens[run.last + 2].text)
    if not plural or verb or text.characters[run.last + 1] or len(run.digits) > _MOST_COUNTED_DIGITS:
        return False
    return slot is None or (run.first > 0 and text.tokens[run.first - 1].text in text.lists.possession)


def _is_marked_clock(text: SpokenWords, run: Run, slot: Announcement | None) -> bool:
    """Whether the run is a time such as "5pm". In the slot of a code it also needs a word like "after" before it."""
    lower = text.view.lower
    if not _MARKED_CLOCK.fullmatch(lower, run.start, run.end):
        return False
    if slot is None or slot.type in _TIMED:
        return True
    return _BEFORE_TIME.search(lower[max(0, run.start - _BEFORE_TIME_REACH) : run.start]) is not None


def _is_time(text: SpokenWords, run: Run, slot: Announcement | None) -> bool:
    if _is_marked_clock(text, run, slot):
        return True
    if run.characters > len(run.digits) or len(run.digits) > _LONGEST_TIME_DIGITS:
        return False
    near = text.tokens[max(0, run.first - _TIME_REACH) : run.last + 1 + _TIME_REACH]
    if any(token.text in text.lists.times for token in near):
        return True
    asks_when = slot is not None and slot.type == "PHONE" and (slot.back or (slot.requested and slot.last_word == "at"))
    if asks_when and _CLOCK.fullmatch(run.digits) and _is_alone(text, run):
        return True
    return is_time_or_day(text.view, run.start, run.end)


def _is_alone(text: SpokenWords, run: Run) -> bool:
    """Whether no other number is near, except one of which a word like "or" says that it is another."""
    for other in text.runs:
        between = range(min(run.last, other.last) + 1, max(run.first, other.first))
        words = [text.tokens[at].text for at in between if text.is_word(at)]
        if other.first != run.first and len(words) < _THING_REACH and text.lists.alternatives.isdisjoint(words):
            return False
    return True


def _is_year(text: SpokenWords, run: Run, slot: Announcement | None) -> bool:
    """Whether the digits are a year: after other words than the announcement, and not said one by one."""
    if not _YEAR.fullmatch(run.digits) or run.characters > len(run.digits) or text.is_after_pause(run):
        return False
    if sum(text.word_at[run.first : run.last + 1]) == len(run.digits):
        return False
    if slot is None or not slot.told:
        return run.first > 0 and text.is_word(run.first - 1)
    before = run.first - 1
    return slot.type != "SECRET" and before >= 0 and text.is_word(before) and text.tokens[before].start >= slot.end


def _is_remark(text: SpokenWords, run: Run, slot: Announcement | None) -> bool:
    """Whether a remark about the thing stands between the announcement and the run."""
    if slot is None or slot.requested or len(run.digits) >= _LEAST_PHONE_DIGITS:
        return False
    between = [text.tokens[at].text for at in range(text.at(slot.end), run.first) if text.is_word(at)]
    return not text.lists.remarks.isdisjoint(between[:_MOST_REMARK_WORDS])


def _is_of_thing(text: SpokenWords, run: Run) -> bool:
    if any(word in text.lists.objects for word in _words_before(text, run.first, _THING_REACH)):
        return True
    if introduced_as(text.view, run.start) == "personal":
        return False
    return is_harmless(text.view, run.start, run.end)


def _words_before(text: SpokenWords, first: int, most: int) -> Iterator[str]:
    """The words before a token in its sentence, the nearest first."""
    at = first - 1
    while at >= 0 and most and text.tokens[at].text not in STOPS:
        if text.is_word(at):
            most -= 1
            yield text.tokens[at].text
        at -= 1
