"""The report by a call, on the terminal, as JSON and as a page."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import funnel_pb2

from server.access.audit import AuditTrail
from server.cli.main import cli
from server.funnel.document import document
from server.funnel.drop_offs import SeverityRules
from server.funnel.optimizer import FunnelData, FunnelOptimizer
from server.funnel.page import page
from server.funnel.recommendations import Evidence, Recommendation
from server.funnel.report import FunnelReport, UnknownName
from server.funnel.step_counts import StepCount
from server.funnel.steps import STAGES
from server.funnel.texts import load_texts
from server.funnel.types import Condition, Interval
from server.funnel.wording import percent, percent_range, wording_in
from server.languages.texts import LANGUAGES
from server.ledger.embedded import EmbeddedLedger
from server.services.funnel_analysis import Analysis
from server.services.funnel_messages import analysis_message, report_of
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.funnel.shop import Shop
from tests.unit.funnel.stored import fill
from tests.unit.ledger.makers import NOW, after
from tests.unit.ledger.migrated import open_ledger

SAY = wording_in("en")
DATA = FunnelData(
    (StepCount(1, 1000, 1000, 0, 0, 12.34), StepCount(2, 1000, 540, 441, 7, 700.0), StepCount(3, 5, 1, 4)), NOW
)


def report() -> FunnelReport:
    return FunnelOptimizer().analyze(DATA)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[list[str]]:
    data, state = tmp_path / "data", tmp_path / "state"
    opened = open_ledger(data / "ledger.duckdb")
    opened.write_now(lambda cursor: fill(cursor, 0, 450, 0, 550))
    opened.close()
    yield ["--data-dir", str(data), "--state-dir", str(state)]


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(cli, ["funnel", *arguments])
    assert done.exit_code == 0, done.output
    return done


EVIDENCE = Evidence(
    "network = 3g <b>",
    120,
    60,
    880,
    0.5,
    0.2,
    Interval(2.0, 3.0, 4.0),
    ("app.network",),
    ("app.operator",),
    (Condition("app.network", "=", "3g <b>"), Condition("hour", "in", (8.0, 9.5))),
)
CHANGE = Recommendation(
    1, "ux", "low", "Send less", "Send smaller pictures.", Interval(0.05, 0.11, 0.2), Interval(20, 55, 90), EVIDENCE
)


def with_evidence() -> FunnelReport:
    """One change that rests on evidence before the one by rule."""
    found = report()
    return replace(
        found,
        recommendations=(CHANGE, *found.recommendations),
        searched=1000,
        compared=321,
        unsure_steps=(3,),
        left_out=("clicks",),
    )


def test_a_message_holds_the_whole_report() -> None:
    assert report_of(analysis_message(with_evidence())) == with_evidence()
    assert analysis_message(with_evidence()).recommendations[0].evidence.position == 2
    stages = ("STARTED", "step_car", *STAGES.names[1:])
    assert analysis_message(with_evidence(), stages).recommendations[0].evidence.position == 3
    empty = FunnelOptimizer().analyze(FunnelData(tuple(StepCount(step, 0, 0, 0) for step in (1, 2, 3))))
    assert report_of(analysis_message(empty)) == empty


@pytest.mark.parametrize(("waiting", "told"), [(2974, True), (0, False)])
def test_a_step_at_which_most_wait_is_said_to_be_searched_among_the_others(waiting: int, told: bool) -> None:
    counts = StepCount(1, 27 + waiting, 21, 6)
    found = FunnelOptimizer().analyze(FunnelData((counts, StepCount(2, 21, 20, 1), StepCount(3, 20, 15, 5)), NOW))
    caution = SAY.caution(replace(found, unsure_steps=(1,)))
    said = "Most sessions before In progress wait: 2,974 of 3,001. Causes are looked for among the others."
    assert (said in caution) is told


def test_a_step_at_which_all_wait_is_said_to_have_no_causes_yet() -> None:
    counts = StepCount(1, 53, 0, 0)
    found = FunnelOptimizer().analyze(FunnelData((counts, StepCount(2, 0, 0, 0), StepCount(3, 0, 0, 0)), NOW))
    caution = SAY.caution(replace(found, unsure_steps=(1,)))
    assert "No session before In progress counts yet: 53 of 53 wait." in caution
    assert "the others" not in caution
    rate = document(found)["drop_offs"][0]["drop_off_rate"]
    assert rate == {"value": None, "low": 0.0, "high": 1.0}


def test_a_change_is_said_with_its_evidence_and_as_a_correlation() -> None:
    assert SAY.first_change(with_evidence()) == (
        "Change first: Send less. Before In progress, 50 % of the 120 sessions where network = 3g <b> left, "
        "and 20 % of the others. Among sessions that are alike in all else that is known, the odds of leaving are 3.0 "
        "times as high (2.0 to 4.0). Often seen together with it, so that either may be what matters: app.operator. If "
        "they left no more often than the others: 55 more completions (20 to 90), +11 %. This is a correlation: only "
        "an experiment shows whether the change helps."
    )
    partly = replace(CHANGE, evidence=replace(EVIDENCE, unknown=7))
    assert " left, and 20 % of the others of which it is known. Among " in SAY.why(partly)
    assert SAY.marks(CHANGE) == "user experience, low effort, quick win"
    caution = SAY.caution(with_evidence())
    assert "which is a correlation" in caution
    assert "On the way into Completed there are too few sessions to find every strong cause." in caution
    assert caution.endswith("Left out, because they follow from how far a session came: clicks.")


def test_the_document_has_the_changes_and_the_gain() -> None:
    found = document(with_evidence())
    first, rule, *_ = found["recommendations"]
    assert json.loads(json.dumps(first["evidence"]["conditions"])) == [
        {"feature": "app.network", "operator": "=", "value": "3g <b>"},
        {"feature": "hour", "operator": "in", "value": [8.0, 9.5]},
    ]
    assert (first["category"], first["quick_win"], first["evidence"]["affected"]) == ("ux", True, 120)
    assert (rule["category"], rule["evidence"]) == ("performance", None)
    assert found["roi"]["completion_rate"]["value"] == pytest.approx(540 / 981 / 5, abs=1e-6)
    assert found["too_little_data_into"] == ["COMPLETED"]
    assert found["left_out_features"] == ["clicks"]


async def test_a_call_without_the_flag_has_no_analysis_and_one_with_it_has(ledger: EmbeddedLedger) -> None:
    await ledger.write(lambda cursor: fill(cursor, 0, 450, 0, 550))
    analysis = Analysis(FunnelOptimizer(SeverityRules(high=0.44, critical=0.449)), clock=lambda: after(86_400.0))
    service = funnel_service(
        ledger, FakeGateway(), lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW), analysis
    )
    plain = await service.GetReport(funnel_pb2.GetReportRequest(), None)
    assert not plain.HasField("analysis")
    whole = await service.GetReport(funnel_pb2.GetReportRequest(analyze=True), None)
    assert whole.stages == plain.stages
    step = whole.analysis.drop_offs[1]
    assert (step.to_stage, step.dropped_count, step.severity, step.categories[0]) == (
        "AWAITING_APPROVAL",
        450,
        funnel_pb2.SEVERITY_CRITICAL,
        "performance",
    )
    other = funnel_pb2.GetReportRequest(analyze=True, client_id="another")
    assert (await service.GetReport(other, None)).analysis.session_count == 0


class Held(FunnelOptimizer):
    """Analyzes when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.second, self.let_go = Event(), Event(), Event()

    def analyze(self, data: FunnelData) -> FunnelReport:
        (self.second if self.begun.is_set() else self.begun).set()
        assert self.let_go.wait(60)
        return super().analyze(data)


