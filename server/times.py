"""How a time and a length of time are written, the same in every command, report and page.

People read ``2026-11-28 00:35 UTC`` and ``25 min 44 s``; programs read RFC 3339 in UTC, ``2026-11-28T00:35:23Z``.
The day on which something was said is that of a time zone.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE: Final = "UTC"
LONGEST_WINDOW: Final = timedelta(days=3660)
"""How long the steps of a funnel may take at most, as the rules of the API have it."""


def zone_named(name: str) -> ZoneInfo | None:
    """The time zone with an IANA name such as ``Europe/Berlin``; None for a name that this machine does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name of a folder, or no name of a file
        return None


def day_in_zone(when: datetime, zone: str) -> date:
    """The day of a time in a time zone. Without a zone of its own, the time is UTC.

    A zone that this machine does not know counts as UTC: a session may have come with a ledger from another machine.
    """
    return _utc(when).astimezone(zone_named(zone) or UTC).date()


def shown_time(when: datetime) -> str:
    """A time for people: ``2026-11-28 00:35 UTC``. Without a zone it is UTC."""
    return f"{_utc(when):%Y-%m-%d %H:%M} UTC"


def shown_moment(when: datetime) -> str:
    """A time for people where seconds count: ``2026-11-28 00:35:23 UTC``. Without a zone it is UTC."""
    return f"{_utc(when):%Y-%m-%d %H:%M:%S} UTC"


def machine_time(when: datetime) -> str:
    """A time for programs, in RFC 3339: ``2026-11-28T00:35:23Z``. Without a zone it is UTC."""
    return f"{_utc(when):%Y-%m-%dT%H:%M:%SZ}"


def machine_minute(when: datetime) -> str:
    """A full minute for programs, where a line is short: ``2026-11-28T00:35Z``. Without a zone it is UTC."""
    return f"{_utc(when):%Y-%m-%dT%H:%MZ}"


def shown_length(seconds: float) -> str:
    """A length of time for people: ``850 ms``, ``12.3 s``, ``25 min 44 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 0:
        return f"\N{MINUS SIGN}{shown_length(-seconds)}"
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours >= 48:
        return _two((hours // 24, "d"), (hours % 24, "h"))
    return _two((hours, "h"), (minutes_left, "min")) if hours else _two((minutes, "min"), (rest, "s"))


def _utc(when: datetime) -> datetime:
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _two(large: tuple[int, str], small: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in (large, small) if number)
