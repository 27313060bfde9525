"""A cursor on a migrated ledger, of each engine that a test runs on, and a whole ledger."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from server.ledger.columns import Cursor
from server.ledger.writer import Ledger
from tests.postgres_server import ADMIN_DATABASE, postgres_server, skip_without_postgres
from tests.unit.ledger.conformance import engines_of
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import migrated_file, open_ledger


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    engines = engines_of(metafunc.module.__name__.rpartition(".")[2], metafunc.function.__name__)
    if "cursor" in metafunc.fixturenames and len(engines) > 1:
        metafunc.parametrize("cursor", engines, indirect=True)


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[str]:
    """A server of PostgreSQL whose database ``ledger`` has the newest schema: its URL, with ``{}`` for a database."""
    skip_without_postgres()
    from server.ledger.postgres.cursor import PostgresCursor, connect
    from server.ledger.postgres.schema import bring_up_to_date

    with postgres_server() as url:
        _administer(url, "CREATE DATABASE ledger")
        with connect(url.format("ledger")) as connection:
            bring_up_to_date(PostgresCursor(connection), lambda: NOW)
        yield url


@pytest.fixture
def postgres_url(postgres_databases: str) -> Iterator[str]:
    """A database of its own, for a test that commits."""
    name = f"of_{uuid.uuid4().hex}"
    _administer(postgres_databases, f"CREATE DATABASE {name} TEMPLATE ledger")
    yield postgres_databases.format(name)
    _administer(postgres_databases, f"DROP DATABASE {name} WITH (FORCE)")


def _administer(url: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(url.format(ADMIN_DATABASE), autocommit=True) as connection:
        connection.execute(statement.encode())


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
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()
