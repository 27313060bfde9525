"""What the check of a ledger finds: rows that were broken on purpose, and files whose bytes were changed."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from models.errors import InternalError, NotFound
from server.ledger.all_macros import ALL_MACROS
from server.ledger.integrity import catalogue
from server.ledger.integrity.problems import NOT_SHOWN, Check, shown_ids
from server.ledger.integrity.run import Report, check_ledger
from server.ledger.migrate import migrate
from server.ledger.migrations import ALL
from server.ledger.rewrite import rewrite
from tests.unit.erasure.filled import Store
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import newest_schema

Case = tuple[str, Check, str, str]
"""Table or view, which check finds it, words of the sentence, and the statement that breaks it."""

BROKEN: dict[str, tuple[Case, ...]] = {
    "session": (
        ("turns", Check.REFERENCES, "session_id", "UPDATE turns SET session_id = 'gone'"),
        ("uploads", Check.REFERENCES, "session_id", "UPDATE uploads SET session_id = 'gone'"),
        ("events", Check.REFERENCES, "session_id", "UPDATE events SET session_id = 'gone' WHERE stage IS NULL"),
        ("jobs", Check.REFERENCES, "session_id", "UPDATE jobs SET session_id = 'gone'"),
        ("dead_letters", Check.REFERENCES, "session_id", "UPDATE dead_letters SET session_id = 'gone'"),
    ),
    "other references": (
        ("dead_letters", Check.REFERENCES, "job_id", "UPDATE dead_letters SET job_id = 'gone'"),
        ("job_attempts", Check.REFERENCES, "job_id", "UPDATE job_attempts SET job_id = 'gone'"),
        ("turn_words", Check.REFERENCES, "turn_id", "UPDATE turn_words SET turn_id = 'gone'"),
        ("picture_lines", Check.REFERENCES, "upload_id", "UPDATE picture_lines SET upload_id = 'gone'"),
        ("approvals", Check.REFERENCES, "recommendation_id", "UPDATE approvals SET recommendation_id = 'gone'"),
    ),
    "rules and keys": (
        ("sessions", Check.RULES, "state", "UPDATE sessions SET state = 'LOST'"),
        ("sessions", Check.RULES, "turns", "UPDATE sessions SET turn_count = 0"),
        ("jobs", Check.RULES, "lease", "UPDATE jobs SET lease_owner = 'somebody'"),
        ("migrations", Check.RULES, "before it", "DELETE FROM migrations WHERE number = 7"),
        (
            "dead_letters",
            Check.KEYS,
            "job_id",
            "INSERT INTO dead_letters BY NAME SELECT * REPLACE ('second' AS id) FROM dead_letters",
        ),
        (
            "recommendations",
            Check.KEYS,
            "session_id",
            "INSERT INTO recommendations BY NAME SELECT * REPLACE ('2' AS id, 'PENDING' AS state) FROM recommendations",
        ),
    ),
    "running": (("jobs", Check.RULES, "lease", "UPDATE jobs SET state = 'RUNNING'"),),
    "no letter": (("jobs", Check.RULES, "dead letter", "DELETE FROM dead_letters"),),
    "done": (("dead_letters", Check.RULES, "open", "UPDATE jobs SET state = 'DONE'"),),
    "views": (
        ("v_turns", Check.VIEWS, "missing", "DROP VIEW v_turns"),
        (
            "v_audit",
            Check.VIEWS,
            "not that of",
            "CREATE OR REPLACE VIEW v_audit AS SELECT * FROM audit WHERE number > 5",
        ),
        ("funnel", Check.VIEWS, "not that of", "CREATE OR REPLACE MACRO funnel(steps) AS TABLE SELECT 1 AS step"),
        ("v_jobs", Check.VIEWS, "not run", "CREATE OR REPLACE VIEW v_jobs AS SELECT state::INTEGER AS state FROM jobs"),
    ),
    "tables": (
        ("answers", Check.TABLES, "missing", "DROP TABLE answers"),
        ("mine", Check.TABLES, "No release", "CREATE TABLE mine (i INTEGER)"),
        ("turns", Check.TABLES, "columns", "ALTER TABLE turns ADD COLUMN mine VARCHAR"),
    ),
}
"""What one check has to find at once. Nothing in a group is found because of another statement of the group."""


@pytest.fixture(scope="module")
def expected() -> Iterator[duckdb.DuckDBPyConnection]:
    with newest_schema(len(ALL)) as connection:
        yield connection


@pytest.fixture(autouse=True)
def made_once(expected: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger that others are compared with is made once, because its migrations take seconds."""
    made = catalogue.made_anew

    @contextmanager
    def known(number: int) -> Iterator[duckdb.DuckDBPyConnection]:
        if number == len(ALL):
            yield expected
        else:
            with made(number) as connection:
                yield connection

    monkeypatch.setattr(catalogue, "made_anew", known)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with everything of a session."""
    store = Store(tmp_path_factory.mktemp("filled"))
    store.fill("jane")
    store.ledger.write_now(lambda cursor: cursor.execute("UPDATE recommendations SET record = '{}'"))
    store.ledger.close()
    return store.ledger.path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(filled, tmp_path / "ledger.duckdb"))


def found(report: Report) -> list[tuple[str, str]]:
    return [(problem.subject, problem.found) for problem in report.problems]


def test_a_whole_ledger_has_no_problem_and_is_not_changed(path: Path) -> None:
    before = path.read_bytes()
    report = check_ledger(path)
    assert (found(report), report.schema_number) == ([], len(ALL))
    assert (report.rows["sessions"], report.rows["turns"]) == (1, 1)
    assert path.read_bytes() == before


def test_a_ledger_that_was_rewritten_and_opened_again_has_no_problem(path: Path) -> None:
    rewrite(path)
    for _ in range(3):
        with duckdb.connect(path) as connection:
            connection.execute("UPDATE sessions SET variant = 'c'")
    assert found(check_ledger(path)) == []


def test_writes_that_wait_in_the_write_ahead_log_are_read_and_stay_there(path: Path, tmp_path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("SET wal_autocheckpoint = '1TB'")
        connection.execute("UPDATE turns SET session_id = 'gone'")
        copy = Path(shutil.copy(path, tmp_path / "copy.duckdb"))
        wal = Path(shutil.copy(f"{path}.wal", f"{copy}.wal"))
    before = wal.read_bytes()
    assert ("turns", "session_id names no row of sessions.") in found(check_ledger(copy))
    assert wal.read_bytes() == before


@pytest.mark.parametrize("group", BROKEN)
def test_what_was_broken_is_found(path: Path, group: str) -> None:
    with duckdb.connect(path) as connection:
        for *_, statement in BROKEN[group]:
            connection.execute(statement)
    problems = check_ledger(path).problems
    for subject, check, words, _ in BROKEN[group]:
        hits = [p for p in problems if (p.subject, p.check) == (subject, check) and words in p.found]
        assert hits, subject
        assert all(hit.rows == len(hit.ids) for hit in hits)


def test_a_key_that_two_rows_have_is_found_where_the_table_lost_its_index(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE copy AS FROM streams UNION ALL FROM streams")
        connection.execute("DROP TABLE streams")
        connection.execute("ALTER TABLE copy RENAME TO streams")
    problems = [problem for problem in check_ledger(path).problems if problem.subject == "streams"]
    assert {problem.found for problem in problems} == {
        "Its columns are not those of its schema.",
        "It is missing.",
        "Several rows have the same id.",
    }


def test_an_older_ledger_is_compared_with_its_own_schema(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=20)
    report = check_ledger(path)
    assert (found(report), report.schema_number) == ([], 20)


def test_a_ledger_with_later_migrations_that_go_back_is_checked(path: Path) -> None:
    with duckdb.connect(path) as connection:
        connection.execute(f"INSERT INTO migrations VALUES ({len(ALL) + 1}, 'next', now()::TIMESTAMP, true)")
        connection.execute("CREATE VIEW v_next AS SELECT 1 AS one")
    assert found(check_ledger(path)) == []


def test_what_cannot_be_looked_at_is_an_error(path: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        check_ledger(tmp_path / "none.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (999, 'next', now()::TIMESTAMP, false)")
    with pytest.raises(InternalError, match="needs a release with schema 999"):
        check_ledger(path)


@pytest.mark.parametrize("content", [b"", b"no ledger" * 5000, b"\0" * 20_000])
def test_a_file_that_is_no_ledger_is_told_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.duckdb"
    path.write_bytes(content)
    (problem,) = check_ledger(path).problems
    assert problem.check is Check.FILE
    assert path.read_bytes() == content


@pytest.mark.parametrize("seed", range(12))
def test_changed_bytes_end_in_sentences(path: Path, seed: int) -> None:
    """Whatever the place: the file stays as it is, and nothing but the classes of errors is told."""
    chance = random.Random(seed)
    content = bytearray(path.read_bytes())
    at = chance.randrange(12_288 if seed % 3 == 0 else len(content))
    content[at : at + 64] = chance.randbytes(len(content[at : at + 64]))
    path.write_bytes(content)
    report = check_ledger(path)
    assert all(problem.found.endswith(".") and "\n" not in problem.found for problem in report.problems)
    assert path.read_bytes() == content


def test_a_changed_byte_in_the_rows_of_a_table_is_found(path: Path) -> None:
    content = path.read_bytes()
    at = content.index(b"jane-")
    path.write_bytes(content[:at] + b"J" + content[at + 1 :])
    report = check_ledger(path)
    # Where the block is one that DuckDB reads to open the file, it does not open it.
    assert any(problem.check in (Check.READING, Check.FILE) for problem in report.problems), found(report)
    assert "jane" not in repr(report.problems)


def test_ids_that_are_none_are_not_shown() -> None:
    assert shown_ids(["4b6a3a0e-6f0e-4d0f-9a63-0d3b6d1f1f0a", 7, "Maria Lopez"]) == (
        "4b6a3a0e-6f0e-4d0f-9a63-0d3b6d1f1f0a",
        "7",
        NOT_SHOWN,
    )


def test_every_macro_has_arguments_for_its_call() -> None:
    needed = {name for macro in ALL_MACROS for name, default, _ in macro.parameters if not default}
    assert needed == set(catalogue.SAMPLES)
