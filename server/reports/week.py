"""Weeks, and when the report of each is due."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from models.errors import InvalidInput
from models.reasons import Reason

_NAME = re.compile(r"(\d{4})-W(\d{2})")
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """A week of ISO 8601, from Monday to Sunday."""

    year: int
    number: int

    @classmethod
    def parse(cls, name: str) -> Week:
        """The week of a name such as 2026-W48.

        Raises:
            InvalidInput: REPORT_WEEK_INVALID.
        """
        found = _NAME.fullmatch(name)
        if found is None:
            raise InvalidInput(
                "The week is not of the form 2026-W48.",
                reason=Reason.REPORT_WEEK_INVALID,
                hint="Give the year and the number of the week by ISO 8601.",
            )
        week = cls(int(found[1]), int(found[2]))
        try:
            week.monday + 2 * _WEEK, week.monday - 2 * _WEEK
        except (ValueError, OverflowError) as exc:
            raise InvalidInput(
                f"There is no week {name}.",
                reason=Reason.REPORT_WEEK_INVALID,
                hint="By ISO 8601 a year has the weeks 01 to 52; some years have a week 53.",
            ) from exc
        return week

    @classmethod
    def of(cls, day: date) -> Week:
        """The week of a day."""
        found = day.isocalendar()
        return cls(found.year, found.week)

    @property
    def name(self) -> str:
        """Such as 2026-W48. Names sort as weeks do."""
        return f"{self.year:04}-W{self.number:02}"

    @property
    def monday(self) -> date:
        """Its first day."""
        return date.fromisocalendar(self.year, self.number, 1)

    @property
    def before(self) -> Week:
        """The week before."""
        return Week.of(self.monday - _WEEK)

    @property
    def after(self) -> Week:
        """The week after."""
        return Week.of(self.monday + _WEEK)

    def bounds(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """From when to when, UTC; an hour shorter or longer where the clocks change."""
        return _moment(self.monday, 0, zone), _moment(self.after.monday, 0, zone)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When reports are due.

    Attributes:
        day: Of the week after the reported one; 0 is Monday.
        hour: Of that day.
        zone: In which they are meant.
    """

    day: int
    hour: int
    zone: tzinfo

    def due_time(self, week: Week) -> datetime:
        """When the report of a week is due, UTC."""
        return _moment(week.after.monday + timedelta(days=self.day), self.hour, self.zone)

    def latest_due(self, now: datetime) -> Week:
        """The newest week whose report is due."""
        week = Week.of(now.astimezone(self.zone).date()).before
        return week if self.due_time(week) <= now else week.before

    def latest_whole(self, now: datetime) -> Week:
        """The newest week that is over."""
        return Week.of(now.astimezone(self.zone).date()).before

    def next_due(self, now: datetime) -> datetime:
        """When the next report is due, UTC."""
        return self.due_time(self.latest_due(now).after)


def weeks_between(after: Week, up_to: Week, most: int) -> Iterator[Week]:
    """The weeks after one, up to another, the oldest first; of more than ``most``, the newest."""
    found: list[Week] = []
    while up_to > after and len(found) < most:
        found.append(up_to)
        up_to = up_to.before
    yield from reversed(found)


def _moment(day: date, hour: int, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)
