"""Which migrations a ledger lacks, and whether there is a way back from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.errors import NotFound
from models.reasons import Reason
from server.ledger.copied import opened_copy
from server.ledger.migrate import needed_schema, refuse_newer, schema_of
from server.ledger.migrations import ALL

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Waiting:
    """A migration that a ledger lacks.

    Attributes:
        does: What it does, a sentence.
        goes_back: Whether a release that does not know it can use the ledger after it.
    """

    number: int
    name: str
    does: str
    goes_back: bool


def waiting_after(number: int) -> tuple[Waiting, ...]:
    """Those that a ledger of this schema lacks, in order."""
    later = enumerate(ALL[number:], start=number + 1)
    return tuple(Waiting(at, step.name, step.does, step.goes_back) for at, step in later)


def schema_of_stopped(path: Path) -> int:
    """Number of the last migration of a ledger that nobody has open.

    Raises:
        NotFound: LEDGER_NOT_FOUND, there is no file, or it has no migrations.
        InternalError: LEDGER_NEWER.
        VestibuleError: A server has it open, or it is damaged.
    """
    if not path.exists():
        raise NotFound(
            f"There is no {path.name} in {path.parent}.",
            reason=Reason.LEDGER_NOT_FOUND,
            hint="Name the folder with --data-dir.",
        )
    with opened_copy(path) as cursor:
        done = schema_of(cursor)
        refuse_newer(needed_schema(cursor, done))
    if not done:
        raise NotFound(
            f"{path.name} is no ledger of Vestibule.",
            reason=Reason.LEDGER_NOT_FOUND,
            hint="Name the folder with --data-dir.",
        )
    return done
