"""What is in the files of a database of PostgreSQL."""

from __future__ import annotations

from pathlib import Path


def files_with(text: str, url: str) -> list[Path]:
    """The files of this database that hold a text. Those of other databases have what other tests rolled back."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT current_setting('data_directory'), oid::TEXT FROM pg_database WHERE datname = current_database()"
        ).fetchone()
    assert row is not None
    files = (Path(row[0]) / "base" / row[1]).iterdir()
    return [file for file in files if file.is_file() and text.encode() in file.read_bytes()]
