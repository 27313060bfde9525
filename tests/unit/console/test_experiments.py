"""What the pages of experiments show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from math import inf
from pathlib import Path

import pytest

from server.access.caller import Scope
from server.console.charts import Span, change_chart
from server.languages.formats import Formats
from tests.unit.console.harness import Harness
from tests.unit.experiments.filled import FLOW, Sessions, fill
from tests.unit.ledger.makers import NOW


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path, experiments=(FLOW,))
    yield made
    made.close()


def plain(page: str) -> str:
    """The text of a page with usual spaces."""
    return unescape(page).replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("new", "told", "tone"),
    [
        (
            Sessions("flow.new", 1000, 550),
            "new is better than old: more sessions are completed, +15.0 points (",
            "normal",
        ),
        (Sessions("flow.new", 1000, 250), "new is worse than old", "high"),
        (Sessions("flow.new", 1000, 420), "It is not known yet whether new is better than old, +2.0 points (", ""),
        (Sessions("flow.new", 1000, 550, failed=200), "new does harm against old: a guardrail", "critical"),
        (Sessions("flow.new", 1400, 700), "The split is wrong", "critical"),
        (Sessions("flow.new", 3, 1), "The split is wrong", "critical"),
    ],
)
async def test_an_experiment_says_what_it_shows_in_a_sentence(
    harness: Harness, new: Sessions, told: str, tone: str
) -> None:
    await harness.ledger.write(lambda cursor: fill(cursor, Sessions("flow.old", 1000, 400), new))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = plain((await browser.get("/experiments/flow")).text)
    [said] = [line for line in page.splitlines() if '<p class="headline' in line]
    assert told in said
    assert f'class="headline {tone}"' in said
    assert f'<td class="number">{new.completed}</td>' in page
    assert ("No fault was found in the split" in page) is not (tone == "critical" and "split" in told)


async def test_the_guardrails_stand_in_a_table_with_what_is_allowed(harness: Harness) -> None:
    both = (
        Sessions("flow.old", 1000, 400, final_delay_s=1),
        Sessions("flow.new", 1000, 550, failed=200, final_delay_s=1),
    )
    await harness.ledger.write(lambda cursor: fill(cursor, *both))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = plain((await browser.get("/experiments/flow")).text)
        german = plain((await browser.get("/experiments/flow?lang=de")).text)
    assert '<th scope="row">failed or refused uploads</th><td class="severity critical">worse than allowed</td>' in page
    assert '<td class="number">20.0 %</td><td class="number">0.0 %</td><td class="number">+20.0 points (' in page
    assert "+0.25 s" in page, "allowed"
    assert "new schadet gegenüber old" in german
    assert "schlechter als erlaubt" in german


async def test_the_list_leads_to_each_experiment_and_says_how_long_one_would_need(harness: Harness) -> None:
    await harness.ledger.write(lambda cursor: fill(cursor, Sessions("flow.old", 1000, 400)))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = plain((await browser.get("/experiments")).text)
        assert '<a href="/experiments/flow">flow</a></th><td>running</td><td>old, new</td><td>all</td>' in page
        assert "Two variants need" not in page
        for effect in ("5", "5,0"):
            page = plain((await browser.get(f"/experiments?effect={effect}")).text)
            assert "Two variants need" in page
            assert "Today 40.0 % of sessions are completed" in page
        nobody = (await browser.get("/experiments?effect=5&client=nobody")).text
        assert "no sessions in the last four weeks" in nobody
        assert 'value="nobody"' in nobody
        for wrong in ("five", "0", "nan", "200"):
            assert (await browser.get(f"/experiments?effect={wrong}")).status_code == 400, wrong
        assert (await browser.get("/experiments/other")).status_code == 404


async def test_an_experiment_that_ended_is_not_told_as_one_that_has_not_begun(tmp_path: Path) -> None:
    ended = replace(FLOW, end=NOW - timedelta(days=1))
    later = replace(FLOW, name="later", start=NOW + timedelta(days=1))
    harness = Harness(tmp_path, experiments=(ended, later))
    both = Sessions("flow.old", 680, 300), Sessions("flow.new", 573, 260)
    await harness.ledger.write(lambda cursor: fill(cursor, *both))
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        for language, states, said in (
            ("en", ("ended", "not begun"), ("is not known whether", "no more sessions come: 1,253", "0.25 % are")),
            ("de", ("beendet", "noch nicht begonnen"), ("ist nicht bekannt", "keine Sitzungen mehr", "0,25 % min")),
            ("es", ("terminado", "aún no empezado"), ("No se sabe si", "no llegarán más sesiones", "el 0,25 % de")),
        ):
            page = plain((await browser.get(f"/experiments?lang={language}")).text)
            assert all(f"<td>{state}</td>" in page for state in states)
            page = plain((await browser.get(f"/experiments/flow?lang={language}")).text)
            assert all(each in page for each in (states[0], *said)), page
    harness.close()


async def test_without_an_experiment_the_page_says_where_they_are_declared(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert "VESTIBULE_EXPERIMENTS__FILE" in (await browser.get("/experiments")).text
    harness.close()


def test_a_change_without_a_bound_has_no_cap_there() -> None:
    spans = [Span("new", 0.02, -inf, 0.05), Span("other", -0.06, -0.08, -0.04)]
    chart = change_chart("Change", spans, ["a", "b"], Formats("en"))
    assert chart.zero == 50
    assert [(row.low, row.mid, row.high) for row in chart.rows] == [(0.0, 60.0, 75.0), (10.0, 20.0, 30.0)]
    assert [row.caps for row in chart.rows] == [(75.0,), (10.0, 30.0)]
    assert [text for _, text in chart.ticks] == ["\N{MINUS SIGN}10", "0", "+10"]
