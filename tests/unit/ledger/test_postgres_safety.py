"""A database that may lose what it is given is refused, at the start and after a lost connection."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import Unavailable  # noqa: E402
from server.ledger import open_connection  # noqa: E402
from server.ledger.columns import Cursor, count  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger, Use  # noqa: E402
from tests.eventually import eventually  # noqa: E402
from tests.postgres_server import ADMIN_DATABASE  # noqa: E402

END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"


@pytest.fixture
def administer(postgres_url: str) -> Callable[[str], None]:
    """Runs a statement; ``{}`` is the name of the database."""
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]

    def run(statement: str) -> None:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(statement.format(name).encode())

    return run


@pytest.fixture
def latin(postgres_databases: str) -> Iterator[str]:
    """The URL of an empty database that is not in UTF-8."""
    name = f"latin_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_databases.format(ADMIN_DATABASE), autocommit=True) as admin:
        made = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"
        admin.execute(made.encode())
        yield postgres_databases.format(name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def refused(url: str, use: Use) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        PostgresLedger.open(url, use=use)
    assert caught.value.reason == "LEDGER_UNSAFE"
    return caught.value


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DATABASE {} SET synchronous_commit = off",
        "ALTER ROLE tests IN DATABASE {} SET synchronous_commit = off",
    ],
)
def test_a_database_whose_commits_do_not_wait_for_the_disk(
    postgres_url: str, administer: Callable[[str], None], statement: str, use: Use
) -> None:
    administer(statement)
    assert "synchronous_commit is off" in refused(postgres_url, use).message
    administer(statement.replace("off", "local"))
    PostgresLedger.open(postgres_url, use=use).close()


def test_a_url_that_turns_it_off(postgres_url: str) -> None:
    assert refused(f"{postgres_url}&options=-c%20synchronous_commit%3Doff", Use.ALONE).hint


@pytest.fixture
async def off(postgres_url: str, administer: Callable[[str], None]) -> AsyncIterator[str]:
    """A setting of the whole server that is off during the test."""
    name = "fsync"

    async def alter(change: str, value: str) -> None:
        administer(f"ALTER SYSTEM {change}")
        administer("SELECT pg_reload_conf()")
        await eventually(lambda: _shown(postgres_url, name) == value)

    await alter(f"SET {name} = off", "off")
    yield name
    await alter(f"RESET {name}", "on")


def _shown(url: str, setting: str) -> str:
    with psycopg.connect(url) as connection:
        return str(connection.execute(f"SHOW {setting}".encode()).fetchone()[0])


@pytest.mark.parametrize("use", Use)
async def test_a_server_that_a_power_cut_may_harm(off: str, postgres_url: str, use: Use) -> None:
    error = refused(postgres_url, use)
    assert f"{off} is off" in error.message
    assert f"ALTER SYSTEM SET {off} = on" in str(error.hint)


@pytest.mark.parametrize("use", Use)
def test_a_database_that_is_not_in_utf_8_stays_empty(latin: str, use: Use) -> None:
    error = refused(latin, use)
    assert "LATIN1" in error.message
    assert "ENCODING 'UTF8'" in str(error.hint)
    with psycopg.connect(latin) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


async def test_after_a_lost_connection_nothing_is_written_to_one_that_became_unsafe(
    postgres_url: str, administer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_connection, "TRY_AGAIN_S", 0.0)

    def rows(cursor: Cursor) -> int:
        return count(cursor, "SELECT count(*) FROM migrations")

    with closing(PostgresLedger.open(postgres_url)) as ledger:
        assert await ledger.write(rows)
        administer("ALTER DATABASE {} SET synchronous_commit = off")
        administer(END_ALL)
        reasons = []
        for _ in range(3):
            with pytest.raises(Unavailable) as caught:
                await ledger.write(rows)
            reasons.append(str(caught.value.reason))
        assert (reasons[0], reasons[-1]) == ("LEDGER_IO", "LEDGER_UNSAFE")
