"""What the checks are given in tests: settings with folders and ports of their own, and what they look at."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from server.doctor.ledger_user import LedgerUser
from server.doctor.results import Check, Finding, Level, Situation
from server.settings import Settings

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def situation(
    folder: Path, *, user: LedgerUser | None = None, now: datetime | None = None, **changes: Any
) -> Situation:
    """A situation in which nothing is wrong, but for what is changed in the settings."""
    settings = Settings(
        **{
            "data_dir": folder / "data",
            "state_dir": folder / "state",
            "cache_dir": folder / "cache",
            "address": "127.0.0.1:0",
            "metrics_port": 0,
            "quack": {"port": 0},
            "console": {"port": 0},
            "ray": {"dashboard_port": 0},
            **changes,
        }
    )
    return Situation(settings, user, ("silero-vad",), now or datetime.now(UTC))


def lines(found: Iterable[Finding]) -> list[tuple[str, str]]:
    """Level and subject of each finding."""
    return [(str(each.level), each.subject) for each in found]


def only(check: Check, looked_at: Situation, subject: str = "") -> Finding:
    """The one finding of a check, or its one about a subject."""
    found = [each for each in check(looked_at) if not subject or each.subject == subject]
    assert len(found) == 1, found
    return found[0]


def bad(found: Iterable[Finding]) -> list[Finding]:
    """The warnings and the problems."""
    return [each for each in found if each.level is not Level.OK]
