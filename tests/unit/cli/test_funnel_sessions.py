"""The sessions behind a number, on the command line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import funnel_pb2

from server.cli.funnel_notes import show_cause
from server.cli.funnel_sessions import cause_request, sessions_request
from server.cli.main import cli
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Told
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.funnel.shop import Shop
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

REPORT = funnel_pb2.GetReportRequest(steps=["cart", "pay"])
GROUPED = funnel_pb2.GetReportRequest(
    steps=["cart", "pay"],
    breakdown=funnel_pb2.FunnelBreakdown(by=funnel_pb2.FUNNEL_DIMENSION_VARIANT),
    interval=funnel_pb2.FUNNEL_INTERVAL_WEEK,
)


@pytest.mark.parametrize(
    ("number", "group", "expected"),
    [
        ("dropped@pay", "x", (2, "FUNNEL_NUMBER_DROPPED", "FUNNEL_SEGMENT_KIND_VALUE", "x")),
        ("reached@1", "(no value)", (1, "FUNNEL_NUMBER_REACHED", "FUNNEL_SEGMENT_KIND_NONE", "")),
        ("under_way@cart", "(others)", (1, "FUNNEL_NUMBER_UNDER_WAY", "FUNNEL_SEGMENT_KIND_OTHER", "")),
    ],
)
def test_a_number_becomes_a_request(number: str, group: str, expected: tuple[int, str, str, str]) -> None:
    request = sessions_request(GROUPED, number, group, datetime(2026, 3, 2))
    asked = funnel_pb2.FunnelNumber.Name(request.number), funnel_pb2.FunnelSegmentKind.Name(request.segment.kind)
    assert (request.position, *asked, request.segment.value) == expected
    assert request.period_start_time.ToJsonString() == "2026-03-02T00:00:00Z"


@pytest.mark.parametrize(
    ("number", "group", "told"),
    [
        ("lost@pay", None, "--sessions takes"),
        ("dropped@sent", None, "sent is no stage or step"),
        ("dropped@3", None, "3 is no stage or step"),
        ("dropped@pay", "x", "--group needs --by"),
    ],
)
def test_a_number_that_the_report_has_not_is_refused(number: str, group: str | None, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        sessions_request(REPORT, number, group, None)


def test_the_list_of_a_stopped_server(tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    state.mkdir()
    ledger: EmbeddedLedger = open_ledger(data / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    cart, pay = Happened("cart", 0), Happened("pay", 1)
    told = [
        Told("s1", (cart,), NOW, variant="x"),
        Told("s2", (cart, pay), NOW, variant="x"),
        Told("s3", (cart,), NOW, variant="y"),
        Told("s4", (cart,), NOW, ended=False, variant="x"),
    ]
    ledger.write_now(lambda cursor: keep(cursor, told))
    ledger.close()
    folders = ("--data-dir", str(data), "--state-dir", str(state), "--json")
    runner = CliRunner()

    def listed(*arguments: str) -> list[tuple[str, str]]:
        result = runner.invoke(cli, ["funnel", "--steps", "cart,pay", *arguments, *folders], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [(row["session"], row["stage"]) for row in json.loads(result.stdout)]

    assert listed("--sessions", "dropped@pay") == [("s3", "ABANDONED"), ("s1", "ABANDONED")]
    assert listed("--by", "variant", "--sessions", "dropped@pay", "--group", "x") == [("s1", "ABANDONED")]
    assert listed("--sessions", "under_way@cart") == [("s4", "STARTED")]
    assert runner.invoke(cli, ["funnel", "--group", "x", *folders]).exit_code == 2


def folders_of(tmp_path: Path, shop: Shop) -> tuple[str, ...]:
    data, state = tmp_path / "data", tmp_path / "state"
    ledger: EmbeddedLedger = open_ledger(data / "ledger.duckdb")
    ledger.write_now(shop.store)
    ledger.close()
    return ("--steps", "cart,pay,done", "--data-dir", str(data), "--state-dir", str(state))


def test_the_sessions_of_a_cause_are_as_many_as_the_report_says(tmp_path: Path) -> None:
    folders = folders_of(tmp_path, Shop(1500, causes={1: lambda drawn: 3.0 * (drawn["network"] == "3g")}))
    runner = CliRunner()

    def run(*arguments: str) -> Result:
        return runner.invoke(cli, ["funnel", "report", *folders, *arguments], catch_exceptions=False)

    evidence = json.loads(run("--json").stdout)["recommendations"][0]["evidence"]
    assert evidence["conditions"] == [{"feature": "app.network", "operator": "=", "value": "3g"}]
    affected, left = (json.loads(run("--cause", "1", "--json", *more).stdout) for more in ((), ("--left",)))
    assert (len(affected), len(left)) == (evidence["affected"], evidence["left"])
    assert left[0].keys() == {"session", "client", "stage", "opened", "last", "variant"}
    table = run("--cause", "1", "--language", "de")
    assert "Before pay, where network = 3g:" in table.stderr
    assert table.stdout.count("ABANDONED") == len(affected)
    assert "Add --cause 1 to list the affected sessions of change 1" in run().stderr
    none = run("--cause", "9")
    assert (none.exit_code, none.stderr.count("The report names ")) == (2, 1)


def test_a_change_has_the_number_that_the_report_prints(tmp_path: Path) -> None:
    """Nobody makes the last step, so the cause brings nothing and stands after a rule of thumb."""

    class NoneDone(Shop):
        def store(self, cursor: Cursor) -> None:
            super().store(cursor)
            others = "id <> (SELECT min(id) FROM events WHERE name = 'done')"
            cursor.execute(f"DELETE FROM events WHERE name = 'done' AND {others}")
            cursor.execute("UPDATE events SET event_time = event_time - INTERVAL 1 DAY WHERE name = 'done'")

    folders = folders_of(tmp_path, NoneDone(1500, causes={1: lambda drawn: 3.0 * (drawn["network"] == "3g")}))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(cli, ["funnel", "report", *folders, *arguments], catch_exceptions=False)

    changes = json.loads(run("--json").stdout)["recommendations"]
    [number] = [place for place, change in enumerate(changes, start=1) if change["evidence"]]
    assert number == 2
    assert "Add --cause 2 to list the affected sessions of change 2" in run().stderr
    assert len(json.loads(run("--cause", "2", "--json").stdout)) == changes[1]["evidence"]["affected"]
    rule = run("--cause", "1")
    assert (rule.exit_code, "Changes with evidence: 2." in " ".join(rule.stderr.split())) == (2, True)


@pytest.mark.parametrize("wrong", [("--left",), ("--cause", "0"), ("--cause", "1", "--html", "page.html")])
def test_options_that_name_no_cause_are_refused(wrong: tuple[str, ...]) -> None:
    assert CliRunner().invoke(cli, ["funnel", "report", *wrong]).exit_code == 2


def test_a_rule_of_thumb_has_no_sessions() -> None:
    analysis = funnel_pb2.FunnelAnalysis(recommendations=[funnel_pb2.FunnelRecommendation(title="Shorter")])
    with pytest.raises(click.UsageError, match=r"Change 1 is a rule of thumb.* Changes with evidence: none"):
        cause_request(REPORT, analysis, 1, left=False)


def test_that_a_list_is_of_a_sample_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    page = funnel_pb2.ListFunnelSessionsResponse(
        stage="pay", condition="x > 1", report_session_count=300_000, searched_session_count=200_112
    )
    show_cause(page)
    assert (
        "a sample of 200,112 of the report's 300,000 sessions. The list is of this sample." in capsys.readouterr().err
    )
