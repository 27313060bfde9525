"""`vestibule sessions timeline`, and what `vestibule funnel` says of names that nothing has."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from server.cli import timeline
from server.cli.main import cli
from server.ledger.columns import Cursor
from server.ledger.types import SessionState
from tests.unit.cli.events_server import events_server
from tests.unit.funnel.stored import bulk, event_row, session_row
from tests.unit.ledger.makers import NOW, after
from tests.unit.ledger.migrated import open_ledger

SESSION = str(uuid4())
NAMES = ("app_opened", "cart", "pay", "help", "left")


def keep(cursor: Cursor) -> None:
    bulk(cursor, "sessions", [session_row(SESSION, SessionState.ABANDONED, client_id="shop")])
    rows = [
        event_row(SESSION, n, name, after(n), properties=json.dumps({"channel": "web"}), client_id="shop")
        for n, name in enumerate(NAMES)
    ]
    for row in rows:
        row["event_time"] = row["device_time"] = row["server_time"]
    bulk(cursor, "events", rows)


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    data, state = tmp_path / "data", tmp_path / "state"
    state.mkdir()
    ledger = open_ledger(data / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    ledger.write_now(keep)
    ledger.close()
    return ["--data-dir", str(data), "--state-dir", str(state)]


def called(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_a_timeline_has_everything_in_order_over_all_pages(folders: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "PAGE_SIZE", 2)
    done = called("sessions", "timeline", SESSION, *folders, "--json")
    known = json.loads(done.stdout)
    assert [entry["name"] for entry in known["entries"]] == [*NAMES]
    assert known["session"]["client_id"] == "shop"
    shown = called("sessions", "timeline", SESSION.upper(), *folders).stdout
    assert f"{NOW:%Y-%m-%d %H:%M:%S} UTC |                  | app event | app_opened" in shown
    assert f"{after(1):%Y-%m-%d %H:%M:%S} UTC | 1 s              | app event | cart" in shown
    assert {entry["source"] for entry in known["entries"]} == {"app"}
    assert "channel=web" in shown


def offline(cursor: Cursor) -> None:
    """Steps of the app weeks before the server knew of the session, and an event with a name of the server's."""
    bulk(cursor, "sessions", [session_row(SESSION, SessionState.STARTED)])
    told = [("opened", -38 * 86_400.0), ("stage_entered", 85 - 38 * 86_400.0)]
    rows = [event_row(SESSION, n, name, after(at)) for n, (name, at) in enumerate(told)]
    for row in rows:
        row["event_time"] = row["device_time"] = row["server_time"]
    opening = event_row(SESSION, 3, "stage_entered", NOW, stage="STARTED", event_time=NOW, device_time=None)
    bulk(cursor, "events", [*rows, opening])


def test_a_timeline_of_an_offline_session_shows_seconds_and_whose_events_they_are(tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    state.mkdir()
    ledger = open_ledger(data / "ledger.duckdb")
    ledger.write_now(offline)
    ledger.close()
    shown = called("sessions", "timeline", SESSION, "--data-dir", str(data), "--state-dir", str(state)).stdout
    begun = f"{after(-38 * 86_400):%Y-%m-%d %H:%M:%S} UTC"
    assert f"{begun} on the device; the server opened it 38 d later" in shown
    rows = [[cell.strip() for cell in line.split("|")] for line in shown.splitlines() if " UTC | " in line]
    assert [row[2:6] for row in rows] == [
        ["", "app event", "opened", ""],
        ["1 min 25 s", "app event", "stage_entered", ""],
        ["37 d 23 h", "event", "stage_entered", "STARTED"],
    ]


def test_a_session_that_is_not_there_has_no_timeline(folders: list[str]) -> None:
    done = called("sessions", "timeline", str(uuid4()), *folders)
    assert (done.exit_code, "SESSION_NOT_FOUND" in done.stderr) == (1, True)


def test_a_list_of_sessions_names_the_next_step(folders: list[str]) -> None:
    arguments = ("funnel", "--steps", "cart,pay", "--sessions", "reached@pay", *folders)
    assert "vestibule sessions timeline ID" in called(*arguments).stderr
    assert called(*arguments, "--json").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("--steps", "crat,pay"), "No session has the event crat. Did you mean cart?"),
        (
            ("--steps", "cart,pay", "--sessions", "reached@1", "--where", "cart.chanel"),
            "of the step has the property chanel",
        ),
        (("--by", "chanel"), "No event of an app has the property chanel. Did you mean channel?"),
        (("--client", "shpo"), "No session has the client shpo. Did you mean shop?"),
        (("report", "--client", "shpo"), "No session has the client shpo. Did you mean shop?"),
        (("--by", "client", "--sessions", "reached@1", "--group", "x"), "The report has no group x."),
    ],
)
def test_a_name_that_nothing_has_is_noted(folders: list[str], arguments: tuple[str, ...], note: str) -> None:
    done = called("funnel", *arguments, *folders)
    assert done.exit_code == 0, done.output
    assert note in done.stderr
    assert "Note" not in done.stdout


def test_a_server_that_runs_tells_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with events_server(tmp_path) as served:
        served.ledger.write_now(keep)
        monkeypatch.setenv("VESTIBULE_ADDRESS", served.address)
        monkeypatch.setattr(timeline, "PAGE_SIZE", 2)
        told = called("sessions", "timeline", SESSION, "--json")
        assert [entry["name"] for entry in json.loads(told.stdout)["entries"]] == [*NAMES]
        assert "Did you mean cart?" in called("funnel", "--steps", "crat,pay").stderr
        assert "Did you mean cart?" in called("funnel", "--steps", "crat,pay", "--sessions", "reached@1").stderr
        assert "Did you mean shop?" in called("funnel", "report", "--client", "shpo").stderr
        wrong = called("funnel", "--every", "week", "--sessions", "reached@1", "--period", "2026-03-03")
        assert (wrong.exit_code, "[FUNNEL_PERIOD_UNKNOWN]" in wrong.stderr) == (1, True)
        assert "Hint: Give the day on which the week begins, in UTC: 2026-03-02." in wrong.stderr


def test_json_has_the_warnings_in_each_row_and_none_where_all_is_known(folders: list[str]) -> None:
    known = json.loads(called("funnel", "--steps", "crat,pay", *folders, "--json").stdout)
    warning = {
        "kind": "FUNNEL_NAME_KIND_EVENT",
        "field": "steps[0]",
        "description": "No session has this event.",
        "suggestion": "cart",
    }
    assert [row["warnings"] for row in known] == [[warning], [warning]]
    rows = json.loads(called("funnel", "--steps", "cart,pay", *folders, "--json").stdout)
    assert not any("warnings" in row for row in rows)
    report = json.loads(called("funnel", "report", "--client", "shpo", *folders, "--json").stdout)
    assert [each["suggestion"] for each in report["warnings"]] == ["shop"]
