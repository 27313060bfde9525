"""Opens the ledger where the settings say that it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import Conflict, InvalidInput
from models.reasons import Reason
from server.ledger.embedded import EmbeddedLedger
from server.ledger.transactional import Ledger


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What a server reads and writes.

    Attributes:
        ledger: Holds the truth.
        views: Has views and macros, for analysts and reports: the ledger itself, or its mirror.
        url: Of PostgreSQL, where that holds the ledger; else empty.
    """

    ledger: Ledger
    views: EmbeddedLedger
    url: str = ""


@contextmanager
def opened(path: Path, url: str) -> Iterator[Ledgers]:
    """Open the ledger, and bring it to the newest schema. No other server can open it meanwhile.

    Args:
        path: The embedded file, or the mirror's.
        url: Of PostgreSQL; empty for the embedded file.

    Raises:
        VestibuleError: See ``EmbeddedLedger.open`` and ``PostgresLedger.open``; LEDGER_DRIVER_MISSING.
    """
    if url:
        require_driver()
    with closing(EmbeddedLedger.open(path)) as file:
        if not url:
            yield Ledgers(file, file)
            return
        from server.ledger.postgres.ledger import PostgresLedger  # psycopg is an extra

        with closing(PostgresLedger.open(url, alone=True)) as ledger:
            yield Ledgers(ledger, file, url)


def refuse_postgres(url: str, what: str) -> None:
    """Refuse what works on the embedded file alone.

    Args:
        url: Of PostgreSQL; empty for the embedded file.
        what: That cannot be done, the subject of a sentence.

    Raises:
        Conflict: LEDGER_IN_POSTGRESQL.
    """
    if url:
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
