"""A funnel by groups, counted by loops over sessions: the rules of ``funnel_groups`` written a second time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from server.analytics.funnel_details import Attribution, Breakdown, Details, Segment
from tests.unit.analytics.naive_funnel import Happened, chain_times


@dataclass(frozen=True, slots=True)
class Told:
    """A session and what is stored of it."""

    name: str
    events: tuple[Happened, ...]
    opened: datetime
    ended: bool = True
    variant: str = ""
    client: str = "app"
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Funnel:
    """Steps, window in microseconds, order."""

    steps: tuple[str, ...]
    within: int | None
    ordering: str


@dataclass
class Placed:
    """A session of the funnel, with its group."""

    session: Told
    times: list[int]
    value: str | None = None
    amount: float | None = None
    segment: Segment = field(default_factory=lambda: Segment("none"))
    start: datetime | None = None
    range: int = 0

    @property
    def reached(self) -> int:
        return len(self.times)


def placed(sessions: Iterable[Told], funnel: Funnel, details: Details) -> list[Placed]:
    """The sessions of the funnel, each in its group."""
    found = []
    for session in sessions:
        times = chain_times(session.events, funnel.steps, funnel.within, funnel.ordering)
        if times:
            found.append(Placed(session, times))
    for one in found:
        if details.breakdown is not None:
            one.value = _value(one, funnel, details.breakdown)
        if details.amount is not None:
            text = _property(one, funnel, details.amount.key, details.amount.attribution)
            one.amount = None if text is None else _number(text)
        one.start = _start(one.session.opened, details.period)
    if details.breakdown is not None:
        _name_ranges(found, details.breakdown)
        sizes = Counter(one.value for one in found if one.value is not None)
        kept = sorted(sizes, key=lambda value: (-sizes[value], value))[: details.breakdown.most]
        for one in found:
            if one.value is not None:
                one.segment = Segment("value", one.value) if one.value in kept else Segment("other")
    return found


def groups(found: Sequence[Placed], details: Details) -> Iterator[tuple[Segment | None, datetime | None, list[Placed]]]:
    """The groups in the order of the report."""
    yield from _by_time(None, found, details)
    if details.breakdown is None:
        return
    sizes = Counter(one.segment for one in found)
    ranges = {one.segment: one.range for one in found}
    places = {"value": 0, "other": 1, "none": 2}
    for segment in sorted(sizes, key=lambda s: (places[s.kind], ranges[s], -sizes[s], s.value or "")):
        yield from _by_time(segment, [one for one in found if one.segment == segment], details)


def _by_time(
    segment: Segment | None, found: Sequence[Placed], details: Details
) -> Iterator[tuple[Segment | None, datetime | None, list[Placed]]]:
    """All of them; with a breakdown, the times of all sessions come behind it too."""
    yield segment, None, list(found)
    if details.period is not None:
        for start in sorted({one.start for one in found if one.start is not None}):
            yield segment, start, [one for one in found if one.start == start]


def _name_ranges(found: Sequence[Placed], breakdown: Breakdown) -> None:
    """Put the names of ranges in the place of a number that has too many values."""
    values = {one.value for one in found if one.value is not None}
    given = [json.loads(e.properties).get(breakdown.key) for one in found for e in one.session.events if e.of_app]
    if breakdown.by != "property" or len(values) <= breakdown.most or any(type(v) in (str, bool) for v in given):
        return
    line = sorted((float(one.value), one.value) for one in found if one.value is not None)
    count = min(4, breakdown.most)
    bounds = [line[math.ceil(len(line) * n / count) - 1][0] for n in range(1, count)]
    held: dict[int, list[str]] = {}
    for number, text in line:
        held.setdefault(sum(bound < number for bound in bounds), []).append(text)
    for one in found:
        if one.value is not None:
            one.range = sum(bound < float(one.value) for bound in bounds)
            first, *_, last = [*held[one.range], held[one.range][-1]]
            one.value = first if first == last else f"{first} to {last}"


def quantile(values: Iterable[float], share: float) -> float:
    """By linear interpolation."""
    line = sorted(values)
    place = (len(line) - 1) * share
    low = int(place)
    high = min(low + 1, len(line) - 1)
    return line[low] + (line[high] - line[low]) * (place - low)


def _value(one: Placed, funnel: Funnel, breakdown: Breakdown) -> str | None:
    session = one.session
    if breakdown.by == "property":
        return _property(one, funnel, breakdown.key, breakdown.attribution)
    if breakdown.by == "event":
        return "true" if any(e.name == breakdown.key for e in session.events) else "false"
    return {"variant": session.variant, "client": session.client, "language": session.language}[breakdown.by] or None


def _property(one: Placed, funnel: Funnel, key: str, attribution: Attribution) -> str | None:
    carrying = []
    for number, event in enumerate(one.session.events):
        given = json.loads(event.properties).get(key)
        if given is None or not event.of_app:
            continue
        if attribution.touch == "step":
            if len(one.times) < attribution.position or event.name != funnel.steps[attribution.position - 1]:
                continue
            if event.at != one.times[attribution.position - 1]:
                continue
        carrying.append((event.at, event.sequence, number, given if isinstance(given, str) else json.dumps(given)))
    if not carrying:
        return None
    chosen = max(carrying) if attribution.touch == "last" else min(carrying)
    return chosen[-1]


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def _start(opened: datetime, period: str | None) -> datetime | None:
    day = datetime(opened.year, opened.month, opened.day, tzinfo=UTC)
    if period == "week":
        return day - timedelta(days=day.weekday())
    return {"day": day, "month": day.replace(day=1), None: None}[period]
