"""The funnel of a flow in the console."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from server.access.caller import Scope
from server.console.analyses import Analyses
from tests.unit.analytics.two_flows import APPROVED, CAR, DAMAGE, OPENED, PHOTO, PROPOSED, keep
from tests.unit.console.harness import Harness


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path, analyses=Analyses(patience_s=60))
    made.ledger.write_now(keep)
    yield made
    made.close()


def rows(page: str) -> list[tuple[str, list[str]]]:
    """The stages of the table with their sessions, dropped sessions, and sessions under way."""
    found = []
    for name, cells in re.findall(r'<tr>\s*<th scope="row">(.*?)</th>(.*?)</tr>', page, re.DOTALL):
        texts = [re.sub("<.*?>", "", cell).strip() for cell in re.findall("<td.*?>(.*?)</td>", cells, re.DOTALL)]
        found.append((unescape(name.replace("<wbr>", "")), [texts[2], texts[3], texts[4]]))
    return found


async def test_the_page_counts_the_stages_of_a_flow(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/funnel?flow=rental@1")).text
        assert rows(page) == [
            ("Started", ["5", "", "0"]),
            (CAR, ["4", "1", "1"]),
            (f"{DAMAGE} (only in some sessions)", ["2", "", "0"]),
            ("Awaiting approval", ["2", "1", "0"]),
            ("Completed", ["2", "0", "0"]),
        ]
        assert "(Flow: rental@1)" in unescape(page)
        assert '<a href="/causes?flow=rental%401">' in page
        page = (await browser.get("/funnel?flow=rental")).text
        assert [(name, numbers[0]) for name, numbers in rows(page)] == [(CAR, "6"), (PHOTO, "1"), ("Completed", "1")]
        address = unescape(re.findall(r'href="(/funnel/sessions[^"]+number=dropped)"', page)[0])
        listed = (await browser.get(address)).text
        assert sorted(re.findall(r'href="/sessions/(\w+)"', listed)) == ["a1", "a2", "a3", "b2"]
        assert PHOTO in listed
        steps = (await browser.get(f"/funnel?flow=rental@1&steps={OPENED},{APPROVED}")).text
        assert [numbers for _, numbers in rows(steps)] == [["5", "", "1"], ["2", "2", "0"]]


async def test_flows_are_chosen_from_a_list(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        for address in ("/funnel", "/causes"):
            page = (await browser.get(address)).text
            [choices] = re.findall(r'<select id="flow".*?</select>', page, re.DOTALL)
            assert re.findall(r'value="(\w*)"', choices) == ["", "incident_report", "site_visit", "staff_onboarding"]
            assert "selected" not in choices
        page = (await browser.get("/funnel?flow=rental@1")).text
        assert '<option value="rental@1" selected>rental@1</option>' in page


async def test_groups_and_times_of_a_flow_leave_out_rates_of_optional_stages(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/funnel?flow=rental@1&time=week&times=yes")).text.replace("<wbr>", ""))
    captions = re.findall("<figcaption>(.*?)</figcaption>", page)
    assert not any(DAMAGE in caption for caption in captions)
    assert any(CAR in caption for caption in captions)
    assert f"From “{CAR}” to “Awaiting approval”" in page, "the time is that from the required stage before"


async def test_the_causes_of_a_flow_are_looked_for_in_its_sessions(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get("/causes?flow=rental@1")).text
        assert "There is too little data to say what to change." in page
        [unsure] = re.findall("Too little data on the way into: (.*?)[.]", page)
        assert unsure == f"{CAR}, Awaiting approval, Completed", "without the optional stage"


@pytest.mark.parametrize(("flow", "status"), [("rentl", 404), ("rental@", 400), ("@1", 400), ("Rental", 400)])
async def test_a_flow_that_there_is_not_is_told(harness: Harness, flow: str, status: int) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert (await browser.get(f"/funnel?flow={flow}")).status_code == status
        assert PROPOSED not in (await browser.get(f"/funnel?flow={flow}")).text
