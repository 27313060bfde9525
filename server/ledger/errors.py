"""DuckDB's errors, translated once into ours.

DuckDB quotes SQL text and values in its messages. So neither the message nor a chained cause is kept, only the name of
the exception's class.
"""

from __future__ import annotations

import duckdb

from models.errors import InternalError, Overloaded, Unavailable, VestibuleError
from models.reasons import Reason

LOCKED_HINT = (
    "Another server uses this data folder: end it, or name other folders with --data-dir and --state-dir. To read "
    "its content, use `vestibule sql`."
)
DISK_HINT = "Check free space and permissions of the data folder."
FULL_HINT = (
    "Make room on the disk of the data folder. What was accepted is kept. A running server goes on by itself; one that "
    "has ended must be started again."
)
FULL_RETRY_S = 30.0
_LOCK_WORDS = "could not set lock"
_FULL_WORDS = ("no space left", "disk quota exceeded", "file too large")
_DISK_WORDS = ("io error", "could not write", "could not sync")
_OF_DISK = (duckdb.IOException, duckdb.TransactionException, duckdb.FatalException)

# Most specific first: class of DuckDB, class of ours, reason, sentence, hint.
_TABLE: tuple[tuple[type[duckdb.Error], type[VestibuleError], Reason, str, str | None], ...] = (
    (duckdb.TransactionException, Unavailable, Reason.LEDGER_CONFLICT, "The ledger could not commit", None),
    (duckdb.InterruptException, Unavailable, Reason.LEDGER_INTERRUPTED, "The ledger's work was interrupted", None),
    (duckdb.OutOfMemoryException, Unavailable, Reason.LEDGER_MEMORY, "The ledger ran out of memory", None),
    (duckdb.IOException, Unavailable, Reason.LEDGER_IO, "The ledger's disk refused", DISK_HINT),
    (duckdb.FatalException, Unavailable, Reason.LEDGER_IO, "The ledger's disk refused", DISK_HINT),
    (duckdb.ConstraintException, InternalError, Reason.LEDGER_CONSTRAINT, "A row breaks a rule of the ledger", None),
    (duckdb.ConnectionException, InternalError, Reason.LEDGER_CLOSED, "The ledger is closed", None),
    (duckdb.Error, InternalError, Reason.LEDGER_QUERY, "The ledger did not take a statement", None),
)


def translate(error: duckdb.Error) -> VestibuleError:
    """Map an error of DuckDB to one of ours.

    Returns:
        ``Unavailable`` where a retry can help, otherwise ``InternalError``; the reasons are in the table above, and
        LEDGER_LOCKED when another process holds the file. ``Overloaded`` with LEDGER_FULL when its disk is full.
    """
    words = str(error).lower()
    if isinstance(error, duckdb.IOException) and _LOCK_WORDS in words:
        return Unavailable("Another process holds the ledger.", reason=Reason.LEDGER_LOCKED, hint=LOCKED_HINT)
    if isinstance(error, _OF_DISK) and any(word in words for word in _FULL_WORDS):
        return ledger_full()
    if isinstance(error, duckdb.TransactionException) and any(word in words for word in _DISK_WORDS):
        # The disk refused a commit; DuckDB rolls it back and stays usable.
        return Unavailable("The ledger's disk refused a commit.", reason=Reason.LEDGER_IO, hint=DISK_HINT)
    _, kind, reason, sentence, hint = next(line for line in _TABLE if isinstance(error, line[0]))
    return kind(f"{sentence} ({type(error).__name__}).", reason=reason, hint=hint)


def ledger_full() -> Overloaded:
    """The disk of the ledger is full."""
    return Overloaded(
        "The disk of the ledger is full.", reason=Reason.LEDGER_FULL, hint=FULL_HINT, retry_after_s=FULL_RETRY_S
    )
