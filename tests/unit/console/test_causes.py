"""What the page of causes says, and how analyses are kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from vestibule.v1.funnel_pb2 import (
    FunnelAnalysis,
    FunnelEvidence,
    FunnelFeatureCondition,
    FunnelFeatureRange,
    GetReportRequest,
    GetReportResponse,
)

from server.access.caller import Scope
from server.console.analyses import KEPT_S, MOST_UNFINISHED, Analyses
from server.console.cause_address import conditions_of, sessions_address
from server.console.causes_page import headline
from server.console.charts import Span, interval_chart, round_top
from server.console.filters import Filter
from server.console.texts import texts_in
from server.funnel import feature_table
from server.languages.formats import Formats
from tests.unit.console.harness import Harness
from tests.unit.console.test_pages import fill
from tests.unit.funnel.quarter import Quarter
from tests.unit.funnel.shop import Shop
from tests.unit.funnel.stored import fill as stored_fill

PATIENT_S = 120.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path, analyses=Analyses(patience_s=PATIENT_S))
    yield made
    made.close()


async def test_a_planted_cause_comes_first_with_its_gain_its_evidence_and_a_caution(harness: Harness) -> None:
    planted = Quarter(sessions=1500, causes={1: lambda drawn: 3.0 * (drawn["network"] == "3g")})
    await harness.ledger.write(planted.store)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/causes")).text)
        [said] = [line for line in page.splitlines() if 'class="headline"' in line]
        assert "network = 3g" in said
        assert "more completions (" in said
        assert "Affected are the sessions where network = 3g." in page
        assert "the odds of leaving are" in page
        assert "Correlation, not proof" in page
        assert "<svg" in page
        assert "Could complete then" in page
        german = unescape((await browser.get("/causes?lang=de")).text)
        assert "Als Erstes ändern:" in german
        assert "Zusammenhang, kein Beweis" in german
        assert "Sitzungen ansehen, wo gilt: network = 3g" in german, "the title of the advice is German too"
        assert "sessions where" not in german
        funnel = unescape((await browser.get("/funnel?lang=en")).text)
        assert "What to change first: " in funnel
        assert 'href="/causes"' in funnel


async def test_causes_between_steps_of_ones_own_are_at_the_same_address_as_their_funnel(harness: Harness) -> None:
    planted = Shop(sessions=1000, causes={1: lambda drawn: 2.0 * (drawn["network"] == "3g")})
    await harness.ledger.write(planted.store)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        funnel = unescape((await browser.get("/funnel?steps=cart,pay,done&window=1d&by=client")).text)
        address = "/causes?steps=cart%2Cpay%2Cdone&window=1d"
        assert f'href="{address}"' in funnel
        page = unescape((await browser.get(address)).text)
        assert "network = 3g" in page
        assert "Who left before pay" in page
        assert 'name="by"' not in page, "groups are not analyzed apart"
        assert (
            'href="/causes'
            not in unescape((await browser.get("/funnel?steps=cart,pay&order=any")).text).split("<main", 1)[-1]
        )
        assert (await browser.get("/causes?steps=cart,pay&order=any")).status_code == 400
        none = unescape((await browser.get("/causes?steps=cart,pay&window=0h")).text)
        assert "at most 3660d" in none, "in no time nobody makes a step"


async def test_the_numbers_of_a_cause_lead_to_lists_that_are_as_long(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = Shop(1500, causes={1: lambda drawn: 2.5 * (drawn["battery"] < 50)})
    await harness.ledger.write(planted.store)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        causes = unescape((await browser.get("/causes?steps=cart,pay,done&window=1d")).text)
        numbers = re.findall(r'<a href="(/funnel/sessions\?[^"]+)">([\d,]+)</a>', causes)
        assert [parse_qs(urlsplit(address).query)["number"] for address, _ in numbers] == [["affected"], ["left"]]
        for first, count in numbers:
            found: list[str] = []
            address = first
            while address:
                page = unescape((await browser.get(address)).text)
                found += re.findall(r'href="/sessions/(1-\d+)"', page)
                [address] = re.findall(r'<a href="([^"]+)">Next page</a>', page) or [""]
            assert len(found) == len(set(found)) == int(count) > 50
        address = numbers[1][0]
        page = unescape((await browser.get(address)).text)
        assert "Affected sessions that left before “pay”" in page
        assert re.search("Affected are the sessions where battery <= [0-9]+.", page)
        assert '<a href="/causes?steps=cart%2Cpay%2Cdone&window=1d">Back to the causes</a>' in page
        german = unescape((await browser.get(f"{address}&lang=de")).text)
        assert re.search("Betroffen sind die Sitzungen, für die gilt: battery <= [0-9]+.", german)
        assert "sample" not in page
        monkeypatch.setattr(feature_table, "MOST_SESSIONS", 1000)
        other = address.replace("window=1d", "window=2d")  # what was read for the request before is kept for a minute
        sample = unescape((await browser.get(f"{other}&lang=en")).text)
        assert re.search("in a sample of [0-9,]+ of the 1,500 sessions, and this list is of that sample", sample)


def test_the_conditions_of_a_pair_are_in_the_address() -> None:
    network = FunnelFeatureCondition(feature="app.network", text='a&b="c"')
    seconds = FunnelFeatureCondition(feature="hour", range=FunnelFeatureRange(above=0.1 + 0.2, at_most=7))
    evidence = FunnelEvidence(position=3, conditions=[network, seconds])
    address = urlsplit(sessions_address(Filter({"client": "x"}), evidence, "left"))
    asked = parse_qs(address.query)
    assert (asked["client"], asked["step"], asked["number"]) == (["x"], ["3"], ["left"])
    assert conditions_of(asked["condition"]) == [network, seconds]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("x", "The address names no condition of a cause"),
        ('{"feature": "app.network", "text": "3g", "hint": 1}', "The address names no condition of a cause"),
        ('{"feature": "app.network"}', ""),
        ('{"feature": "app.gone", "flag": true}', "the analysis has no such cause any more"),
        ('{"feature": "hour", "text": "noon"}', "the analysis has no such cause any more"),
    ],
)
async def test_an_address_that_names_no_cause_is_refused(harness: Harness, condition: str, told: str) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        reply = await browser.get("/funnel/sessions", params={"step": 2, "number": "affected", "condition": condition})
        assert (reply.status_code, told in unescape(reply.text)) == (400, True)


async def test_a_step_that_no_session_has_is_named_and_gets_no_advice(harness: Harness) -> None:
    await harness.ledger.write(Shop(300).store)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/causes?steps=cart,pai")).text)
        assert "Event pai: no session has it. Did you mean pay?" in page
        assert 'class="change"' not in page
        assert 'class="headline"' not in page, "that nothing is to be changed would not be true"
        funnel = unescape((await browser.get("/funnel?steps=cart,pai")).text)
        assert "Event pai: no session has it." in funnel
        assert "The largest share drops out before" not in funnel


async def test_a_step_that_nobody_makes_is_first_and_the_others_promise_nothing(harness: Harness) -> None:
    await harness.ledger.write(lambda cursor: stored_fill(cursor, 130, 220, 0, 0))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/causes")).text)
        first, second = re.findall(r'<p class="gain">([^<]*)</p>', page)
        assert first == "up to 154 more completions; nobody completes today"
        assert second.startswith("By itself it brings no completion")
        assert "Improvement" not in page


async def test_too_little_data_and_no_data_are_said(harness: Harness) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/causes")).text)
        assert "There is too little data to say what to change." in page
        assert "no sessions in this time" in (await browser.get("/causes?client=nobody")).text
        assert (await browser.get("/causes?from=tomorrow")).status_code == 400
    async with harness.browser(await harness.key(Scope.ANALYST, client_id="other")) as browser:
        assert "no sessions in this time" in (await browser.get("/causes")).text, "not what another caller may see"


async def test_a_page_says_that_the_analysis_comes_and_asks_again(tmp_path: Path) -> None:
    hasty = Harness(tmp_path, analyses=Analyses(patience_s=0.0))
    await hasty.ledger.write(fill)
    async with hasty.browser(await hasty.key(Scope.ANALYST)) as browser:
        for path in ("/funnel", "/causes"):
            page = (await browser.get(path)).text
            assert "The analysis takes some seconds." in page
            assert f'hx-get="{path}" hx-trigger="load delay:2s"' in page
            assert f'<a href="{path}">Look again</a>' in page, "without a script"
    hasty.close()


async def test_the_same_analysis_is_made_once_a_minute_and_a_failed_one_is_not_kept(tmp_path: Path) -> None:
    now = [0.0]
    harness = Harness(tmp_path, analyses=Analyses(lambda: now[0], PATIENT_S))
    await harness.ledger.write(fill)

    def made() -> int:
        return [decision.method for decision in harness.decisions].count("vestibule.v1.FunnelService/GetReport")

    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        for _ in range(3):
            await browser.get("/causes")
        assert made() == 1
        await browser.get("/causes?client=app")
        assert made() == 2
        now[0] += KEPT_S + 1
        await browser.get("/causes")
        assert made() == 3
    async with harness.browser(await harness.key(Scope.APP, client_id="app")) as stranger:
        assert [(await stranger.get("/causes")).status_code for _ in range(2)] == [403, 403]
    harness.close()


async def others_done() -> None:
    """Wait for all tasks but this one."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    _, unfinished = await asyncio.wait(tasks, timeout=60)
    assert not unfinished


