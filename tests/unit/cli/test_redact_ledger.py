"""`vestibule redact --ledger`: its options, its refusals and its output."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from models.redaction.streaming.sealed_state import load_or_create_key
from models.text import RedactedText
from server.cli.main import cli
from server.ledger import sessions, turns
from server.ledger.columns import Cursor
from server.ledger.migrations import ALL
from tests.unit.cli.loaded import classifier_loaded_once
from tests.unit.ledger.makers import NOW, session, turn
from tests.unit.ledger.migrated import open_ledger

SAID = "My name is Maria Lopez, call me on 415-555-0132."


@pytest.fixture(scope="module", autouse=True)
def _once() -> Iterator[None]:
    with classifier_loaded_once():
        yield


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a server that does not run. A text of its ledger was stored without any rule."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    load_or_create_key(tmp_path / "workers" / "carry.key")
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)

    def fill(cursor: Cursor) -> None:
        row, _ = sessions.insert_or_get(cursor, session())
        said = replace(turn(row.id), source="typed", text=RedactedText.restore(SAID, {}, safe_for_llm=True))
        turns.insert_turn(cursor, said)

    ledger.write_now(fill)
    ledger.close()
    return tmp_path


@pytest.fixture
def held(place: Path) -> Iterator[None]:
    """Another process holds the ledger, as a server does."""
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place / "ledger.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        yield
        holder.communicate(timeout=60)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["redact", "--ledger", *arguments])


@pytest.mark.usefixtures("held")
def test_it_refuses_while_a_server_holds_the_ledger() -> None:
    result = run("--dry-run")
    assert result.exit_code == 1
    assert "[LEDGER_LOCKED]" in result.stderr
    assert "Hint:" in result.stderr


def test_a_folder_without_a_ledger_is_refused_and_gets_none(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    result = run("--data-dir", str(other))
    assert result.exit_code == 1
    assert "[LEDGER_NOT_FOUND]" in result.stderr
    assert not other.exists()


def test_without_the_key_of_the_workers_it_refuses_and_makes_none(place: Path, tmp_path: Path) -> None:
    before = (place / "ledger.duckdb").read_bytes()
    result = run("--state-dir", str(tmp_path / "other"))
    assert result.exit_code == 1
    assert "[STATE_KEY_NOT_FOUND]" in result.stderr
    assert "--state-dir" in result.stderr
    assert not list((tmp_path / "other").glob("*"))
    assert (place / "ledger.duckdb").read_bytes() == before


def test_a_dry_run_migrates_nothing(place: Path) -> None:
    file = place / "ledger.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("DELETE FROM migrations WHERE number = ?", [len(ALL)])
    result = run("--dry-run")
    assert result.exit_code == 1
    assert "[LEDGER_OLDER]" in result.stderr
    with duckdb.connect(str(file), read_only=True) as connection:
        assert connection.execute("SELECT max(number) FROM migrations").fetchall() == [(len(ALL) - 1,)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("redact", "--ledger", "Some text"),
        ("redact", "--ledger", "--jsonl"),
        ("redact", "--ledger", "--why"),
        ("redact", "--ledger", "--client", "app"),
        ("redact", "--ledger", "--lang", "en"),
        ("redact", "--ledger", "--source", "typed"),
        ("redact", "--dry-run", "Some text"),
        ("redact", "--data-dir", "/tmp", "Some text"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli, list(arguments)).exit_code == 2


@pytest.mark.models
def test_it_counts_what_it_changes_and_prints_no_text(place: Path) -> None:
    counted, changed, again = run("--dry-run", "--json"), run("--json"), run()
    tally = json.loads(counted.stdout)
    others = dict.fromkeys(("reply", "upload", "name", "label", "record", "event", "comment"), 0)
    assert tally["changed"] == {"turn": 1, **others}
    assert tally["new_tags"] == {"NAME": 1, "PHONE": 1}
    assert json.loads(changed.stdout) == tally | {"dry_run": False}
    assert again.stdout.endswith("Sessions that were done with the same rules before: 1.\n")
    assert not any("Lopez" in result.output for result in (counted, changed, again))
    assert b"Lopez" not in (place / "ledger.duckdb").read_bytes()


@pytest.mark.models
def test_it_names_the_folders_of_exports(place: Path) -> None:
    out = place / "out"
    out.mkdir()
    (place / "exports.json").write_text(json.dumps([str(out)]))
    assert json.loads(run("--dry-run", "--json").stdout)["exports"] == []
    assert json.loads(run("--json").stdout)["exports"] == [str(out)]
    said = run().stderr
    assert f"vestibule export --out {out}\n" in said
    assert "rows that retention has deleted" in said


@pytest.mark.models
def test_copies_for_analysts_that_a_killed_server_left_are_deleted(
    place: Path, weights_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(weights_cache.parent))
    copies = place / "analysts"
    copies.mkdir()
    for name in ("ledger.duckdb", "earlier.duckdb"):
        shutil.copy(place / "ledger.duckdb", copies / name)
    assert b"Lopez" in (copies / "earlier.duckdb").read_bytes()
    assert run("--dry-run").exit_code == 0
    assert len(list(copies.iterdir())) == 2
    assert run().exit_code == 0
    assert list(copies.iterdir()) == []
    assert not any(b"Lopez" in file.read_bytes() for file in place.rglob("*.duckdb*"))
