"""Groups and times on the page of the funnel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from server.access.caller import Scope
from server.console.charts import Span, line_chart
from server.languages.formats import Formats
from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.event_properties import TypedValue
from server.ledger.types import EventRow, SessionRow, SessionState
from tests.unit.console.harness import Harness
from tests.unit.ledger.makers import NOW

TO = " \N{EN DASH} "


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


def two_languages(cursor: Cursor) -> None:
    """In each of two weeks 20 sessions in English, of which 15 went on, and 20 in Hindi, of which 5 did."""
    for number in range(80):
        language, went_on = ("en", 15) if number % 2 else ("hi", 5)
        opened = NOW - timedelta(days=14 if number < 40 else 7)
        state = SessionState.IN_PROGRESS if number % 40 // 2 < went_on else SessionState.ABANDONED
        row = SessionRow(str(uuid4()), f"{language}-app", str(uuid4()), state, NOW, NOW, language=language)
        sessions.insert_or_get(cursor, replace(row, create_time=opened))
        begun = EventRow(str(uuid4()), row.id, row.client_id, "stage_entered", opened, stage=SessionState.STARTED)
        events.insert_event(cursor, begun)
        if state is SessionState.IN_PROGRESS:
            event = EventRow(str(uuid4()), row.id, row.client_id, "stage_entered", opened, stage=state)
            events.insert_event(cursor, event)


def section(page: str, title: str) -> str:
    """A part of a page, with usual spaces."""
    plain = unescape(page).replace("\N{NO-BREAK SPACE}", " ")
    [found] = re.findall(f"<section>\\s*<h2>{title}</h2>(.*?)</section>", plain, re.DOTALL)
    return str(found)


async def test_each_group_has_its_numbers_its_rate_and_lists_that_are_as_long(harness: Harness) -> None:
    await harness.ledger.write(two_languages)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/funnel?steps=STARTED,IN_PROGRESS&by=language")).text
        part = section(page, "Share that reached “In progress”, by group")
        assert f"en: 75.0 % (59.8{TO}85.8 %)" in part
        assert f"hi: 25.0 % (14.2{TO}40.2 %)" in part
        links = re.findall(r'<a href="(/funnel/sessions[^"]+)">(\d+)</a>', part)
        assert sorted(int(count) for _, count in links) == [10, 30, 40, 40]
        for address, count in links:
            listed = unescape((await browser.get(address)).text)
            assert len(re.findall('href="/sessions/', listed)) == int(count)
            assert re.search(r"<p>language: (en|hi)</p>", listed)
            assert 'href="/funnel?steps=STARTED%2CIN_PROGRESS&by=language"' in listed, "back to the same page"


def amounts(cursor: Cursor) -> None:
    """Forty sessions, each with another number."""
    for number in range(40):
        row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.ABANDONED, NOW, NOW)
        sessions.insert_or_get(cursor, row)
        given = {"amount": TypedValue(str(number), "")}
        event = EventRow(str(uuid4()), row.id, "app", "opened", NOW, device_time=NOW, event_time=NOW, properties=given)
        events.insert_event(cursor, event)


async def test_a_number_of_many_values_is_shown_in_ranges_in_the_language_of_the_page(harness: Harness) -> None:
    await harness.ledger.write(amounts)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/funnel?steps=opened,sent&by=property&key=amount&lang=de")).text
        assert re.findall(r"(\d+ bis \d+)</th>", page) == ["0 bis 9", "10 bis 19", "20 bis 29", "30 bis 39"]
        links = re.findall(r'<a href="(/funnel/sessions[^"]+)">10</a>', page)
        assert len(links) == 4
        listed = unescape((await browser.get(unescape(links[1]))).text)
        assert len(re.findall('href="/sessions/', listed)) == 10
        assert "10 bis 19" in listed


async def test_weeks_are_lines_and_rows_of_a_table(harness: Harness) -> None:
    await harness.ledger.write(two_languages)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/funnel?time=week&by=")).text
        part = section(page, "Drop-off rates over time")
        assert part.count("<figure>") == 3, "one for each step"
        weeks = re.findall(r'<th scope="row" class="short">([\d-]+)</th>', part)
        assert len(weeks) == 2
        assert f"{weeks[0]}: 50.0 %; {weeks[1]}: 50.0 %." in part
        listed = re.findall(r'<a href="(/funnel/sessions[^"]+)">40</a>', part)[0]
        assert f"Opened from {weeks[0]} on" in (await browser.get(listed)).text
        both = section(
            (await browser.get("/funnel?time=week&by=client")).text, "Share that reached “Completed”, by group and time"
        )
        assert both.count("<figure>") == 2
        assert "<figcaption>hi-app</figcaption>" in both


@pytest.mark.parametrize("steps", ["STARTED,IN_PROGRESS,", ", STARTED ,, IN_PROGRESS ,"])
async def test_a_comma_too_many_is_no_step(harness: Harness, steps: str) -> None:
    await harness.ledger.write(two_languages)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        found = await browser.get("/funnel", params={"steps": steps})
        assert found.status_code == 200
        assert found.text == (await browser.get("/funnel", params={"steps": "STARTED,IN_PROGRESS"})).text.replace(
            "steps=STARTED%2CIN_PROGRESS", urlencode({"steps": steps.strip()})
        ).replace('value="STARTED,IN_PROGRESS"', f'value="{steps.strip()}"').replace(
            ": STARTED,IN_PROGRESS", f": {steps.strip()}"
        )


async def test_times_of_the_steps_are_quantiles_in_a_table(harness: Harness) -> None:
    await harness.ledger.write(two_languages)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        funnel = unescape((await browser.get("/funnel")).text)
        assert '<a href="/funnel?times=yes#compare">' in funnel
        part = section((await browser.get("/funnel?times=yes")).text, "How long the steps take")
    [row] = re.findall(r'<th scope="row">From “Started” to “In progress”</th>(.*?)</tr>', part, re.DOTALL)
    assert re.findall(r">([^<>]+)</td>", row) == ["0 s"] * 4
    [never] = re.findall(r'<th scope="row">From “Started” to “Completed”</th>(.*?)</tr>', part, re.DOTALL)
    assert re.findall(r">([^<>]+)</td>", never) == []


async def test_what_an_address_cannot_have_is_refused(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        for wrong in ("by=colour", "by=property", "by=property&key=A+b", "time=year", "by=property&key=a&touch=best"):
            assert (await browser.get(f"/funnel?{wrong}")).status_code == 400, wrong
        for wrong in ("group=value&value=en", "period=2026-03-02"):
            address = f"/funnel/sessions?step=1&number=reached&{wrong}"
            assert (await browser.get(address)).status_code == 400, "without a breakdown there is no group"


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    shares = [Span("", 0.2, 0.1, 0.3), None, Span("", 0.4, 0.3, 0.5), Span("", 0.5, 0.4, 0.5)]
    chart = line_chart("Left", ["1", "2", "3", "4"], shares, Formats("en"), 0.5)
    assert [point.x for point in chart.points] == [12.5, 62.5, 87.5]
    assert chart.points[-1].y == 12.0
    assert len(chart.pieces) == 1
    assert "2:" not in chart.text


async def test_a_name_that_nothing_has_is_told_in_the_language_of_the_page(harness: Harness) -> None:
    await harness.ledger.write(two_languages)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/funnel?steps=STARTED,upload_refusd")).text)
        assert "Event upload_refusd: no session has it. Did you mean upload_refused?" in page
        assert "Started" in page, "the other steps are there"
        page = unescape((await browser.get("/funnel?client=hi-ap&lang=de")).text)
        assert "Client hi-ap: keine Sitzung hat ihn. Meinten Sie hi-app?" in page
        listed = "/funnel/sessions?by=language&step=1&number=reached&group=value&value=en-US&lang=en"
        assert "Group en-US: the report has none of this value." in unescape((await browser.get(listed)).text)
        assert "Did you mean" not in (await browser.get("/funnel?lang=en")).text