async def test_a_caller_has_few_analyses_under_way_and_others_are_not_kept_waiting(tmp_path: Path) -> None:
    hasty = Harness(tmp_path, analyses=Analyses(patience_s=0.0))
    await hasty.ledger.write(fill)

    def made() -> int:
        return [decision.method for decision in hasty.decisions].count("vestibule.v1.FunnelService/GetReport")

    held = asyncio.Event()
    analysis = hasty.funnel.GetReport

    async def slow(request: GetReportRequest, context: object) -> GetReportResponse:
        await held.wait()
        return await analysis(request, context)

    hasty.funnel.GetReport = slow  # type: ignore[method-assign]
    async with (
        hasty.browser(await hasty.key(Scope.ANALYST)) as one,
        hasty.browser(await hasty.key(Scope.ANALYST)) as two,
    ):
        for number in range(9):
            page = (await one.get(f"/causes?client=c{number}")).text
            assert "The analysis takes some seconds." in page
        assert made() == MOST_UNFINISHED
        await two.get("/causes")
        assert made() == MOST_UNFINISHED + 1
        held.set()
        await others_done()
        assert "The analysis takes some seconds." in (await one.get("/causes?client=c8")).text, "it begins now"
        await others_done()
        assert "no sessions in this time" in (await one.get("/causes?client=c8")).text
    hasty.close()


