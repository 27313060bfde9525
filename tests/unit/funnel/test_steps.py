"""Causes between any steps: what is named, and that nothing counts that follows from leaving."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import funnel_pb2

from server.access.audit import AuditTrail
from server.cli.main import cli
from server.funnel.feature_table import read_table
from server.funnel.optimizer import FunnelOptimizer, read_funnel
from server.funnel.report import FunnelReport
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, end_of_observation, outcome_parameters
from server.funnel.steps import Steps
from server.funnel.types import SessionTable
from server.funnel.wording import wording_in
from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionState as S
from server.services.funnel_messages import analysis_message, report_of
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.funnel.shop import STEPS, Cause, Shop
from tests.unit.funnel.stored import bulk, event_row, session_row
from tests.unit.ledger.makers import NOW, after
from tests.unit.ledger.migrated import open_ledger

IDLE = timedelta(minutes=30)
PLANTED: dict[int, Cause] = {
    1: lambda drawn: 1.8 * (drawn["network"] == "3g"),
    2: lambda drawn: 2.0 * drawn["error_2"],
}
Happening = tuple[float, str, dict[str, Any]]


def report(cursor: DuckDb, *names: str) -> FunnelReport:
    return FunnelOptimizer().analyze(read_funnel(cursor, steps=Steps.of(names or STEPS)))


def named(found: FunnelReport) -> set[tuple[str, str]]:
    return {
        (name, change.to_stage)
        for change in found.recommendations
        if (seen := change.evidence)
        for name in seen.features
    }


def table(cursor: DuckDb, names: Sequence[str] = STEPS) -> SessionTable:
    parameters, steps = outcome_parameters(Selection(), end_of_observation(cursor, None), IDLE), Steps.of(names)
    found = read_table(cursor, parameters, count_steps(cursor, parameters, steps), steps)
    assert found is not None
    return found


def store(cursor: DuckDb, happened: Mapping[str, Sequence[Happening]]) -> None:
    """Sessions that ended after 1,000 seconds, with what happened when. Names in capitals are stages."""
    bulk(cursor, "sessions", [session_row(key, S.ABANDONED, opened=NOW, ended=after(1000.0)) for key in happened])
    rows = []
    for key, events in happened.items():
        for k, (at, name, given) in enumerate(events):
            own = name.isupper() or name in {"no_speech", "turn_finished"}
            meta = {word: {"kind": "enumeration"} for word, value in given.items() if isinstance(value, str)}
            row = event_row(key, k, "stage_entered" if name.isupper() else name, after(at), event_time=after(at))
            row |= {
                "stage": name if name.isupper() else None,
                "device_time": None if own else after(at),
                "took_s": None,
            }
            rows.append(row | {"properties": json.dumps(given), "properties_meta": json.dumps({} if own else meta)})
    bulk(cursor, "events", rows)


def value(found: SessionTable, name: str, place: int = 0) -> Any:
    return found.features[name].tolist()[place]


def test_causes_between_events_of_an_app_are_named_at_their_step_with_what_they_cost(cursor: DuckDb) -> None:
    Shop(causes=PLANTED).store(cursor)
    found = report(cursor)
    assert named(found) == {("app.network", "pay"), ("app.slow", "done")}
    assert found.steps == STEPS
    assert [(step.count.from_stage, step.count.to_stage, step.severity) for step in found.drop_offs] == [
        ("cart", "pay", "HIGH"),
        ("pay", "done", "NORMAL"),
    ]
    first = found.first
    assert first is not None
    assert first.completions.low > 50
    assert wording_in("en").why(first).startswith("Before pay, ")
    assert found.roi is not None
    assert found.roi.rate_then.low > found.roi.rate.high


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_where_nothing_is_a_cause_nothing_is_named_though_all_that_left_did_something_else(
    cursor: DuckDb, seed: int
) -> None:
    """Who left stays ten minutes and answers a survey; ``scrolled`` comes at any time to all."""
    Shop(sessions=1500, seed=seed).store(cursor)
    assert named(report(cursor)) == set()


def test_what_follows_from_leaving_counts_for_nobody(cursor: DuckDb) -> None:
    on: list[Happening] = [(10.0, "cart", {}), (40.0, "pay", {})]
    off: list[Happening] = [(10.0, "cart", {}), (39.0, "moved", {"scrolled": True})]
    off += [(40.0, "asked", {"annoyed": True}), (71.0, "no_speech", {})]
    store(cursor, {f"on-{k}": on for k in range(40)} | {f"off-{k}": off for k in range(40)})
    found = table(cursor, ("cart", "pay"))
    assert "app.annoyed" not in found.features
    assert not found.features["no_speech"].any()
    assert found.features["app.scrolled"].sum() == 40, "it came before others went on"


def test_a_thing_counts_from_the_step_in_which_it_came_and_not_at_the_moment_of_the_next(cursor: DuckDb) -> None:
    happened: list[Happening] = [
        (5.0, "opened", {"lens": "wide"}),
        (10.0, "cart", {"amount": 7}),
        (15.0, "no_speech", {}),
    ]
    happened += [(20.0, "pay", {"card": "debit"}), (30.0, "done", {})]
    store(cursor, {str(k): happened for k in range(40)})
    found = table(cursor)
    known = {name: found.known_at[name] for name in ("app.lens", "app.amount", "app.card", "no_speech")}
    assert known == {"app.lens": 1, "app.amount": 1, "app.card": 2, "no_speech": 1}
    assert "no_speech@2" not in found.features, "it says the same"
    assert (value(found, "time_to_cart_s"), value(found, "time_to_pay_s")) == (10.0, 10.0)
    assert [found.known_at[f"time_to_{step}_s"] for step in ("cart", "pay")] == [1, 2]


def test_what_grows_with_a_session_is_known_when_the_step_is_over(cursor: DuckDb) -> None:
    store(cursor, {str(k): [(10.0, "cart", {}), (20.0, "pay", {}), (30.0, "done", {})] for k in range(40)})
    turns = [
        {"id": f"{k}/{at}", "session_id": str(k), "stream_id": "s", "utterance": at, "source": "speech", "text": ""}
        | {"text_counts": "{}", "text_safe": True, "create_time": after(at), "confidence": 1.0, "language": "en"}
        | {"start_s": 0.0, "end_s": 1.0, "compute_s": 1.0}
        for k in range(40)
        for at in (12, 14, 22)
    ]
    bulk(cursor, "turns", turns)
    found = table(cursor)
    assert (value(found, "turns"), found.known_at["turns"]) == (2.0, 2)


def test_steps_may_be_stages_and_events_and_those_under_way_are_not_lost(cursor: DuckDb) -> None:
    on: list[Happening] = [(0.0, "STARTED", {}), (10.0, "camera", {}), (20.0, "IN_PROGRESS", {})]
    store(cursor, {f"on-{k}": on for k in range(30)} | {f"off-{k}": on[:1] for k in range(30)})
    late = after(8000.0)
    bulk(cursor, "sessions", [session_row("new", S.STARTED, opened=late, ended=late)])
    bulk(cursor, "events", [event_row("new", 1, "stage_entered", late, stage=S.STARTED, event_time=late)])
    names = ("STARTED", "camera", "IN_PROGRESS")
    first, second = read_funnel(cursor, steps=Steps.of(names), now=after(8100.0)).steps
    assert (first.entered, first.went_on, first.dropped, first.under_way, first.median_s) == (61, 30, 30, 1, 10.0)
    assert (second.entered, second.went_on, second.to_stage) == (30, 30, "IN_PROGRESS")
    with pytest.raises(ValueError, match="machine word"):
        Steps.of(["cart", "'; DROP TABLE sessions"])


def test_sessions_of_other_clients_are_neither_counted_nor_compared(cursor: DuckDb) -> None:
    on: list[Happening] = [(10.0, "cart", {}), (20.0, "pay", {})]
    store(cursor, {f"on-{k}": on for k in range(40)} | {f"off-{k}": on[:1] for k in range(40)})
    cursor.execute("UPDATE sessions SET client_id = 'other' WHERE id LIKE 'off-%'")
    found = read_funnel(cursor, Selection(visible_to="app"), steps=Steps.of(["cart", "pay"]))
    assert (found.steps[0].entered, found.steps[0].went_on, found.steps[0].dropped) == (40, 40, 0)
    assert found.table is not None
    assert set(found.table.features["client"].tolist()) == {"app"}
    assert read_funnel(cursor, Selection(visible_to="none"), steps=Steps.of(["cart", "pay"])).table is None


def test_a_step_that_is_no_stage_points_to_nothing_by_rule_and_has_a_neutral_change(cursor: DuckDb) -> None:
    on: list[Happening] = [(10.0, "cart", {}), (20.0, "pay", {}), (25.0, "IN_PROGRESS", {})]
    store(cursor, {str(k): on[: 1 + 2 * (k % 2)] for k in range(100)})
    found = report(cursor, "cart", "pay", "IN_PROGRESS")
    (change,) = found.recommendations
    assert (change.to_stage, change.evidence, change.category) == ("pay", None, "ux")
    assert "stop before this step" in change.title
    assert wording_in("en").headline(found).endswith("50 of 100 sessions.")
    assert [step.categories for step in found.drop_offs] == [(), ("ux", "content")]


def test_seconds_to_a_step_are_named_in_words(cursor: DuckDb) -> None:
    sessions: dict[str, list[Happening]] = {}
    for k in range(1000):
        slow = k % 5 == 0
        sessions[str(k)] = [(10.0, "cart", {}), (800.0 if slow else 20.0 + k % 7, "pay", {})]
        if k // 10 % 10 >= (8 if slow else 2):
            sessions[str(k)].append((900.0, "done", {}))
    store(cursor, sessions)
    seen = report(cursor).recommendations[0].evidence
    assert seen is not None
    assert seen.condition.startswith("seconds to pay > ")


def test_a_message_holds_a_report_of_steps(cursor: DuckDb) -> None:
    Shop(sessions=1000, causes=PLANTED).store(cursor)
    found = report(cursor)
    once = report_of(analysis_message(found))
    assert report_of(analysis_message(once)) == once
    assert (once.steps, once.recommendations, once.unsure_steps) == (STEPS, found.recommendations, found.unsure_steps)


async def test_a_call_analyzes_the_steps_that_it_counts_in_its_window_and_order(ledger: EmbeddedLedger) -> None:
    await ledger.write(Shop(sessions=1000, causes=PLANTED).store)
    service = funnel_service(ledger, FakeGateway(), lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW))
    request = funnel_pb2.GetReportRequest(steps=STEPS, analyze=True)
    whole = await service.GetReport(request, None)
    assert [step.to_stage for step in whole.analysis.drop_offs] == ["pay", "done"]
    assert [(step.dropped_count, step.continued_count) for step in whole.analysis.drop_offs] == [
        (stage.dropped_count, stage.session_count) for stage in whole.stages[1:]
    ]
    request.window.CopyFrom(Duration(seconds=20))
    request.step_rules.add(position=2, window=Duration(seconds=5))
    short = await service.GetReport(request, None)
    assert short.analysis.drop_offs[0].continued_count == short.stages[1].session_count < whole.stages[1].session_count


def test_the_command_reports_on_steps(tmp_path: Path) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    opened = open_ledger(data / "ledger.duckdb")
    opened.write_now(Shop(sessions=1000, causes=PLANTED).store)
    opened.close()
    folders = ["--data-dir", str(data), "--state-dir", str(state)]
    page = tmp_path / "page.html"
    options = ["--steps", "cart,pay,done", "--window", "1d", "--json", "--html", str(page), *folders]
    done = CliRunner().invoke(cli, ["funnel", "report", *options])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [step["to_stage"] for step in found["drop_offs"]] == ["pay", "done"]
    assert found["drop_offs"][0]["category"] is None
    assert "network = 3g" in [each["evidence"]["condition"] for each in found["recommendations"] if each["evidence"]]
    assert "network = 3g" in page.read_text(encoding="utf-8")
    before = CliRunner().invoke(cli, ["funnel", "--steps", "cart,pay", *folders, "report"])
    assert before.stdout.startswith("Change first: "), "options before the command apply to it"


@pytest.mark.parametrize(
    "wrong",
    [["report", "--steps", "cart"], ["report", "--window", "1d"], ["report", "--steps", "a,b", "--order", "any"]],
)
def test_steps_that_cannot_be_analyzed_are_refused(wrong: list[str]) -> None:
    assert CliRunner().invoke(cli, ["funnel", *wrong]).exit_code == 2
