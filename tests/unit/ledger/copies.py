"""Many rows by one statement, for tests that need a crowd. To store a thousand jobs one by one takes 3 s."""

from __future__ import annotations

from server.ledger.columns import Cursor, fetch_one


def copy_row(cursor: Cursor, table: str, row_id: str, number: int, changes: dict[str, str]) -> None:
    """Store copies of a row.

    Args:
        cursor: Of the ledger.
        table: The row's.
        row_id: Its id.
        number: How many copies.
        changes: SQL of the columns that differ, by name. ``n`` is the number of the copy, from 1.
    """
    names = list(fetch_one(cursor, f"SELECT * FROM {table} WHERE id = ?", [row_id]) or ())
    values = [changes.get(name, f"{table}.{name}") for name in names]
    cursor.execute(
        f"""INSERT INTO {table} ({", ".join(names)}) SELECT {", ".join(values)}
        FROM {table}, generate_series(1, {number}) AS copies(n) WHERE id = ?""",
        [row_id],
    )
