"""Whether a database keeps what the server says it has accepted."""

from __future__ import annotations

from typing import Final

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import Cursor

_SETTINGS: Final = "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')"
ENCODING: Final = "UTF8"
NOT_DURABLE: Final = "off"
"""PostgreSQL answers then before a commit is on the disk. With every other value it waits for the disk."""


def refuse_unsafe(cursor: Cursor) -> None:
    """Refuse a database that cannot store every text, or whose commits may be lost with a power cut.

    Args:
        cursor: Of a connection of ours: the server, the database, the role or the URL may say what holds there.

    Raises:
        Unavailable: LEDGER_UNSAFE.
    """
    row = cursor.execute(_SETTINGS).fetchone()
    assert row is not None
    encoding, synchronous_commit = row
    if encoding != ENCODING:
        raise Unavailable(
            f"The database of the ledger is in {encoding}, which cannot store every text.",
            reason=Reason.LEDGER_UNSAFE,
            hint="Make another database: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
        )
    if synchronous_commit == NOT_DURABLE:
        raise Unavailable(
            "synchronous_commit is off, so PostgreSQL may lose what the server has accepted.",
            reason=Reason.LEDGER_UNSAFE,
            hint="Set it for the user of the URL: ALTER ROLE ... SET synchronous_commit = on. Look also at the "
            "database and at the options of the URL.",
        )
