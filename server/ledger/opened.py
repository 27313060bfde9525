"""Opens the ledger where the settings say that it is."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import Conflict, InvalidInput, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.embedded import EmbeddedLedger
from server.ledger.errors import LOCKED_HINT
from server.ledger.file_lock import locked
from server.ledger.transactional import Ledger


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What a server reads and writes.

    Attributes:
        ledger: Holds the truth.
        views: Has views and macros, for analysts and reports: the ledger itself, or its mirror; None without one.
        url: Of PostgreSQL, where that holds the ledger; else empty.
        together: Whether other servers write to it at the same time.
    """

    ledger: Ledger
    views: EmbeddedLedger | None
    url: str = field(default="", repr=False)
    together: bool = False


@contextmanager
def opened(path: Path, url: str, *, together: bool = False, mirror: bool = True) -> Iterator[Ledgers]:
    """Open the ledger, and bring it to the newest schema.

    Args:
        path: The embedded file, or the mirror's.
        url: Of PostgreSQL; empty for the embedded file.
        together: Whether other servers may use the ledger meanwhile; PostgreSQL alone lets them.
        mirror: Whether to have one of PostgreSQL. Else that of an earlier start is deleted: no erasure would reach it.

    Raises:
        VestibuleError: See ``EmbeddedLedger.open`` and ``PostgresLedger.open``; LEDGER_DRIVER_MISSING.
    """
    if not url:
        with closing(EmbeddedLedger.open(path)) as file:
            yield Ledgers(file, file)
        return
    require_driver()
    from server.ledger.postgres.ledger import PostgresLedger, Use  # psycopg is an extra

    use = Use.TOGETHER if together else Use.ALONE
    with closing(PostgresLedger.open(url, use=use)) as ledger:
        if mirror:
            with closing(opened_mirror(path)) as file:
                yield Ledgers(ledger, file, url, together)
            return
        _delete_unused(path)
        yield Ledgers(ledger, None, url, together)


def _delete_unused(mirror: Path) -> None:
    """Delete a mirror that no process has open. It is not opened: a full disk must not keep it from being deleted.

    Raises:
        Unavailable: LEDGER_LOCKED.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(mirror))
        except BlockingIOError:
            raise Unavailable(
                "Another process holds the mirror.", reason=Reason.LEDGER_LOCKED, hint=LOCKED_HINT
            ) from None
        except OSError:
            pass  # it is not there, or the file system has no locks
        delete_mirror(mirror)


def opened_mirror(path: Path) -> EmbeddedLedger:
    """Open a mirror. One that cannot be opened is deleted: it is made anew.

    Raises:
        VestibuleError: As ``EmbeddedLedger.open``.
    """
    try:
        return EmbeddedLedger.open(path)
    except VestibuleError as error:
        if error.reason in (Reason.LEDGER_LOCKED, Reason.LEDGER_FULL):
            raise
    delete_mirror(path)
    return EmbeddedLedger.open(path)


def copying_folder(state_dir: Path) -> Path:
    """Where lies for a moment what is copied into a mirror, or into PostgreSQL."""
    return state_dir / "mirror"


def delete_mirror(path: Path) -> None:
    """Delete the file of a mirror, and what lies beside it: its log, what DuckDB could not hold, an unfinished copy."""
    for file in path.parent.glob(f"{path.stem}.*"):
        if file.is_dir():
            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)


def refuse_postgres(in_postgresql: bool, what: str) -> None:
    """Refuse what works on the embedded file alone.

    Args:
        in_postgresql: Whether the ledger is there.
        what: That cannot be done, the subject of a sentence.

    Raises:
        Conflict: LEDGER_IN_POSTGRESQL.
    """
    if in_postgresql:
        raise Conflict(
            f"{what} works on the embedded file alone, and VESTIBULE_LEDGER__URL names a database of PostgreSQL.",
            reason=Reason.LEDGER_IN_POSTGRESQL,
        )


def require_driver() -> None:
    """Refuse PostgreSQL where its driver is not installed.

    Raises:
        InvalidInput: LEDGER_DRIVER_MISSING.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise InvalidInput(
            "VESTIBULE_LEDGER__URL names a database of PostgreSQL, and its driver is not installed.",
            reason=Reason.LEDGER_DRIVER_MISSING,
            hint="Install the extra: pip install 'vestibule[postgres]'.",
        )
