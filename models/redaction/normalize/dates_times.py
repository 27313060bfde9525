"""Dates and times of day. They identify nobody, and no entity may begin or end inside one.

"9820155443 10:15" is a number and a time, not a number of twelve digits. "12.05.2024 14:30" is no telephone number.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from models.text import Entity

_HOUR = r"(?:[01]?\d|2[0-4])"
CLOCK = re.compile(rf"(?<![\w:.,-]){_HOUR}:[0-5]\d(?::[0-5]\d)?(?:\s?[ap]m)?(?![\w:])", re.IGNORECASE)
"""A time with colons; MAC and IPv6 addresses have more of them."""

_DAY = (
    r"(?:[0-3]?\d\.[01]?\d\.(?:19|20)\d\d|[0-3]?\d/[0-3]?\d/(?:19|20)\d\d|[0-3]?\d-[0-3]?\d-(?:19|20)\d\d"
    r"|(?:19|20)\d\d\.[01]?\d\.[0-3]?\d|(?:19|20)\d\d/[01]?\d/[0-3]?\d|(?:19|20)\d\d-[01]?\d-[0-3]?\d)"
)
_TIME = rf"{_HOUR}[.:h][0-5]\d(?:[.:][0-5]\d)?"
_AFTER = rf"(?:\s{{0,2}}[-–,T]?\s{{0,2}}(?:{_DAY}|{_TIME}|\d{{1,4}}))"
"""What may follow a date: another day, a time, or the next words ("12.05.2024 25 valves"). Speech drops the space."""

NOT_AN_HOUR = r"(?!(?<=[^\d]\d):[0-5]\d)(?!(?<=[^\d](?:[01]\d|2[0-4])):[0-5]\d)"
"""Ends a number before a colon, so that the hour of a time stays outside of it.

"415 555 0132 10:15" ends before its time; "4155550132:10" is a whole number with something after it.
"""

_DATE_TIME = re.compile(
    rf"{_DAY}{_AFTER}{{1,3}}"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[ T_-]?(?:[01]\d|2[0-4])[0-5]\d(?:[0-5]\d)?"
)


DAY = re.compile(rf"(?<!\d){_DAY}(?!\d)")
"""A whole date with its year, in digits."""


def is_date_time(text: str) -> bool:
    """Whether the text is only a date with a time ("12.05.2024 14.30", "20240512 143022"), or some dates in a row."""
    return _DATE_TIME.fullmatch(text) is not None


def outside_times(text: str, entities: Iterable[Entity]) -> list[Entity]:
    """The entities without the parts of times that they begin or end with. An entity that covers a whole time stays."""
    if ":" not in text:
        return list(entities)
    times = [match.span() for match in CLOCK.finditer(text)]
    return [cut for entity in entities for cut in _cut(text, entity, times)] if times else list(entities)


def _cut(text: str, entity: Entity, times: Sequence[tuple[int, int]]) -> Iterator[Entity]:
    last, first = _inside(times, entity.end), _inside(times, entity.start)
    end = last[0] if last else entity.end
    start = first[1] if first else entity.start
    if start >= end:
        return  # the entity is only a piece of a time
    if (start, end) == (entity.start, entity.end):
        yield entity
        return
    kept = [at for at in range(start, end) if text[at].isalnum()]
    if kept:
        yield replace(entity, start=kept[0], end=kept[-1] + 1)


def _inside(times: Sequence[tuple[int, int]], at: int) -> tuple[int, int] | None:
    """The time that has this offset strictly inside it; None if there is none."""
    before = bisect_right(times, at, key=lambda span: span[0]) - 1
    if before < 0 or not times[before][0] < at < times[before][1]:
        return None
    return times[before]