async def test_an_analysis_that_a_caller_has_given_up_ends_before_the_next_begins(ledger: EmbeddedLedger) -> None:
    held = Held()
    analysis = Analysis(held)
    calls = [asyncio.create_task(analysis.run(ledger, funnel_pb2.GetReportRequest(), str)) for _ in range(2)]
    assert await asyncio.to_thread(held.begun.wait, 10)
    calls[0].cancel()
    try:
        assert not await asyncio.to_thread(held.second.wait, 0.5)
    finally:
        held.let_go.set()
    assert (await calls[1]).session_count == 0
    assert held.second.is_set()


def test_the_terminal_says_first_what_matters_most(folders: list[str]) -> None:
    shown = run("report", *folders).stdout
    first, most, *_ = (" ".join(part.split()) for part in shown.split("\n\n"))
    assert first == (
        "Change first: Make it faster and shorter to give everything that is needed. A rule of thumb: nothing in "
        "the data explains why people leave before Awaiting approval. At most 150 more completions (+27 %), if it then "
        "is not severe any more."
    )
    assert most == (
        "The largest share leaves before Awaiting approval: 45 % (42 to 48 %), 450 of 1,000 sessions. "
        "By rule of thumb, a drop-off there points to performance first, then to complexity."
    )
    assert not [line for line in shown.splitlines() if line.strip().startswith("%")]
    [row] = [line for line in shown.splitlines() if line.startswith("| Awaiting approval")]
    assert [cell.strip() for cell in row.strip("| ").split("|")][1:] == [
        "45 %",
        "42 to 48 %",
        "450",
        "1000",
        "0",
        "10 s",
        "high",
    ]


