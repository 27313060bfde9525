"""What the pages show, to whom, and what they do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from html import unescape
from pathlib import Path
from uuid import uuid4

import pytest
from vestibule.v1 import admin_pb2

from models.errors import Unavailable
from server.access.caller import Scope
from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, SessionRow, SessionState
from tests.unit.console.harness import NAME, Harness, letter
from tests.unit.ledger.makers import NOW


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


def fill(cursor: Cursor, dropped: int = 20) -> None:
    """100 sessions: some were abandoned before IN_PROGRESS, the others reached it."""
    for number in range(100):
        state = SessionState.IN_PROGRESS if number < 100 - dropped else SessionState.ABANDONED
        row = SessionRow(str(uuid4()), "app", str(uuid4()), state, NOW, NOW, language="en")
        sessions.insert_or_get(cursor, replace(row, create_time=NOW - timedelta(days=number % 2)))
        reached = (SessionState.STARTED, *([SessionState.IN_PROGRESS] if number < 100 - dropped else []))
        for stage in reached:
            events.insert_event(cursor, EventRow(str(uuid4()), row.id, "app", "stage_entered", NOW, stage=stage))


async def test_the_funnel_shows_the_numbers_of_the_ledger_and_says_where_most_drop_out(harness: Harness) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/funnel")).text)
        said = "The largest share drops out before In progress: 20 of 100 (20.0\N{NO-BREAK SPACE}%)."
        assert f'<p class="headline">{said} <span class="severity normal">Severity: normal.</span></p>' in page
        assert '<a href="/funnel/sessions?step=2&number=reached">80</a>' in page
        assert "13.3\N{NO-BREAK SPACE}\N{EN DASH} 28.9\N{NO-BREAK SPACE}%" in page, "the interval, once it is known"
        assert "In progress: 80 sessions" in page
        day = f"{NOW:%Y-%m-%d}"
        of_today = unescape((await browser.get(f"/funnel?from={day}")).text)
        assert "of 50 (" in of_today
        assert f'value="{day}"' in of_today
        for wrong in ("tomorrow", "0001-01-01T00:00:00%2B23:59", "9999-12-31T23:00:00-23:00"):
            assert (await browser.get(f"/funnel?from={wrong}")).status_code == 400
        assert (await browser.get("/funnel?from=2026-02-02&to=2026-02-01")).status_code == 400
        assert "Client nobody: no session has it." in (await browser.get("/funnel?client=nobody")).text


async def test_a_phone_shows_the_rate_first_and_breaks_long_names(harness: Harness) -> None:
    await harness.ledger.write(fill)
    steps = "STARTED,IN_PROGRESS"
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get(f"/funnel?steps={steps}&by=client&time=week")).text
        by_week = (await browser.get(f"/funnel?steps={steps}&time=week")).text
        by_client = (await browser.get(f"/funnel?steps={steps}&by=client")).text
    assert "(Steps: STARTED, IN_<wbr>PROGRESS; " in page, "a line can break at each space"
    for found in (by_week, by_client):
        heads = [re.findall(r'<th scope="col"[^>]*>(.*?)</th>', table) for table in found.split("<table>")[1:]]
        assert [each[1] for each in heads] == ["Drop-off rate", "Reached the last step, 95 % interval"]


@pytest.mark.parametrize(("dropped", "severity"), [(40, "high"), (60, "critical")])
async def test_bad_news_has_the_colour_of_its_severity_and_says_it(
    harness: Harness, dropped: int, severity: str
) -> None:
    await harness.ledger.write(partial(fill, dropped=dropped))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/funnel")).text
    assert f'<p class="headline {severity}">The largest share drops out before In progress' in page
    assert f'<span class="severity {severity}">Severity: {severity}, from ' in page


async def test_an_analyst_of_one_client_sees_its_sessions_only(harness: Harness) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST, client_id="other")) as browser:
        assert "no sessions" in (await browser.get("/funnel")).text


async def test_a_page_in_german_has_german_words_and_numbers(harness: Harness) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST), **{"accept-language": "de-CH,en;q=0.5"}) as browser:
        page = await browser.get("/funnel")
        assert page.headers["content-language"] == "de"
        assert "vor „In Arbeit“ ab: 20 von 100 (20,0\N{NO-BREAK SPACE}%)" in unescape(page.text)
        spanish = await browser.get("/funnel?lang=es")
        assert '<html lang="es">' in spanish.text
        assert '<html lang="es">' in (await browser.get("/funnel")).text, "the choice is remembered"


async def test_the_menu_has_what_the_scopes_open_and_nothing_else_answers(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        start = await browser.get("/")
        assert start.headers["location"] == "/funnel"
        page = (await browser.get("/funnel")).text
        assert 'href="/funnel"' in page
        assert 'href="/health"' not in page
        refused = await browser.get("/health")
        assert refused.status_code == 403
        assert "SCOPE_MISSING" in refused.text
    assert [d.denied for d in harness.decisions if d.denied] == ["SCOPE_MISSING"]
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        assert 'href="/letters"' in (await browser.get("/health")).text


async def test_health_says_first_what_does_not_work(harness: Harness) -> None:
    harness.admin.components = [
        admin_pb2.Component(name="ledger", healthy=True, detail="fine"),
        admin_pb2.Component(name="speech", healthy=False, detail="no replica"),
    ]
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        page = (await browser.get("/health")).text
    assert "1 of 2 parts do not work." in page
    assert '<a id="dashboard" href="http://127.0.0.1:8265" rel="noreferrer">' in page, "Ray's dashboard"
    assert page.index("speech") < page.index(">ledger<")
    assert "half open" not in page
    assert "1 min 30 s" in page


async def test_a_dead_letter_is_looked_at_redriven_and_discarded_as_whoever_is_logged_in(harness: Harness) -> None:
    one = letter()
    harness.admin.letters = [one, letter(open=False, closed_as="retried", kind="reply")]
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser(key) as browser:
        page = (await browser.get("/letters")).text
        assert f'href="/letters/{one.id}"' in page
        assert "Answer a person" not in page
        assert "page=a%20b%26c" in page
        assert "Answer a person" in (await browser.get("/letters?closed=yes")).text
        details = (await browser.get(f"/letters/{one.id}")).text
        assert NAME not in details
        assert NAME in unescape(details)
        retried = await browser.post(f"/letters/{one.id}/retry")
        assert retried.headers["location"] == "/letters?done=retried"
        said = (await browser.get("/letters?done=retried&closed=yes")).text
        assert "The job is done again." in said
        assert 'hx-get="/letters?closed=yes"' in said, "it is said once"
        assert "done" not in said.partition("sse-connect=")[2].partition(" ")[0]
        await browser.post(f"/letters/{one.id}/discard", data={"reason": "duplicate"})
        subject = f"key:{harness.last_key_id}"
        assert harness.admin.done == [("retry", one.id, subject), ("discard", "duplicate", subject)]
        assert (await browser.post(f"/letters/{one.id}/discard", data={"reason": "Because!"})).status_code == 400
        assert (await browser.get(f"/letters/{uuid4()}")).status_code == 404
        assert (await browser.get("/letters/no-uuid")).status_code == 400
    assert len(harness.admin.done) == 2


async def test_faults_have_a_page_with_reason_and_hint_and_without_a_trace(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        harness.admin.failure = Unavailable("The ledger takes no reads.", hint="Try again.")
        unavailable = await browser.get("/health")
        assert unavailable.status_code == 503
        assert "The ledger takes no reads." in unavailable.text
        assert "Try again." in unavailable.text
        harness.admin.failure = RuntimeError(f"boom {NAME}")
        defect = await browser.get("/health")
        assert defect.status_code == 500
        assert "internal error" in defect.text
        assert "boom" not in defect.text
        assert (await browser.get("/nothing")).status_code == 404
