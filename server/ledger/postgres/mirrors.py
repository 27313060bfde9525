"""The mirrors of a database: which there are, and which have forgotten what was erased.

Each mirror is a row of ``mirrors`` for as long as PostgreSQL remembers for it what was deleted. While it runs, its
connection holds a lock with the name of the row, so that others see that it lives. An erasure asks every mirror to
forget. Each reads what was deleted, writes its file anew, and notes in its row that it did. When all that live have
done so, the others lose their rows, and what was deleted is forgotten: a mirror without its row begins anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any, Final

import psycopg

from server.ledger.columns import CHANGED_IN
from server.ledger.mirrored import DELETED_KEPT_S
from server.ledger.postgres.cursor import connect
from server.ledger.postgres.errors import translated
from server.ledger.postgres.rewrite import write_anew

TABLES: Final = [
    """CREATE TABLE IF NOT EXISTS mirrors (
        id VARCHAR COLLATE "C" PRIMARY KEY, asked BIGINT NOT NULL, forgot BIGINT NOT NULL
    )""",
    "COMMENT ON TABLE mirrors IS 'One row for each mirror that need not begin anew.'",
    "COMMENT ON COLUMN mirrors.id IS 'UUID of a run of the mirror.'",
    "COMMENT ON COLUMN mirrors.asked IS 'Number of the last request to forget what was deleted.'",
    "COMMENT ON COLUMN mirrors.forgot IS 'Number of the last request that it has fulfilled.'",
]

REQUEST_OF: Final = "(SELECT asked FROM mirrors WHERE id = ? AND asked > forgot)"
"""The number of the request that a mirror has not fulfilled; NULL if there is none."""

_NUMBER: Final = "pg_current_xact_id()::VARCHAR::BIGINT"
"""Requests are numbered by transactions, of which each later one has a higher number."""
_LIFE: Final = "hashtextextended('vestibule/mirror/' || {}, 0)"
_NAME: Final = "hashtextextended('vestibule/mirrors', 0)"
_ALONE: Final = f"SELECT pg_advisory_xact_lock({_NAME})"
"""Whoever changes rows of several mirrors, or forgets, does it alone: two of them might wait for each other."""
_FORGET_OLD: Final = f"""DELETE FROM deleted_rows WHERE delete_time < now() - %s * INTERVAL '1 second'
    AND (SELECT pg_try_advisory_xact_lock({_NAME}))"""  # noqa: S608 - literals of ours


def live(connection: psycopg.Connection[Any], mirror: str) -> None:
    """Have others see that a mirror lives, for as long as the connection lasts."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_unlock_all()")
        connection.execute(f"SELECT pg_advisory_lock({_LIFE.format('%s')})".encode(), [mirror])


def claim(connection: psycopg.Connection[Any], before: str) -> str:
    """Go on with the mirror of an earlier run, under an id of this run.

    Another file with the earlier id, such as one of a copied folder, begins anew then.

    Returns:
        The id; empty if PostgreSQL does not know the earlier one any more.
    """
    mirror = str(uuid.uuid4())
    live(connection, mirror)
    with connection.transaction():
        known = connection.execute("UPDATE mirrors SET id = %s WHERE id = %s", [mirror, before]).rowcount
    return mirror if known else ""


def register(connection: psycopg.Connection[Any], instead_of: Collection[str]) -> str:
    """Note that a mirror begins anew, in place of earlier ones; returns its id.

    Its file may have bytes from before, so it is asked to forget at once.
    """
    mirror = str(uuid.uuid4())
    live(connection, mirror)
    with connection.transaction():
        connection.execute("DELETE FROM mirrors WHERE id = ANY(%s)", [list(instead_of)])
        connection.execute(f"INSERT INTO mirrors VALUES (%s, {_NUMBER}, 0)".encode(), [mirror])  # noqa: S608 - ours
    return mirror


def note_forgotten(connection: psycopg.Connection[Any], mirror: str, request: int) -> None:
    """Note that a mirror has fulfilled a request."""
    with connection.transaction():
        connection.execute("UPDATE mirrors SET forgot = %s WHERE id = %s", [request, mirror])


def forget_old(connection: psycopg.Connection[Any]) -> None:
    """Forget what was deleted so long ago that no mirror needs it; the next round does it if somebody else is at it."""
    with connection.transaction():
        connection.execute(_FORGET_OLD.encode(), [DELETED_KEPT_S])


class Forgetting:
    """Has all mirrors forget what is deleted now. It has a connection of its own.

    Args:
        url: As libpq takes it.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        with translated():
            self._connection = connect(url)
            try:
                self._number, self._snapshot = self._ask()
            except psycopg.Error:
                self.close()
                raise

    def finish(self, *, without_dead: bool) -> bool:
        """Forget what was deleted, if every mirror has.

        Args:
            without_dead: Whether to leave out mirrors that do not live. They begin anew when they are there again.

        Returns:
            Whether every mirror had.

        Raises:
            VestibuleError: PostgreSQL does not answer, or a table is in use. It can be repeated.
        """
        with translated():
            done = self._finish(without_dead=without_dead)
        if done:
            write_anew(self._url, ["deleted_rows"])
        return done

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _ask(self) -> tuple[int, str]:
        """Returns the number of the request, and the transactions that had ended then."""
        with self._connection.transaction():
            self._connection.execute(_ALONE)
            row = self._connection.execute(f"SELECT {_NUMBER}, pg_current_snapshot()::VARCHAR".encode()).fetchone()
            assert row is not None
            number, snapshot = row
            self._ask_those_without(number)
        return number, snapshot

    def _ask_those_without(self, number: int) -> None:
        self._connection.execute("UPDATE mirrors SET asked = %s WHERE asked < %s", [number, number])

    def _finish(self, *, without_dead: bool) -> bool:
        with self._connection.transaction():
            self._connection.execute(_ALONE)
            self._ask_those_without(self._number)  # one may have registered beside the request
            late = f"FROM mirrors WHERE forgot < {self._number}"
            if without_dead:
                dead = f"pg_try_advisory_xact_lock({_LIFE.format('id')})"
                self._connection.execute(f"DELETE {late} AND {dead}".encode())
            if self._connection.execute(f"SELECT EXISTS (SELECT {late})".encode()).fetchone() == (True,):
                return False
            read_by_all = f"pg_visible_in_snapshot({CHANGED_IN}, '{self._snapshot}')"
            self._connection.execute(f"DELETE FROM deleted_rows WHERE {read_by_all}".encode())  # noqa: S608 - ours
        return True
