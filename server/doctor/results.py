"""What a check is given, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.errors import VestibuleError
from server.doctor.ledger_user import LedgerUser
from server.settings import Settings


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARNING = "warning"  # the server works, but not as well as it could, or not for long
    PROBLEM = "problem"  # the server does not start, or a part of it does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        subject: What was looked at, a few words.
        found: One or two sentences.
        hint: What to do; empty if there is nothing to do.
        reason: Stable reason as in docs/reference/errors.md, or empty.
    """

    level: Level
    subject: str
    found: str
    hint: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at.

    Attributes:
        settings: Those of the server.
        user: The process that has the ledger open, as the running server does; None if there is none.
        weights: Names of the weights that the server loads.
        now: The time now.
    """

    settings: Settings
    user: LedgerUser | None
    weights: tuple[str, ...]
    now: datetime

    @property
    def server(self) -> LedgerUser | None:
        """The running server; None if there is none that can be seen."""
        return self.user if self.user is not None and self.user.is_server else None


Check = Callable[[Situation], Iterable[Finding]]
"""Yields a line for each thing that it looks at. A VestibuleError that it raises becomes a problem."""


def ok(subject: str, found: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(Level.OK, subject, found)


def warning(subject: str, found: str, hint: str) -> Finding:
    """A thing that should be better."""
    return Finding(Level.WARNING, subject, found, hint)


def problem(subject: str, found: str, hint: str) -> Finding:
    """A thing that is wrong."""
    return Finding(Level.PROBLEM, subject, found, hint)


def refused(subject: str, error: VestibuleError, level: Level = Level.PROBLEM) -> Finding:
    """A thing that our own code refuses."""
    return Finding(level, subject, error.message, error.hint, str(error.reason))
