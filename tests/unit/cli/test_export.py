"""`vestibule export`: days as Parquet, brought to what the ledger says, from a running server and from its file."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars
import pytest
from click.testing import CliRunner, Result

from server.analytics.client import LiveConnection, RefusedQuery
from server.analytics.export_folder import ExportFolder, opened_folder
from server.analytics.refusals import Cause, Refused
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger import erasure, events, recommendations, retention, sessions
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.runtime.installation import load_or_create_installation_id
from tests.unit.analytics.endpoints import OneEndpoint
from tests.unit.ledger.makers import NOW, event, recommendation, session
from tests.unit.ledger.migrated import open_ledger

pytestmark = pytest.mark.slow  # it serves real ledgers

TOKEN = "a-token-for-tests-0123"
DAY = timedelta(days=1)
EVENTS = ("--view", "v_events")
"""For tests that look at no other view. All four take three times as long."""


def fill(cursor: Cursor) -> None:
    """Two sessions with events on three days, of which one has a record."""
    for name in ("s1", "s2"):
        sessions.insert_or_get(cursor, replace(session(name), create_time=NOW, update_time=NOW))
        for day in range(3):
            at = NOW + day * DAY
            made = event(name, f"{name}-{day}", name="photo_sent")
            events.append(cursor, replace(made, server_time=at, device_time=at, event_time=at))
    recommendations.insert_recommendation(cursor, recommendation("s1"))


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedLedger]:
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(free_ports(1)[0]))
    (tmp_path / "installation.id").write_text("0123456789ab\n")
    made = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    made.write_now(fill)
    yield made
    made.close()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneEndpoint]:
    made = OneEndpoint(tmp_path_factory.mktemp("served"), TOKEN)
    yield made
    made.stop()


@pytest.fixture
def served(endpoint: OneEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedLedger:
    """The ledger of a server whose state is in ``tmp_path``."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(endpoint.folder))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("VESTIBULE_QUACK__PORT", str(endpoint.port))
    (tmp_path / "installation.id").write_text("0123456789ab\n")
    (tmp_path / "quack.token").write_text(TOKEN + "\n")
    made = endpoint.new_ledger()
    made.write_now(fill)
    return made


def run(out: Path, *more: str, code: int = 0) -> Result:
    result = CliRunner().invoke(cli, ["export", "--out", str(out), *more])
    assert result.exit_code == code, result.output
    return result


def counted(out: Path, *more: str) -> dict[str, tuple[int, int, int, int]]:
    """Days, rows, erased rows and unchanged days, by view."""
    found: list[dict[str, Any]] = json.loads(run(out, "--json", *more).stdout)
    return {row.pop("view"): tuple(row.values()) for row in found}


def ids(out: Path) -> dict[str, list[str]]:
    """Ids of the exported events by day."""
    rows = duckdb.sql(
        f"""SELECT day::VARCHAR, list(event_id ORDER BY event_id)
        FROM read_parquet('{out}/v_events/*/*.parquet', hive_partitioning = true) GROUP BY day ORDER BY day"""
    ).fetchall()
    return dict(rows)


