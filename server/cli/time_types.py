"""Times, days and lengths of time on the command line: one type of each for all commands."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import click

from server.times import LONGEST_WINDOW

_DAY = r"\d{4}-\d\d-\d\d"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A day or a time. Without a zone it is UTC, see ``as_utc``; a day is its beginning."""

    name = "time"
    pattern: ClassVar = re.compile(rf"({_DAY})(?:[T ](\d\d:\d\d(?::\d\d)?) ?(Z|UTC|[+-]\d\d:?\d\d)?)?")
    form: ClassVar = "a day or a time, such as 2026-11-01, 2026-11-01T08:00 or 2026-11-01T08:00:00+01:00"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        if isinstance(value, datetime):
            return value
        found = self.pattern.fullmatch(value)
        if found is None:
            self.fail(f"it must be {self.form}.", param, ctx)
        day, time, zone = (*found.groups(), None, None)[:3]
        try:
            return datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or '').replace('UTC', 'Z')}")
        except ValueError:
            self.fail("there is no such day or time.", param, ctx)


class Day(Moment):
    """A day, UTC."""

    name = "day"
    pattern: ClassVar = re.compile(rf"({_DAY})")
    form: ClassVar = "a day, such as 2026-11-01"


class Period(click.ParamType[timedelta]):
    """A number with a unit: ``30m``, ``24h``, ``90d``."""

    name = "period"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhd])", value)
        if found is None:
            self.fail("it must be a number of at most six digits with s, m, h or d, such as 24h or 90d.", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class Window(Period):
    """How long the steps of a funnel may take. In no time nobody makes a step."""

    name = "window"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it."""
        found = super().convert(value, param, ctx)
        if not timedelta(0) < found <= LONGEST_WINDOW:
            self.fail(f"it must be from 1s to {LONGEST_WINDOW.days}d.", param, ctx)
        return found


def as_utc(given: datetime) -> datetime:
    """A time of the command line as an aware one; without a zone it is UTC."""
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def check_span(start: datetime | None, end: datetime | None) -> None:
    """Make sure that a time begins before it ends.

    Args:
        start: Of ``--from``; None for no bound.
        end: Of ``--to``; None for no bound.

    Raises:
        click.UsageError: It does not.
    """
    if start is not None and end is not None and as_utc(start) >= as_utc(end):
        raise click.UsageError("--from must be before --to.")