def test_options_before_the_command_apply_to_it(folders: list[str]) -> None:
    found = json.loads(run("--client", "another", *folders, "--json", "report").stdout)
    assert (found["sessions"], found["observed_until"]) == (0, "2026-03-01T12:00:40Z")
    assert run("report", "--client", "another", *folders).stdout.startswith("There are no sessions.")


def test_groups_do_not_go_with_the_report() -> None:
    done = CliRunner().invoke(cli, ["funnel", "--steps", "a,b", "--by", "channel", "report"])
    assert (done.exit_code, "has no groups" in done.stderr) == (2, True)


def test_the_document_has_every_number(folders: list[str]) -> None:
    step = json.loads(run("report", "--json", *folders).stdout)["drop_offs"][1]
    assert step == {
        "from_stage": "IN_PROGRESS",
        "to_stage": "AWAITING_APPROVAL",
        "entered": 1000,
        "continued": 550,
        "dropped": 450,
        "waiting": 0,
        "under_way": 0,
        "drop_off_rate": {"value": 0.45, "low": 0.419415, "high": 0.480967},
        "severity": "high",
        "median_s": 10.0,
        "category": "performance",
        "categories": ["performance", "complexity"],
    }


def test_the_page_is_written_beside_the_document(folders: list[str], tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    done = run("report", "--json", "--html", str(file), *folders)
    assert json.loads(done.stdout)["sessions"] == 1000
    assert "450 of 1,000" in file.read_text(encoding="utf-8")
    assert run("report", "--html", str(file), *folders).stdout == ""


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["funnel", "report", "--html", str(tmp_path / "none" / "page.html")])
    assert (done.exit_code, "--html" in done.stderr) == (2, True)


def test_a_step_that_no_session_has_is_named_and_gets_no_advice(tmp_path: Path) -> None:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb")
    opened.write_now(Shop(300).store)
    opened.close()
    file, said = tmp_path / "page.html", "No session has the event pai. Did you mean pay?"
    folders = ["--data-dir", str(tmp_path / "data"), "--state-dir", str(tmp_path / "state")]
    asked = ["report", "--steps", "cart,pai", *folders]
    shown = run(*asked, "--html", str(file), "--json")
    found = json.loads(shown.stdout)
    assert (found["recommendations"], found["roi"]) == ([], None)
    assert [warning["field"] for warning in found["warnings"]] == ["steps[1]"]
    assert said in file.read_text(encoding="utf-8")
    assert run(*asked).stdout.startswith(said)
    run(*asked, "--html", str(file), "--language", "de")
    assert "Keine Sitzung hat das Ereignis pai. Meinten Sie pay?" in file.read_text(encoding="utf-8")


def test_the_largest_share_is_not_that_before_a_step_that_no_session_has() -> None:
    found = replace(report(), unknown=(UnknownName("event", "COMPLETED"), UnknownName("client", "shop", "shops")))
    assert SAY.headline(found).startswith("The largest share leaves before Awaiting approval: 45 %")
    assert SAY.notes(found)[1] == "No session has the client shop. Did you mean shops?"


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    done = CliRunner().invoke(cli, ["funnel", "report", "--from", "2026-02-01", "--to", "2026-01-01"])
    assert (done.exit_code, "--from must be before --to." in done.stderr) == (2, True)


class _Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_the_page_brings_everything_and_runs_nothing() -> None:
    seen = _Seen(page(with_evidence()))
    assert not seen.tags & {"script", "link", "img", "iframe", "form"}
    assert not seen.attributes & {"src", "href", "onclick"}
    text = " ".join(seen.words).replace("\u00a0", " ")
    assert "441 of 981" in text
    assert "19 wait" in text
    assert "4 of 5" in text
    assert "too little data" in text
    assert "median 12.3 s" in text
    assert "1. Send less" in text
    assert "network = 3g <b>" in text, "it is escaped, not a tag"
    assert "b" in seen.tags


