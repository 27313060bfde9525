"""A cursor on a migrated ledger, and a whole ledger, of each engine that a test runs on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from server.ledger.columns import Cursor
from server.ledger.transactional import TransactionalLedger
from tests.unit.ledger.conformance import engines_of
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import migrated_file, open_ledger


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines = engines_of(metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__)
    for name in {"cursor", "ledger"} & {*metafunc.fixturenames}:
        if len(engines) > 1:
            metafunc.parametrize(name, engines, indirect=True)


@pytest.fixture
def cursor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cursor]:
    if getattr(request, "param", "duckdb") == "postgresql":
        yield from _of_postgres(request.getfixturevalue("postgres_databases").format("ledger"))
        return
    connection = duckdb.connect(str(migrated_file(tmp_path / "cursor.duckdb")))
    yield connection
    connection.close()


def _of_postgres(url: str) -> Iterator[Cursor]:
    """A cursor in a transaction that is rolled back."""
    from server.ledger.postgres.cursor import PostgresCursor, connect

    connection = connect(url)
    yield PostgresCursor(connection)
    connection.rollback()
    connection.close()


@pytest.fixture
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TransactionalLedger[Any]]:
    if getattr(request, "param", "duckdb") == "postgresql":
        from server.ledger.postgres.ledger import PostgresLedger

        opened: TransactionalLedger[Any] = PostgresLedger.open(request.getfixturevalue("postgres_url"), lambda: NOW)
    else:
        opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()