def test_a_report_without_a_recommendation_says_why() -> None:
    texts, formats = texts_in("en"), Formats("en")
    assert "nothing to change first" in headline(FunnelAnalysis(session_count=9), texts, formats)
    thin = FunnelAnalysis(session_count=9, unsure_stages=["COMPLETED"])
    assert "too little data" in headline(thin, texts, formats)


def test_a_chart_has_its_marks_on_a_round_axis_and_says_the_same_in_words() -> None:
    spans = [Span("Affected", 0.42, 0.37, 0.46), Span("Others", 0.17, 0.16, 0.18, "square")]
    chart = interval_chart("Who left", spans, Formats("en"))
    assert [(row.low, row.mid, row.high) for row in chart.rows] == [(74.0, 84.0, 92.0), (32.0, 34.0, 36.0)]
    assert [row.shape for row in chart.rows] == ["dot", "square"]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for _, text in chart.ticks] == ["0 %", "25 %", "50 %"]
    assert chart.text.startswith("Who left. Affected: 42.0")
    assert (round_top([]), round_top([0.03]), round_top([0.3]), round_top([float("inf")])) == (1.0, 0.1, 0.3, 1.0)


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("12,345", "2.4", "45.1 %", "+3.0 %")),
        ("de", ("12.345", "2,4", "45,1 %", "+3,0 %")),
        ("es", ("12 345", "2,4", "45,1 %", "+3,0 %")),
    ],
)
def test_numbers_are_written_as_a_language_expects(language: str, texts: tuple[str, ...]) -> None:
    formats = Formats(language)
    assert formats.decimal(12_345.6) == formats.count(12_345.6), "a fraction says nothing there"
    written = (formats.count(12_345), formats.decimal(2.4), formats.percent(0.451), formats.rise(0.03))
    assert Formats("es").count(1234) == "1234"
    assert tuple(" ".join(text.split()) for text in written) == texts
