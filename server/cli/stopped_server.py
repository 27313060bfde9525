"""Commands that call a server, or work on the files of a stopped one: each case says how the other one is reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from models.errors import Unavailable
from models.reasons import Reason
from server.cli.output import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from server.ledger.writer import Ledger


def open_stopped_ledger(path: Path, *, migrates: bool = True) -> Ledger:
    """Open the ledger of a stopped server.

    Args:
        path: Its file, which exists.
        migrates: Whether to bring an older one up to date.

    Raises:
        Failure: LEDGER_LOCKED, a server runs on it.
    """
    from server.ledger.types import utc_now
    from server.ledger.writer import Ledger

    try:
        return Ledger.open(path, utc_now, migrates=migrates)
    except Unavailable as error:
        if error.reason is not Reason.LEDGER_LOCKED:
            raise
        hint = "A server runs on these files: leave --offline out, and the server does it."
        raise Failure(error.message, reason=error.reason, hint=hint) from error


@contextmanager
def or_else(advice: str) -> Iterator[None]:
    """Add advice to the error when no server answers."""
    try:
        yield
    except Failure as failure:
        if failure.reason == Reason.UNAVAILABLE:
            failure.hint = f"{failure.hint} {advice}"
        raise
