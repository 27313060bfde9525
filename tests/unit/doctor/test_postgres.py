"""A database that fits, an empty one, an older one, an unsafe one, one in use, and none that answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import InternalError, Unavailable  # noqa: E402
from server.doctor.ledger import check_ledger  # noqa: E402
from server.doctor.results import Finding  # noqa: E402
from server.ledger.migrations import ALL  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger, Use  # noqa: E402
from tests.unit.doctor.situations import only, situation  # noqa: E402


@pytest.fixture
def found(tmp_path: Path, postgres_url: str) -> Callable[[], Finding]:
    """What the check says of the test's own database."""
    return lambda: only(check_ledger, situation(tmp_path, ledger={"url": postgres_url}))


@pytest.fixture
def execute(postgres_url: str) -> Callable[[str], None]:
    def run(statement: str) -> None:
        with psycopg.connect(postgres_url) as connection:
            connection.execute(statement.encode())

    return run


def test_one_of_this_release_is_fine(found: Callable[[], Finding], postgres_url: str) -> None:
    assert found().level == "ok"
    assert found().found.endswith(f"has schema {len(ALL)}, that of this release.")
    with closing(PostgresLedger.open(postgres_url, use=Use.ALONE)):
        assert found().found.endswith("A server uses it.")
    assert not found().found.endswith("A server uses it.")


def test_an_empty_one_is_fine_and_stays_empty(found: Callable[[], Finding], execute: Callable[[str], None]) -> None:
    execute("DROP SCHEMA public CASCADE")
    assert found().level == "problem", "there is no schema to make tables in"
    execute("CREATE SCHEMA public")
    assert (found().level, "the first start makes them" in found().found) == ("ok", True)


def test_an_older_and_a_newer_schema(found: Callable[[], Finding], execute: Callable[[str], None]) -> None:
    execute(f"DELETE FROM migrations WHERE number = {len(ALL)}")
    assert (found().level, found().hint.startswith("The next start changes it")) == ("warning", True)
    execute(f"UPDATE migrations SET number = number + 1000, goes_back = false WHERE number = {len(ALL) - 1}")
    with pytest.raises(InternalError) as refused:
        found()
    assert refused.value.reason == "LEDGER_NEWER"


def test_one_that_may_lose_what_it_is_given(tmp_path: Path, postgres_url: str) -> None:
    url = f"{postgres_url}&options=-c%20synchronous_commit%3Doff"
    with pytest.raises(Unavailable) as refused:
        only(check_ledger, situation(tmp_path, ledger={"url": url}))
    assert (refused.value.reason, bool(refused.value.hint)) == ("LEDGER_UNSAFE", True)


def test_one_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    url = f"postgresql://vestibule:secret@/ledger?host={tmp_path}"
    with pytest.raises(Unavailable) as refused:
        only(check_ledger, situation(tmp_path, ledger={"url": url}))
    assert refused.value.reason == "LEDGER_IO"
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"
