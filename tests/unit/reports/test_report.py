"""The report of two simulated weeks: what it says, in every form."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from models.errors import InternalError
from server.cli.time_types import Moment, as_utc
from server.funnel.recommendations import Evidence, Recommendation
from server.funnel.texts import load_texts
from server.funnel.types import Interval, SessionTable
from server.languages.texts import LANGUAGES, texts_of_package
from server.ledger.columns import Cursor, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.reports import weekly
from server.reports.changes import compare
from server.reports.message import ReportMessage, mail
from server.reports.news import CauseChange, Sureness
from server.reports.week import Week
from server.reports.weekly import WeeklyReport
from server.reports.wording import Wording
from tests.unit.ledger.makers import new_id
from tests.unit.ledger.migrated import open_ledger
from tests.unit.reports.two_weeks import BERLIN, MONDAY, NETWORKS, WEEK, Drawn, SimulatedWeek, breaker, maker

OLD = {"network": NETWORKS, "version": {"2.0": 1.0}}
NEW = {"network": NETWORKS, "version": {"2.0": 0.6, "2.1": 0.4}}
ENGLISH = texts_of_package("server.reports", "en")
MOST_BYTES = 100_000
"""Gmail cuts a mail of more than 102 kB off."""


def _worse(drawn: Drawn) -> float:
    return 0.3 if drawn["version"] == "2.1" else 0.0


def store(cursor: Cursor) -> None:
    SimulatedWeek(WEEK.before, 1500, mix=OLD).store(cursor)
    SimulatedWeek(WEEK, 1500, mix=NEW, more={2: _worse}).store(cursor)
    begin, _ = (moment.replace(tzinfo=None) for moment in WEEK.bounds(BERLIN))
    breaker(cursor, "vision_worker", begin - timedelta(hours=1), timedelta(hours=3))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path_factory.mktemp("weeks") / "ledger.duckdb")
    opened.write_now(store)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def report(filled: EmbeddedLedger) -> WeeklyReport:
    return asyncio.run(maker(filled).make(WEEK))


@pytest.fixture(scope="module")
def message(report: WeeklyReport) -> ReportMessage:
    return ReportMessage.of(report)


def flat(text: str) -> str:
    return " ".join(text.split())


def test_it_says_what_changed_and_why_that_may_be(message: ReportMessage) -> None:
    assert re.fullmatch(r"Vestibule 2026-W10: \d\d % completed, down \d+\.\d points", message.subject)
    text = flat(message.text)
    assert "2026-03-02 to 2026-03-08 (Europe/Berlin)" in text
    assert "Changed by more than chance: Completed, Left before Awaiting approval." in text
    assert re.search(r"App versions: 2\.0 \(\d\d %\), 2\.1 \(\d\d %\)\.", text)
    assert "New: sessions where version = 2.1: +1" in text
    assert "0 % in the week before" in text
    assert "1,500 sessions were opened, 1,500 in the week before." in text
    assert "correlation" in text
    command = "vestibule funnel report --from 2026-03-01T23:00Z --to 2026-03-08T23:00Z"
    assert command in message.text.splitlines()[-1]
    assert command in message.html
    assert max(map(len, message.text.splitlines())) <= 80


def _by_rule(step: int) -> Recommendation:
    none = Interval(0.0, 0.0, 0.0)
    return Recommendation(step, "ux", "low", "Ask for less", "Ask for less.", none, none)


def test_others_are_those_of_which_it_is_known(report: WeeklyReport) -> None:
    [found] = report.explanations.found
    partly = replace(report, explanations=replace(report.explanations, found=(replace(found, partly=True),)))
    said = [" ".join(line.detail for line in Wording(each).reasons()) for each in (report, partly)]
    assert [("of the others of which it is known" in text) for text in said] == [False, True]
    assert "of the others" in said[0]


@pytest.mark.parametrize("step", [1, 2, 3])
def test_no_rule_of_thumb_says_that_nothing_explains_what_the_weeks_explain(step: int, report: WeeklyReport) -> None:
    """Version 2.1 is named for step 2."""
    changed = replace(report, report=replace(report.report, recommendations=(_by_rule(step),)))
    made = ReportMessage.of(changed)
    said = ["nothing in the data explains" in flat(form) for form in (made.text, made.html)]
    assert said == [step != 2] * 2
    assert ("What to change first" in made.html) is (step != 2)
    assert len(made.document["report"]["recommendations"]) == (step != 2)


@pytest.mark.parametrize(("sureness", "left_out"), [("unsure", True), ("absent", False), ("clear", False)])
def test_a_rule_of_thumb_gives_way_to_a_cause_that_may_still_be_there(
    sureness: Sureness, left_out: bool, report: WeeklyReport
) -> None:
    none = Interval(0.0, 0.0, 0.0)
    change = CauseChange(1, Evidence("slow", 20, 10, 80, 0.5, 0.1, none, ("slow",)), named_now=False, sureness=sureness)
    changed = replace(report, report=replace(report.report, recommendations=(_by_rule(1),)), causes=(change,))
    assert (changed.recommendations == ()) is left_out


def test_a_rule_of_thumb_stays_where_what_is_named_made_it_better(report: WeeklyReport) -> None:
    [found] = report.explanations.found
    better = replace(found, effect=Interval(-0.1, -0.05, -0.01))
    changed = replace(report, report=replace(report.report, recommendations=(_by_rule(found.step),)))
    assert replace(changed, explanations=replace(report.explanations, found=(better,))).recommendations


@pytest.mark.parametrize(
    ("week", "zone", "start", "end"),
    [
        (WEEK, "UTC", "2026-03-02T00:00Z", "2026-03-09T00:00Z"),
        (Week(2026, 13), "Europe/Berlin", "2026-03-22T23:00Z", "2026-03-29T22:00Z"),  # summer time begins
        (Week(2026, 43), "Europe/Berlin", "2026-10-18T22:00Z", "2026-10-25T23:00Z"),  # and ends
        (Week(2026, 10), "America/Los_Angeles", "2026-03-02T08:00Z", "2026-03-09T07:00Z"),
        (Week(2026, 48), "Asia/Kathmandu", "2026-11-22T18:15Z", "2026-11-29T18:15Z"),
    ],
)
def test_the_command_counts_the_sessions_of_the_week(
    report: WeeklyReport, week: Week, zone: str, start: str, end: str
) -> None:
    command = Wording(replace(report, week=week, zone=zone)).command()
    assert command == f"vestibule funnel report --from {start} --to {end}"
    read = [as_utc(Moment().convert(given, None, None)) for given in (start, end)]
    assert read == list(week.bounds(ZoneInfo(zone)))


@pytest.mark.parametrize(
    ("language", "one", "two"),
    [
        ("en", "1 session was opened", "2 sessions were opened"),
        ("de", "1 Sitzung begann", "2 Sitzungen begannen"),
        ("es", "Se abrió 1 sesión", "Se abrieron 2 sesiones"),
    ],
)
def test_words_follow_the_number_of_sessions(language: str, one: str, two: str, report: WeeklyReport) -> None:
    told = [
        replace(report, report=replace(report.report, sessions=number), texts=load_texts(language=language))
        for number in (1, 2)
    ]
    assert [flat(ReportMessage.of(each).text).count(said) for each, said in zip(told, (one, two), strict=True)] == [
        1,
        1,
    ]


def test_a_breaker_is_told_with_its_time_in_each_week(message: ReportMessage) -> None:
    assert re.search(r"Breaker vision_worker open +1 time, 2 h +1 time, 1 h", message.text)
    assert message.document["incidents"][0] == {
        "kind": "breaker",
        "subject": "vision_worker",
        "number": 1,
        "seconds": 7200.0,
    }


def test_the_document_has_the_numbers(message: ReportMessage) -> None:
    found = json.loads(json.dumps(message.document))
    assert (found["week"], found["sessions"], found["sessions_before"]) == ("2026-W10", 1500, 1500)
    change = next(each for each in found["changes"] if each["to_stage"] == "AWAITING_APPROVAL")
    assert change["clear"]
    assert change["difference"]["low"] < 0.4 * 0.3 < change["difference"]["high"]
    assert change["now"]["value"] - change["before"]["value"] == pytest.approx(change["difference"]["value"], abs=1e-5)


async def test_it_names_no_session(message: ReportMessage, filled: EmbeddedLedger) -> None:
    ids = await filled.read(lambda cursor: [row["id"] for row in fetch_all(cursor, "SELECT id FROM sessions")])
    said = message.html + message.text + json.dumps(message.document) + message.subject
    assert len(ids) == 3000
    assert not [each for each in ids if each in said]


class _Seen(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: dict[str, list[dict[str, str]]] = {}
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.setdefault(tag, []).append({name: value or "" for name, value in attrs})

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_the_page_needs_nothing_that_mail_clients_remove(message: ReportMessage) -> None:
    """Outlook lays out by tables and knows neither flex nor grid; Gmail may drop a style sheet."""
    seen = _Seen(message.html)
    assert not seen.tags.keys() & {"script", "link", "img", "svg", "iframe", "form", "a", "button"}
    assert not re.search(r"flex|grid|position:|float:|url\(|@import|var\(", message.html)
    for tag in ("td", "th", "h1", "h2", "p", "b", "span"):
        plain = [each for each in seen.tags[tag] if "style" not in each and tag not in {"b", "span"}]
        assert not plain, tag
    for cell in (*seen.tags["td"], *seen.tags["th"]):
        assert "font-family" in cell["style"] or cell["style"] == "padding:0"
    for part in seen.tags["table"]:
        assert part["cellpadding"] == "0"
        assert part.get("role") == "presentation" or "bgcolor" not in part
    assert all(each["scope"] == "col" for each in seen.tags["th"])
    assert len(message.html.encode()) < MOST_BYTES


def test_the_page_is_complete_without_its_style_sheet(message: ReportMessage) -> None:
    """The style sheet is for dark screens alone."""
    [sheet] = re.findall(r"<style>(.*?)</style>", message.html, re.DOTALL)
    assert re.fullmatch(r"\s*@media \(prefers-color-scheme: dark\) \{.*\}\s*", sheet, re.DOTALL)
    marked = [each for tag in _Seen(message.html).tags.values() for each in tag if "class" in each]
    assert len(marked) > 20
    assert not [each for each in marked if not each.get("style")]


def test_a_test_is_marked_everywhere(report: WeeklyReport) -> None:
    test = ReportMessage.of(report, test=True)
    assert test.subject.startswith("[Test] Vestibule 2026-W10")
    assert test.text.startswith("THIS IS A TEST.")
    assert "<b>This is a test.</b>" in test.html
    assert "This is a test" not in ReportMessage.of(report).html


def test_the_mail_has_both_forms_and_the_headers_that_filters_read(message: ReportMessage) -> None:
    report_id = new_id()
    made = mail(message, report_id, "vestibule@example.org", "one@example.org, two@example.net", MONDAY)
    found = email.message_from_bytes(made.as_bytes(policy=email.policy.SMTP), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    assert found.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    html = found.get_body(("html",))
    assert html is not None
    assert flat(html.get_content()) == flat(message.html)
    assert {name: found[name] for name in ("From", "To", "Subject", "Date", "Message-ID", "List-Id")} == {
        "From": "Vestibule <vestibule@example.org>",
        "To": "one@example.org, two@example.net",
        "Subject": message.subject,
        "Date": "Mon, 09 Mar 2026 07:00:00 +0000",
        "Message-ID": f"<{report_id}@example.org>",
        "List-Id": "Vestibule weekly report <vestibule-weekly-report.example.org>",
    }
    assert found["Auto-Submitted"] == "auto-generated"
    assert max(map(len, made.as_bytes(policy=email.policy.SMTP).split(b"\r\n"))) < 998
    assert len(made.as_bytes()) < 1.3 * MOST_BYTES


async def test_a_breaker_that_people_met_may_be_why(tmp_path: Path) -> None:
    opened = open_ledger(tmp_path / "ledger.duckdb")
    begin = WEEK.bounds(BERLIN)[0].replace(tzinfo=None) + timedelta(days=2)
    end = begin + timedelta(hours=30)

    def outage(cursor: Cursor) -> None:
        SimulatedWeek(WEEK.before, 1500).store(cursor)
        more = {1: lambda drawn: 0.4 if begin < drawn["at"] < end else 0.0}
        SimulatedWeek(WEEK, 1500, more=more).store(cursor)
        breaker(cursor, "speech_worker", begin, end - begin)

    opened.write_now(outage)
    found = await maker(opened).make(WEEK)
    opened.close()
    first = Wording(found).reasons()[0]
    assert first.head == "New: sessions where a breaker was open"
    assert first.worse
    assert "0 % in the week before" in first.detail


def test_a_week_whose_decisions_are_open_is_too_early_to_compare(report: WeeklyReport) -> None:
    *steps, last = report.report.drop_offs
    open_decisions = replace(last, count=replace(last.count, went_on=last.count.went_on // 2))
    now = replace(report.report, drop_offs=(*steps, open_decisions))
    early = ReportMessage.of(replace(report, report=now, changes=compare(now, report.before)))
    assert re.search(
        r"Too early to compare what is left before Completed \(4\d % of the sessions wait\), more than in the week "
        r"before, and what is completed\.",
        flat(early.text),
    )
    assert "Left before Completed" not in early.text
    assert re.fullmatch(r"Vestibule 2026-W10: \d\d % completed", early.subject)


async def test_weeks_without_sessions_are_said(tmp_path: Path) -> None:
    opened = open_ledger(tmp_path / "ledger.duckdb")
    empty = ReportMessage.of(await maker(opened).make(WEEK))
    opened.write_now(lambda cursor: SimulatedWeek(WEEK, 12).store(cursor))
    few = ReportMessage.of(await maker(opened).make(WEEK))
    opened.close()
    assert empty.subject == "Vestibule 2026-W10: no sessions"
    assert "No sessions were opened" in empty.text
    assert few.subject == "Vestibule 2026-W10: 12 sessions, too little data for a rate"
    assert "too little data in one of the two weeks" in flat(few.text)


async def test_a_defect_of_the_statistics_has_a_reason(filled: EmbeddedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_tables: SessionTable | None, leave_out: set[int]) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(weekly, "explain", broken)
    with pytest.raises(InternalError) as failed:
        await maker(filled).make(WEEK)
    assert failed.value.reason == "REPORT_NOT_MADE"


@pytest.mark.parametrize(
    ("language", "said"),
    [
        (
            "de",
            (
                "Wochenbericht zum Funnel 2026-W10",
                "Mehr, als der Zufall erklärt, änderte sich: Abgeschlossen, Abbruch vor: Wartet auf Freigabe.",
                "Neu: Sitzungen, für die gilt: version = 2.1",
                "1.500 Sitzungen begannen, 1.500 in der Woche davor.",
                "Breaker vision_worker offen",
                "1-mal, 2 h",
            ),
        ),
        (
            "es",
            (
                "Informe semanal del embudo 2026-W10",
                "Cambió más de lo que explica el azar: Completadas, Abandono antes de: Espera aprobación.",
                "Nuevo: sesiones en que version = 2.1",
                "Se abrieron 1500 sesiones",
                "Cortacircuitos vision_worker abierto",
                "1 vez, 2 h",
            ),
        ),
    ],
)
def test_it_is_in_the_language_of_its_setting(language: str, said: tuple[str, ...], filled: EmbeddedLedger) -> None:
    found = ReportMessage.of(asyncio.run(maker(filled, language=language).make(WEEK)))
    text = flat(found.text)
    assert [part for part in said if part not in text] == []
    assert f'<html lang="{language}">' in found.html
    english = (" the ", " of ", "week", "sessions", "Left", "left", "Change", "Before", "before")
    words = re.sub(r"<[^>]+>|vestibule funnel report.*", " ", found.html.partition("</style>")[2]) + text
    words = re.sub(r"vestibule (funnel|sessions|dlq)[^.]*", " ", words)
    assert [word for word in english if word in words] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_each_sentence_with_the_same_places(language: str) -> None:
    assert texts_of_package("server.reports", language).places() == ENGLISH.places()


def test_each_sentence_is_used() -> None:
    own = [file for file in files("server.reports").iterdir() if file.name.endswith((".py", ".j2"))]
    code = "\n".join(file.read_text(encoding="utf-8") for file in own)
    built = ("incident_", "sure_", "cause_", "mix_", "rate_", "value_", "and")
    keys = [key for key in ENGLISH.places() if not key.startswith(built)]
    assert [key for key in keys if not re.search(f"[\"']{key}[\"']", code)] == []
