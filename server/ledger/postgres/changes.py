"""What PostgreSQL remembers of changes, so that a mirror reads only what is new.

Each mirrored table has ``changed_in``, the transaction that wrote a row last. The table ``deleted_rows`` has what was
deleted. A transaction gets its number when it begins to write, and may commit after one with a higher number. So a
mirror reads everything from the oldest transaction on that was open when it read last; see ``increments``.
"""

from __future__ import annotations

from typing import Final

from server.ledger.columns import CHANGED_IN, Cursor, fetch_all
from server.ledger.mirrored import MIRRORED_BY
from server.ledger.postgres import mirrors

_FOR_ALL: Final = [
    """CREATE TABLE IF NOT EXISTS deleted_rows (
        table_name VARCHAR COLLATE "C" NOT NULL, key VARCHAR COLLATE "C" NOT NULL, changed_in XID8 NOT NULL,
        delete_time TIMESTAMPTZ NOT NULL
    )""",
    # Those of a table without rows stay, so keys would be left in them.
    "ALTER TABLE deleted_rows ALTER COLUMN key SET STATISTICS 0",
    "CREATE INDEX IF NOT EXISTS deleted_rows_changed_in ON deleted_rows (changed_in)",
    "CREATE INDEX IF NOT EXISTS deleted_rows_delete_time ON deleted_rows (delete_time)",
    """COMMENT ON TABLE deleted_rows IS
    'One row for what was deleted from a table in the last hour, by the column that mirrors replace rows by.'""",
    f"""CREATE OR REPLACE FUNCTION stamp_changed_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.{CHANGED_IN} := pg_current_xact_id(); RETURN NEW; END $$""",
    *mirrors.TABLES,
]


def missing(cursor: Cursor) -> list[str]:
    """The statements that make what is not there yet, and the functions anew.

    Columns, indexes and triggers are made only where they are missing, because making one waits for all who write.
    """
    there = fetch_all(
        cursor,
        f"""SELECT table_name, bool_or(column_name = '{CHANGED_IN}') AS done FROM information_schema.columns
        WHERE table_schema = current_schema() GROUP BY table_name""",  # noqa: S608 - literals of ours
    )
    tables = {row["table_name"]: row["done"] for row in there if row["table_name"] in MIRRORED_BY}
    return [
        *_FOR_ALL,
        *(_note_deleted(table) for table in tables),
        *(statement for table, done in tables.items() if not done for statement in _on(table)),
    ]


def renumber(cursor: Cursor) -> None:
    """Stamp rows anew whose transaction is of another server of PostgreSQL, as after a restored dump.

    Their numbers may be higher than those of this server. Then a mirror would read them again and again. Those that
    servers beside this one write meanwhile are left alone: whoever changed them waits for nobody here.
    """
    for table in MIRRORED_BY:
        cursor.execute(
            f"UPDATE {table} SET {CHANGED_IN} = pg_current_xact_id() "  # noqa: S608 - literals of ours
            f"WHERE {CHANGED_IN} >= pg_snapshot_xmax(pg_current_snapshot())"
        )


def _note_deleted(table: str) -> str:
    return f"""CREATE OR REPLACE FUNCTION note_deleted_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO deleted_rows
            SELECT DISTINCT '{table}', {MIRRORED_BY[table]}::VARCHAR, pg_current_xact_id(), now() FROM old_rows;
            RETURN NULL;
        END $$"""  # noqa: S608 - literals of ours


def _on(table: str) -> list[str]:
    return [
        f"ALTER TABLE {table} ADD COLUMN {CHANGED_IN} XID8 NOT NULL DEFAULT pg_current_xact_id()",
        f"COMMENT ON COLUMN {table}.{CHANGED_IN} IS 'Transaction that wrote the row last.'",
        f"CREATE INDEX {table}_{CHANGED_IN} ON {table} ({CHANGED_IN})",
        f"CREATE TRIGGER {table}_changed BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION stamp_changed_row()",
        f"""CREATE TRIGGER {table}_deleted AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION note_deleted_{table}()""",
    ]
