"""Unit tests start no cluster; an attempt fails at once."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import NoReturn

import pytest
import structlog

from tests.postgres_server import ADMIN_DATABASE, postgres_server, skip_without_postgres
from tests.unit.ledger.makers import NOW

# PyTorch reads this when it is imported. Its threads wait for each other in a busy loop: with two of them on a machine
# that has other work, the tiny networks of these tests take twenty times the CPU.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``ray.init`` raise."""

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise AssertionError("A unit test must not start Ray.")

    monkeypatch.setattr("ray.init", refuse)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Forget how a test configured the log; the next one would find its lines elsewhere."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


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
