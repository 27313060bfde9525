"""How many dead letters are kept, and who learns of a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from server.ledger.dead_letters import DroppedLetters, LetterBounds
from server.ledger.types import DeadLetterRow
from server.observability.log import get_logger

log = get_logger("dead_letters")


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A dead letter that was just stored.

    Attributes:
        dropped: Open letters that were deleted because there are too many.
    """

    letter: DeadLetterRow
    dropped: Sequence[DroppedLetters]


LetterObserver = Callable[[NewLetter], None]
"""Learns of every new letter once it is stored. It must not raise and must not wait."""


def log_letter(new: NewLetter) -> None:
    """The observer that writes log lines. A dropped letter is a warning: nobody can redrive it any more."""
    letter = new.letter
    log.error(
        "dead_letter",
        letter=letter.id,
        job=letter.job_id,
        kind=letter.kind,
        reason=letter.reason,
        attempts=letter.attempts,
        call=letter.correlation_id,
    )
    for dropped in new.dropped:
        log.warning("dead_letters_dropped", client=dropped.client_id, kind=dropped.kind, letters=dropped.number)


def log_critical(letter: DeadLetterRow) -> None:
    """Write the line of the log that an operator is to be woken by."""
    log.error("critical_dead_letter", letter=letter.id, kind=letter.kind, reason=letter.reason)


@dataclass(frozen=True, slots=True)
class LetterRules:
    """The bounds, and the observer."""

    bounds: LetterBounds = field(default_factory=LetterBounds)
    observer: LetterObserver = log_letter