def test_numbers_of_the_page_are_not_broken_within() -> None:
    text = page(with_evidence())
    assert "text-align:right;vertical-align:top;overflow-wrap:normal" in text
    assert 'overflow-wrap:normal;border-bottom:0;white-space:nowrap"><b>55</b>' in text


def test_too_little_data_is_said() -> None:
    few = FunnelOptimizer().analyze(FunnelData((StepCount(1, 5, 1, 4),)))
    assert SAY.headline(few) == "There is too little data to say where people leave."
    assert document(few)["drop_offs"][0]["severity"] == "too little data"
    nobody = FunnelOptimizer().analyze(FunnelData((StepCount(1, 500, 500, 0),)))
    assert SAY.headline(nobody) == "Nobody is known to have left."
    new = FunnelOptimizer().analyze(FunnelData((StepCount(1, 500, 0, 0, 7),)))
    assert SAY.headline(new) == "Every session is under way, or so new that nobody knows yet who left."


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.45, "45 %"), (0.0049, "0.5 %"), (0.02, "2 %"), (0.0999, "10 %"), (1.0, "100 %"), (0.0, "0 %")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0.086, 0.095, 0.106), "8.6 to 10.6 %"),
        ((0.09, 0.0999, 0.111), "9 to 11 %"),
        ((0.098, 0.12, 0.146), "9.8 to 15 %"),
        ((0.42, 0.45, 0.484), "42 to 48 %"),
        ((0.0, 0.0, 0.004), "0 to 0.4 %"),
    ],
)
def test_no_bound_is_rounded_coarser_than_its_estimate(bounds: tuple[float, float, float], text: str) -> None:
    assert percent_range(Interval(*bounds)) == text


def test_a_rule_of_thumb_is_not_said_beside_a_cause() -> None:
    assert "By rule of thumb" in SAY.headline(report())
    assert "By rule of thumb" not in SAY.headline(with_evidence()), "it would be a second, other advice"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "On the way into In progress, Awaiting approval and Completed there are too few"),
        ("de", "Auf dem Weg nach In Arbeit, Wartet auf Freigabe und Abgeschlossen sind es zu wenige"),
        ("es", "En el camino hacia En curso, Espera aprobación y Completada hay muy pocas"),
    ],
)
def test_several_stages_are_listed_as_people_do(language: str, said: str) -> None:
    assert said in wording_in(language).caution(replace(with_evidence(), unsure_steps=(1, 2, 3)))


def test_numbers_are_written_as_the_language_does() -> None:
    assert wording_in("de").percent(0.0049) == "0,5 %"
    assert wording_in("de").number(1234567) == "1.234.567"
    assert "die Odds eines Abbruchs 3,0-mal so hoch (2,0 bis 4,0)" in wording_in("de").why(CHANGE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_each_sentence_with_the_same_places(language: str) -> None:
    assert wording_in(language).texts.places() == SAY.texts.places()


def test_each_sentence_is_used() -> None:
    own = [file for file in files("server.funnel").iterdir() if file.name.endswith((".py", ".j2"))]
    code = "\n".join(file.read_text(encoding="utf-8") for file in [*own, files("server.cli") / "funnel_report.py"])
    built = ("stage_", "severity_", "category_", "effort_", "column_", "unit_", "unknown_", "trend_week", "trend_month")
    keys = [key for key in SAY.texts.places() if not key.startswith((*built, "and"))]
    assert [key for key in keys if not re.search(f"[\"']{key}[\"']", code)] == []


@pytest.mark.parametrize(("language", "title"), [("en", "Funnel report"), ("de", "Bericht zum Funnel")])
def test_the_report_is_in_the_language_that_was_asked_for(
    language: str, title: str, folders: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    run("report", "--html", str(file), "--language", language, *folders)
    written = file.read_text(encoding="utf-8")
    assert f'<html lang="{language}">' in written
    assert f">{title}</h1>" in written
    own = load_texts(language=language).of_step("AWAITING_APPROVAL")
    assert own.title in written
    assert own.title in run("report", "--language", language, *folders).stdout
