"""What the check of a ledger in PostgreSQL finds: rows, columns and tables that were broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import NotFound, VestibuleError  # noqa: E402
from models.reasons import Reason  # noqa: E402
from server.ledger.integrity.problems import Check  # noqa: E402
from server.ledger.migrations import ALL  # noqa: E402
from server.ledger.postgres.copy_in import copy_in  # noqa: E402
from server.ledger.postgres.integrity import check_postgres  # noqa: E402
from tests.unit.erasure.filled import Store  # noqa: E402
from tests.unit.ledger.makers import NOW  # noqa: E402

Break = Callable[[str], None]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """An embedded ledger with everything of a session."""
    store = Store(tmp_path_factory.mktemp("filled"))
    store.fill("jane")
    return store


@pytest.fixture
def url(filled: Store, postgres_url: str, tmp_path: Path) -> str:
    """The same in PostgreSQL."""
    with closing(filled.ledger.cursor()) as cursor:
        copy_in(cursor, postgres_url, tmp_path, lambda: NOW)
    return postgres_url


@pytest.fixture
def run(url: str) -> Break:
    def execute(statement: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())

    return execute


def test_a_whole_ledger_has_no_problem_while_somebody_writes(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE sessions SET turn_count = 0")
        report = check_postgres(url)
        connection.rollback()
    assert (report.problems, report.schema_number) == ([], len(ALL))
    assert (report.rows["sessions"], report.rows["turns"]) == (1, 1)


@pytest.mark.parametrize(
    ("table", "check", "words", "statement"),
    [
        ("turns", Check.REFERENCES, "session_id", "UPDATE turns SET session_id = 'gone'"),
        ("picture_lines", Check.REFERENCES, "upload_id", "UPDATE picture_lines SET upload_id = 'gone'"),
        ("approvals", Check.REFERENCES, "recommendation_id", "UPDATE approvals SET recommendation_id = 'gone'"),
        ("sessions", Check.RULES, "state", "UPDATE sessions SET state = 'LOST'"),
        ("sessions", Check.RULES, "turns", "UPDATE sessions SET turn_count = 0"),
        ("jobs", Check.RULES, "lease", "UPDATE jobs SET lease_owner = 'somebody'"),
        ("migrations", Check.RULES, "before it", "DELETE FROM migrations WHERE number = 7"),
        ("jobs", Check.RULES, "dead letter", "DELETE FROM dead_letters"),
        ("dead_letters", Check.RULES, "open", "UPDATE jobs SET state = 'DONE'"),
        ("answers", Check.TABLES, "not there", "DROP TABLE answers CASCADE"),
        ("turns", Check.TABLES, "columns", "ALTER TABLE turns DROP COLUMN utterance CASCADE"),
        ("migrations", Check.KEYS, "same number", "ALTER TABLE migrations DROP CONSTRAINT migrations_pkey;"
         "INSERT INTO migrations SELECT * FROM migrations WHERE number = 7"),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(url: str, run: Break, table: str, check: Check, words: str, statement: str) -> None:
    run(statement)
    found = [(one.subject, one.check) for one in check_postgres(url).problems if words in one.found]
    assert (table, check) in found


def test_a_row_that_cannot_be_read_is_a_problem_of_its_table_alone(url: str, run: Break) -> None:
    run(
        "CREATE FUNCTION fails() RETURNS VARCHAR IMMUTABLE LANGUAGE plpgsql AS $$"
        " BEGIN RAISE 'torn page' USING ERRCODE = 'data_corrupted'; END $$"
    )
    run("ALTER TABLE turn_words RENAME TO kept; CREATE VIEW turn_words AS SELECT * FROM kept WHERE fails() = ''")
    report = check_postgres(url)
    assert [(one.check, one.subject) for one in report.problems if one.check is Check.READING] == [
        (Check.READING, "turn_words")
    ]
    assert "torn page" not in str(report)
    assert report.rows["turns"] == 1


def test_a_lack_of_memory_is_no_damage(url: str, run: Break) -> None:
    run("CREATE FUNCTION fails() RETURNS VARCHAR IMMUTABLE LANGUAGE plpgsql AS $$"
        " BEGIN RAISE 'no memory' USING ERRCODE = 'out_of_memory'; END $$")  # fmt: skip
    run("ALTER TABLE turn_words RENAME TO kept; CREATE VIEW turn_words AS SELECT * FROM kept WHERE fails() = ''")
    with pytest.raises(VestibuleError) as raised:
        check_postgres(url)
    assert raised.value.reason == Reason.LEDGER_MEMORY


def test_a_database_without_migrations_is_no_ledger(url: str, run: Break) -> None:
    run("DROP TABLE migrations CASCADE")
    with pytest.raises(NotFound):
        check_postgres(url)
