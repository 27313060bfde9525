"""`vestibule sql` and `sessions list`: on the live endpoint, on the file when no server runs, and without a ledger."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr

from models.errors import InvalidInput
from server.analytics import client
from server.analytics.client import open_file
from server.analytics.endpoint import AnalystEndpoint
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.setting_groups import QuackSettings
from tests.unit.analytics.endpoints import OneEndpoint
from tests.unit.analytics.queries import BAD
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger

pytestmark = pytest.mark.slow  # it serves real ledgers

TOKEN = "a-token-for-tests-0123"


def two_sessions(cursor: Cursor) -> None:
    for number in range(2):
        sessions.insert_or_get(cursor, session(at=number))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of a server that does not run, with a ledger of two sessions."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(free_ports(1)[0]))
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    ledger.write_now(two_sessions)
    ledger.close()
    return tmp_path


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneEndpoint]:
    """What serves the ledger of ``served``."""
    made = OneEndpoint(tmp_path_factory.mktemp("served"), TOKEN)
    made.new_ledger().write_now(two_sessions)
    (made.folder / "quack.token").write_text(TOKEN + "\n")
    yield made
    made.stop()


@pytest.fixture
def served(endpoint: OneEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders of a server that runs, with such a ledger. Nothing is written there."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(endpoint.folder))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(endpoint.folder))
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(endpoint.port))


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, list(arguments), input=stdin)


def test_a_server_without_room_for_a_copy_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_ports(1)[0]
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(port))
    ledger = open_ledger(place / "ledger.duckdb", lambda: NOW)
    settings = QuackSettings(port=port, token=SecretStr(""))
    endpoint = AnalystEndpoint(ledger, settings, place, least_free_bytes=2**62)
    endpoint.start()
    try:
        refused = run("sql", "SELECT 1 FROM v_sessions", "--port", str(port))
    finally:
        endpoint.stop()
        ledger.close()
    assert refused.exit_code == 1
    assert f"The server at quack:localhost:{port} lets nobody attach." in refused.stderr
    assert "state folder may have no room" in refused.stderr


QUERY = "SELECT state, count(*) AS number FROM v_sessions GROUP BY state"


@pytest.mark.usefixtures("served")
def test_sql_on_the_live_ledger() -> None:
    result = run("sql", QUERY, "--json")
    assert json.loads(result.stdout) == [{"state": "STARTED", "number": 2}]
    assert result.stderr == ""
    assert list(csv.reader(run("sql", QUERY, "--csv").stdout.splitlines())) == [["state", "number"], ["STARTED", "2"]]
    assert "STARTED" in run("sql", stdin=QUERY).stdout
    assert "| NULL |" in run("sql", "SELECT NULL AS none, '' AS empty, count(*) AS number FROM v_sessions").stdout
    assert "No rows." in run("sql", "SELECT * FROM v_dead_letters").stdout
    assert "STARTED" in run("sql", f"-- A recipe begins with a comment.\n{QUERY}").stdout
    assert "No such option '--nonsense'" in run("sql", "--nonsense").stderr
    assert "No such option '-- one line'" not in run("sql", "-- one line").stderr


@pytest.mark.usefixtures("served")
def test_several_statements_run_one_after_the_other() -> None:
    block = f"-- First; with a comment.\n{QUERY};\n\n-- Second.\nSELECT ';' AS mark;\n-- The end.\n"
    for done in (run("sql", stdin=block), run("sql", block)):
        assert done.exit_code == 0, done.output
        first, second = done.stdout.split("\n-- Second.\n")
        assert first.startswith("\n-- First; with a comment.\n")
        assert ("STARTED" in first, "| ; " in second) == (True, True)
    assert "take one statement" in run("sql", block, "--json").stderr
    assert "[SQL_REFUSED]" in run("sql", f"{QUERY}; DELETE FROM sessions").stderr


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    "condition",
    [
        "name = 'paid' AND properties->>'way' = 'card'",
        "name LIKE 'p%' OR properties->>'way' LIKE 'c%'",
        "properties->'amount' > 5",
    ],
)
def test_a_missing_parenthesis_around_a_property_is_explained(condition: str) -> None:
    done = run("sql", f"SELECT count(*) FROM {ONE_EVENT} WHERE {condition}")
    assert done.exit_code == 1
    assert "write (properties->>'key') = 'value'" in done.stderr


ONE_EVENT = """(SELECT 'paid' AS name, '{"way": "card", "amount": 7}'::JSON AS properties)"""


def test_while_a_server_starts_for_the_first_time_a_query_says_so(place: Path) -> None:
    ledger = open_ledger(place / "ledger.duckdb", lambda: NOW)
    script = "import sys; from server.cli.main import cli; cli(['sql', 'SELECT 1'])"
    try:  # in another process, because one process may open the file twice
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    finally:
        ledger.close()
    assert done.returncode == 1
    assert "A server has the ledger" in done.stderr
    assert "just started" in done.stderr


@pytest.mark.usefixtures("served")
def test_a_refused_query_shows_its_reason() -> None:
    result = run("sql", "DELETE FROM sessions")
    assert result.exit_code == 1
    assert "[SQL_REFUSED]" in result.stderr
    assert "Hint: Begin with SELECT" in result.stderr
    assert '"nonsense" not found' in run("sql", "SELECT nonsense FROM v_sessions").stderr
    assert "v_funnel" in run("sql", "FROM streams").stderr, "the hint names what may be read"


@pytest.mark.parametrize("way", ["served", "place"])
def test_times_with_a_time_zone_are_shown(way: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(way)
    result = run("sql", 'SELECT to_timestamp(0) AS "a b", [to_timestamp(1)] AS many, 2 AS a', "--json")
    (row,) = json.loads(result.stdout)
    assert list(row) == ["a b", "many", "a"]
    assert row["a b"].startswith(("1970-01-01", "1969-12-31"))
    assert row["a"] == 2


def test_the_policy_and_the_bounds_apply_to_the_ledger_file_too(place: Path) -> None:
    with open_file(place / "ledger.duckdb") as connection:
        for query in BAD:
            with pytest.raises(InvalidInput) as caught:
                connection.execute(query)
            assert caught.value.reason == "SQL_REFUSED", query
        before = psutil.Process().memory_info().rss
        with pytest.raises(InvalidInput, match="needs more memory than 512 MiB"):
            connection.execute("SELECT length(format('{:>400000000}','x'))")
        assert psutil.Process().memory_info().rss - before < 50 * 1024**2
        assert len(connection.execute("FROM v_funnel").fetchall()) == 4


def test_a_file_that_was_read_can_be_opened_at_once(place: Path) -> None:
    """Also where a process that read it is slow to notice that it is over."""
    before = set(psutil.Process().children(recursive=True))
    with open_file(place / "ledger.duckdb") as connection:
        assert len(connection.execute("FROM v_funnel").fetchall()) == 4
        _, trials = sorted(set(psutil.Process().children(recursive=True)) - before, key=lambda each: each.create_time())
        trials.suspend()
    open_ledger(place / "ledger.duckdb", lambda: NOW).close()


def test_a_file_that_is_no_ledger_is_no_crash(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    (place / "ledger.duckdb").write_bytes(b"not a ledger" * 1000)
    (place / "quack.token").write_text(TOKEN)
    result = run("sql", "SELECT 1")
    assert result.exit_code == 1
    assert "the ledger file cannot be opened either" in result.stderr


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("query", ["SHOW TABLES", " show tables;"])
def test_listing_tables_names_the_readable_views(query: str) -> None:
    result = run("sql", query)
    assert result.exit_code == 0
    assert "Only the views may be read: " in result.stderr
    assert "v_funnel" in result.stderr
    assert "Only the views" not in run("sql", "SELECT 1 FROM v_sessions").stderr


def test_a_named_server_that_is_started_again_is_waited_for(place: Path) -> None:
    """As after an erasure."""
    port = free_ports(1)[0]
    (place / "quack.token").write_text(TOKEN)
    ledger = open_ledger(place / "ledger.duckdb", lambda: NOW)
    endpoint = AnalystEndpoint(ledger, QuackSettings(port=port, token=SecretStr("")), place)
    later = threading.Thread(target=endpoint.start)
    later.start()
    try:
        result = run("sql", "SELECT 1 FROM v_sessions", "--port", str(port))
    finally:
        later.join()
        endpoint.stop()
        ledger.close()
    assert result.exit_code == 0, result.stderr


def test_a_named_server_that_does_not_answer_is_not_replaced_by_the_file(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    (place / "quack.token").write_text(TOKEN)
    result = run("sql", "SELECT 1", "--port", str(free_ports(1)[0]))
    assert result.exit_code == 1
    assert "is read" not in result.stderr
    assert "--state-dir" in result.stderr
    assert "about a minute: try again" in result.stderr


def test_the_folders_can_be_given_on_the_command_line(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VESTIBULE_DATA_DIR", "VESTIBULE_STATE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    for command in (["sql", QUERY], ["sessions", "list"]):
        assert "STARTED" in run(*command, "--data-dir", str(place), "--state-dir", str(place)).stdout


@pytest.mark.usefixtures("served")
def test_sessions_of_the_live_ledger() -> None:
    listed = json.loads(run("sessions", "list", "--json").stdout)
    assert [row["state"] for row in listed] == ["STARTED", "STARTED"]
    assert len(json.loads(run("sessions", "list", "--json", "--limit", "1").stdout)) == 1
    assert json.loads(run("sessions", "list", "--json", "--client", "nobody").stdout) == []
    assert "no such sessions" in run("sessions", "list", "--state", "COMPLETED").stdout
    assert "no such sessions" in run("sessions", "list", "--state", "completed").stdout
    wrong = run("sessions", "list", "--state", "")
    assert wrong.exit_code == 2
    assert "'started', 'in_progress'" in wrong.stderr
    assert run("sessions", "list", "--client", "x' OR '1'='1").exit_code == 2


@pytest.mark.usefixtures("served")
def test_attach_prints_the_statements() -> None:
    result = run("sql", "--attach")
    assert f"TOKEN '{TOKEN}'" in result.stdout
    assert "ATTACH 'quack:localhost:" in result.stdout


@pytest.mark.usefixtures("place")
def test_the_file_is_read_when_no_server_runs() -> None:
    result = run("sql", QUERY, "--json")
    assert json.loads(result.stdout) == [{"state": "STARTED", "number": 2}]
    assert "No server answers" in result.stderr
    assert '"nonsense" not found' in run("sql", "SELECT nonsense FROM v_sessions").stderr
    refused = run("sql", "DELETE FROM sessions")
    assert refused.exit_code == 1, "read-only here too"
    assert "[SQL_REFUSED]" in refused.stderr
    assert "Hint: Begin with SELECT" in refused.stderr


def test_a_missing_ledger_gives_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    result = run("sql", "SELECT 1")
    assert result.exit_code == 1
    assert "start `vestibule serve`" in result.stderr
    assert "about a minute: try again" in result.stderr


@pytest.mark.parametrize("command", [["sql", "FROM v_turns"], ["sessions", "list"]])
def test_without_a_server_and_without_a_ledger_both_are_told(command: list[str], tmp_path: Path) -> None:
    folders = ["--data-dir", str(tmp_path / "data"), "--state-dir", str(tmp_path / "state")]
    refused = CliRunner().invoke(cli, [*command, *folders])
    assert refused.exit_code == 1
    told = f"There is no running server for {tmp_path / 'state'}, and no ledger in {tmp_path / 'data'}."
    assert f"{told} [LEDGER_NOT_FOUND]" in refused.stderr
    assert "vestibule serve" in refused.stderr
