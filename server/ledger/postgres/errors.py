"""PostgreSQL's errors, translated once into ours.

PostgreSQL quotes values in its messages. So neither the message nor a chained cause is kept, only the name of the
exception's class.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors

from models.errors import InternalError, Overloaded, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.errors import FULL_RETRY_S

REACH_HINT: Final = (
    "Check that PostgreSQL runs and takes writes, that this server reaches it, and that the URL has the right user and "
    "database."
)
FULL_HINT: Final = "Make room on the disk of PostgreSQL. What was accepted is kept, and the server goes on by itself."

CONFLICTS: Final = (errors.DeadlockDetected, errors.SerializationFailure, errors.LockNotAvailable)
"""Another transaction was in the way. The same function may succeed when it is run again."""

GONE: Final = (
    errors.AdminShutdown,
    errors.CrashShutdown,
    errors.CannotConnectNow,
    errors.ReadOnlySqlTransaction,  # the server became a standby
    errors.IdleInTransactionSessionTimeout,
)
"""The connection is of no use any more, whatever it still says of itself."""

# Most specific first: class of psycopg, class of ours, reason, sentence, hint.
_TABLE: Final[tuple[tuple[tuple[type[psycopg.Error], ...], type[VestibuleError], Reason, str, str | None], ...]] = (
    (CONFLICTS, Unavailable, Reason.LEDGER_CONFLICT, "The ledger could not commit", None),
    ((errors.QueryCanceled,), Unavailable, Reason.LEDGER_INTERRUPTED, "The ledger's work was interrupted", None),
    ((errors.OutOfMemory,), Unavailable, Reason.LEDGER_MEMORY, "The ledger ran out of memory", None),
    (GONE, Unavailable, Reason.LEDGER_IO, "The ledger's database does not answer", REACH_HINT),
    ((psycopg.IntegrityError,), InternalError, Reason.LEDGER_CONSTRAINT, "A row breaks a rule of the ledger", None),
    ((psycopg.OperationalError,), Unavailable, Reason.LEDGER_IO, "The ledger's database does not answer", REACH_HINT),
    ((psycopg.Error,), InternalError, Reason.LEDGER_QUERY, "The ledger did not take a statement", None),
)


def translate(error: psycopg.Error) -> VestibuleError:
    """Map an error of PostgreSQL, or of the way to it, to one of ours.

    Returns:
        ``Unavailable`` where a retry can help, otherwise ``InternalError``; the reasons are in the table above.
        ``Overloaded`` with LEDGER_FULL when the disk of PostgreSQL is full.
    """
    if isinstance(error, errors.DiskFull):
        return Overloaded(
            "The disk of the ledger is full.", reason=Reason.LEDGER_FULL, hint=FULL_HINT, retry_after_s=FULL_RETRY_S
        )
    _, kind, reason, sentence, hint = next(line for line in _TABLE if isinstance(error, line[0]))
    return kind(f"{sentence} ({type(error).__name__}).", reason=reason, hint=hint)


@contextmanager
def translated() -> Iterator[None]:
    """Raise ours in the place of errors of PostgreSQL, which are not kept as its context either.

    Raises:
        VestibuleError: See ``translate``.
    """
    try:
        yield
    except psycopg.Error as error:
        failure = translate(error)
        try:
            raise failure from None
        finally:
            failure.__context__ = None
