"""Whether a database keeps what the server says it has accepted."""

from __future__ import annotations

from typing import Final

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import Cursor

ENCODING: Final = "UTF8"
_ENCODING: Final = "SELECT current_setting('server_encoding')"
_SETTING: Final = "SELECT current_setting(?)"
_OFF: Final = "off"

_HINTS: Final = {
    "synchronous_commit": "Set it for the user of the URL: ALTER ROLE ... SET synchronous_commit = on. Look also at "
    "the database and at the options of the URL.",
    "fsync": "Set it for the whole server: ALTER SYSTEM SET fsync = on, then SELECT pg_reload_conf().",
}
"""Settings that must not be off, with what to do then. A commit is on the disk with any other values of both.

Without ``synchronous_commit`` PostgreSQL answers before a commit is on the disk, without ``fsync`` it never waits for
the disk. ``full_page_writes`` is not asked: some file systems and hosted databases need none.
"""


def refuse_unsafe(cursor: Cursor) -> None:
    """Refuse a database that cannot store every text, or whose commits may be lost with a power cut.

    Args:
        cursor: Of a connection of ours: the server, the database, the role or the URL may say what holds there.

    Raises:
        Unavailable: LEDGER_UNSAFE.
    """
    [encoding] = cursor.execute(_ENCODING).fetchone() or [""]
    if encoding != ENCODING:
        raise Unavailable(
            f"The database of the ledger is in {encoding}, which cannot store every text.",
            reason=Reason.LEDGER_UNSAFE,
            hint="Make another database: CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
        )
    for setting, hint in _HINTS.items():
        if cursor.execute(_SETTING, [setting]).fetchone() == (_OFF,):
            raise Unavailable(
                f"{setting} is off, so PostgreSQL may lose what the server has accepted.",
                reason=Reason.LEDGER_UNSAFE,
                hint=hint,
            )