def test_days_are_exported_once_and_again_when_they_change(served: EmbeddedLedger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert counted(out) == {
        "v_events": (3, 8, 0, 0),
        "v_sessions": (1, 2, 0, 0),
        "v_records": (1, 1, 0, 0),
        "v_decisions": (0, 0, 0, 0),
    }
    assert ids(out)["2026-03-03"] == ["s1-2", "s2-2"]
    assert {path.stat().st_mode & 0o777 for path in (*out.rglob("*.parquet"), out / "export.json")} == {0o600}
    frame = polars.read_parquet(out / "v_events" / "**" / "*.parquet", hive_partitioning=True)
    assert json.loads(frame.filter(polars.col("event_id") == "s1-0")["properties"][0])["lens"] == "wide"
    assert "odd" not in frame.filter(polars.col("event_id") == "s1-0")["properties"][0], "not vouched for"
    before = {path: path.stat().st_ino for path in out.rglob("*.parquet")}
    assert counted(out)["v_events"] == (0, 0, 0, 3)
    assert {path: path.stat().st_ino for path in out.rglob("*.parquet")} == before
    late = replace(event("s2", "late"), device_time=NOW + DAY, event_time=NOW + DAY, server_time=NOW + 5 * DAY)
    served.write_now(lambda cursor: events.append(cursor, late))
    assert counted(out)["v_events"] == (1, 3, 0, 2)
    assert ids(out)["2026-03-02"] == ["late", "s1-1", "s2-1"]


def test_an_interrupted_export_goes_on(served: EmbeddedLedger, tmp_path: Path) -> None:
    """A day without a line in the list is written again, and half a file is no day."""
    out = tmp_path / "out"
    run(out, *EVENTS)
    listed = json.loads((out / "export.json").read_text())
    del listed["days"]["v_events"]["2026-03-03"]
    (out / "export.json").write_text(json.dumps(listed))
    (out / "v_events" / "day=2026-03-02" / "data.parquet").unlink()
    (out / "v_events" / "day=2026-03-02" / ".data.parquet.unfinished").write_bytes(b"PAR1 half")
    assert counted(out, *EVENTS)["v_events"] == (2, 4, 0, 1)
    assert list(map(len, ids(out).values())) == [4, 2, 2]
    assert not list(out.rglob("*.unfinished"))


def test_an_export_that_was_killed_at_once_finds_its_folder(served: EmbeddedLedger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with opened_folder(out, "0123456789ab") as folder:
        folder.begin("v_events", "2026-03-01").write_bytes(b"PAR1 half")
    assert counted(out, *EVENTS)["v_events"] == (3, 8, 0, 0)


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_nothing_of_an_erased_session_is_left_by_a_killed_export(
    served: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    out = tmp_path / "out"

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ExportFolder, "finish", killed)
        CliRunner().invoke(cli, ["export", "--out", str(out), "--view", "v_events"])
    [left] = out.rglob(".data.parquet.unfinished")
    assert ("s1",) in duckdb.sql(f"SELECT session_id FROM read_parquet('{left}')").fetchall()
    (out / ".scratch").mkdir(exist_ok=True)
    (out / ".scratch" / "duckdb_temp_storage-0.tmp").write_bytes(b"s1")
    served.write_now(lambda cursor: erasure.erase(cursor, frozenset({"s1"})))
    assert counted(out, "--view", "v_events", "--from", "2026-03-03", *more)["v_events"][2] == 0
    assert not list(out.rglob(".data.parquet.unfinished"))
    assert not list((out / ".scratch").glob("*"))


def test_a_dry_run_makes_no_folder(served: EmbeddedLedger, tmp_path: Path) -> None:
    assert counted(tmp_path / "out", "--dry-run")["v_events"] == (3, 8, 0, 0)
    assert not (tmp_path / "out").exists()


def test_what_is_too_much_for_one_query_is_asked_in_parts(
    served: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days of a range by halves, the rows of a day by hours, here those of one day of three."""
    run(tmp_path / "whole", "--view", "v_events")
    execute, run_here = LiveConnection.execute, LiveConnection.run_here
    refused: list[str] = []
    parts: list[bool] = []

    def execute_narrow(self: LiveConnection, sql: str) -> duckdb.DuckDBPyConnection:
        if "GROUP BY day" in sql and "2026-03-01" in sql and "2026-03-02" not in sql:
            refused.append(sql)
            raise RefusedQuery(Refused(Cause.TIME, "Too slow."))
        return execute(self, sql)

    def run_small(self: LiveConnection, sql: str, statement: str) -> None:
        if "new_rows" in sql:
            parts.append("HOUR" in statement)
            if not parts[-1] and "2026-03-01" in statement:
                raise RefusedQuery(Refused(Cause.MEMORY, "Too large."))
        run_here(self, sql, statement)

    monkeypatch.setattr(LiveConnection, "execute", execute_narrow)
    monkeypatch.setattr(LiveConnection, "run_here", run_small)
    assert counted(tmp_path / "out", "--view", "v_events") == {"v_events": (3, 8, 0, 0)}
    assert (bool(refused), parts) == (True, [False, *[True] * 24, False, False])
    assert ids(tmp_path / "out") == ids(tmp_path / "whole")


def test_an_erased_session_is_gone_from_every_day(served: EmbeddedLedger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(out, "--view", "v_events", "--view", "v_records")
    served.write_now(lambda cursor: erasure.erase(cursor, frozenset({"s1"})))
    would = counted(out, "--dry-run", "--from", "2026-03-03")
    assert (would["v_events"][2], would["v_records"][2]) == (4, 1)
    assert len(ids(out)["2026-03-01"]) == 4, "a dry run changes nothing"
    assert counted(out, "--from", "2026-03-03")["v_records"] == (0, 0, 1, 0)
    assert {name: len(rows) for name, rows in ids(out).items()} == {"2026-03-01": 2, "2026-03-02": 1, "2026-03-03": 1}
    assert not list((out / "v_records").rglob("*.parquet")), "a day without rows is deleted"
    sessions_left = duckdb.sql(f"SELECT DISTINCT session_id FROM '{out}/v_events/*/*.parquet'").fetchall()
    assert sessions_left == [("s2",)]
    after = counted(out, "--dry-run")
    assert (after["v_events"][2], after["v_records"][2]) == (0, 0)


def test_what_retention_deletes_stays_in_the_folder(served: EmbeddedLedger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(out, *EVENTS)
    before = ids(out)
    cut = NOW + 1.5 * DAY
    served.write_now(lambda cursor: retention.delete_events(cursor, cut))
    assert counted(out, *EVENTS)["v_events"][2] == 0
    assert ids(out) == before


@pytest.mark.parametrize("after", ["SELECT min(event_time)", "GROUP BY day"])
def test_what_retention_deletes_during_an_export_stays_too(
    served: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """A whole day and a part of another: such rows have not moved."""
    out = tmp_path / "out"
    run(out, *EVENTS)
    before = ids(out)
    late = replace(event("s2", "late"), device_time=NOW + DAY, event_time=NOW + DAY, server_time=NOW + 5 * DAY)
    served.write_now(lambda cursor: events.append(cursor, late))
    execute = LiveConnection.execute
    deletions: list[int] = []

    def execute_then_delete(self: LiveConnection, sql: str) -> duckdb.DuckDBPyConnection:
        answer = execute(self, sql)
        if after in sql and "v_events" in sql and not deletions:
            deletions.append(served.write_now(lambda cursor: retention.delete_events(cursor, NOW + 1.5 * DAY)))
        return answer

    monkeypatch.setattr(LiveConnection, "execute", execute_then_delete)
    run(out, *EVENTS)
    assert deletions == [6]
    assert ids(out) == before | {"2026-03-02": ["late", *before["2026-03-02"]]}


def test_an_event_that_leaves_its_day_during_an_export_and_comes_back_is_not_lost(
    served: EmbeddedLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The days are looked at before the event leaves, and its day is written after that."""
    out = tmp_path / "out"

    def move(days: int) -> None:
        sql = "UPDATE events SET event_time = event_time + to_days(?) WHERE id = 's1-1'"
        served.write_now(lambda cursor: cursor.execute(sql, [days]) and None)

    execute = LiveConnection.execute
    moves: list[int] = []

    def execute_then_move(self: LiveConnection, sql: str) -> duckdb.DuckDBPyConnection:
        answer = execute(self, sql)
        if "GROUP BY day" in sql and not moves:
            moves.append(1)
            move(1)
        return answer

    monkeypatch.setattr(LiveConnection, "execute", execute_then_move)
    run(out, "--view", "v_events")
    move(-1)
    run(out, "--view", "v_events")
    assert [len(day) for day in ids(out).values()] == [4, 2, 2]
    assert ids(out)["2026-03-02"] == ["s1-1", "s2-1"]


def test_an_event_that_moves_to_another_day_is_there_once(served: EmbeddedLedger, tmp_path: Path) -> None:
    """The clock of its device was found to be wrong."""
    out = tmp_path / "out"
    run(out, *EVENTS)
    for moved in ("s1-2", "s2-2"):
        served.write_now(
            lambda cursor, moved=moved: cursor.execute(  # type: ignore[misc]
                "UPDATE events SET event_time = event_time - INTERVAL 1 DAY WHERE id = ?", [moved]
            )
        )
        run(out, *EVENTS)
        everything = [name for day in ids(out).values() for name in day]
        assert len(everything) == len(set(everything)) == 8
    assert sorted(ids(out)) == ["2026-03-01", "2026-03-02"]


def test_the_file_of_a_stopped_server_is_exported_too(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    ledger.close()
    result = run(tmp_path / "out", "--view", "v_events", "--to", "2026-03-03")
    assert "v_events" in result.stdout
    assert list(ids(tmp_path / "out")) == ["2026-03-01", "2026-03-02"]


def test_a_folder_of_something_else_is_left_alone(served: EmbeddedLedger, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert "[EXPORT_FOLDER_UNUSABLE]" in run(other, code=1).stderr
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]
    out = tmp_path / "out"
    run(out, *EVENTS)
    (tmp_path / "installation.id").write_text("ba9876543210\n")
    assert "days of another server" in run(out, code=1).stderr
    assert len(ids(out)) == 3


def test_one_export_at_a_time(served: EmbeddedLedger, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(out, *EVENTS)
    with (out / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "[EXPORT_RUNNING]" in run(out, code=1).stderr


@pytest.mark.parametrize("content", [None, "\n"])
def test_nothing_is_exported_without_the_id_of_the_server(
    served: EmbeddedLedger, tmp_path: Path, content: str | None
) -> None:
    """Else the days of two servers could get into one folder, and each would delete those of the other."""
    file = tmp_path / "installation.id"
    file.unlink() if content is None else file.write_text(content)
    assert "installation.id" in run(tmp_path / "out", code=1).stderr
    assert not (tmp_path / "out").exists()


def test_an_export_before_the_first_start_is_gone_on_with_after_it(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    """The id of the installation is made by whichever comes first."""
    ledger.close()
    (tmp_path / "installation.id").unlink()
    out = tmp_path / "out"
    run(out, *EVENTS)
    made = load_or_create_installation_id(tmp_path)  # as a start does
    assert json.loads((out / "export.json").read_text())["ledger"] == made
    run(out, *EVENTS)


def test_an_unknown_view_is_a_wrong_usage(tmp_path: Path) -> None:
    assert "v_events" in run(tmp_path / "out", "--view", "v_audit", code=2).stderr


def test_an_erasure_names_the_folders(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    ledger.close()
    out = tmp_path / "out"
    run(out)
    arguments = ["erase", "--client", "app", "--yes", "--data-dir", str(tmp_path), "--state-dir", str(tmp_path)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert f"vestibule export --out {out}" in result.stderr
    run(out)
    assert not list(out.rglob("*.parquet"))
