"""The sessions behind the numbers of the funnel, and the page of one session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from uuid import uuid4

import pytest

from server.access.caller import Scope
from server.console.filters import Filter
from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, SessionRow, SessionState
from tests.unit.console.harness import NAME, Harness
from tests.unit.console.test_pages import fill
from tests.unit.ledger.makers import NOW

ID = str(uuid4())


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


def told(cursor: Cursor) -> None:
    """One session whose app recorded an event."""
    row = SessionRow(ID, "app", str(uuid4()), SessionState.ABANDONED, NOW, NOW + timedelta(seconds=90), language="hi")
    sessions.insert_or_get(cursor, row)
    after = NOW + timedelta(seconds=40)
    events.insert_event(cursor, EventRow(str(uuid4()), ID, "app", "stage_entered", NOW, stage=SessionState.STARTED))
    events.insert_event(cursor, EventRow("e", ID, "app", "form_sent", after, device_time=after, sequence=1))
    properties = {"amount": 12.50, "checked": True, "note": NAME, "secret": "not vouched for"}
    cursor.execute(
        "UPDATE events SET properties = ?, properties_meta = ? WHERE id = 'e'",
        [json.dumps(properties), json.dumps({"secret": {"safe": False}})],
    )


async def test_each_number_of_the_funnel_leads_to_a_list_that_is_as_long(harness: Harness) -> None:
    await harness.ledger.write(fill)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        funnel = unescape((await browser.get("/funnel?client=app")).text)
        numbers = re.findall(r'<a href="(/funnel/sessions\?[^"]+)">([\d,]+)</a>', funnel)
        assert sorted(int(count) for _, count in numbers) == [20, 80, 80, 100]
        for first, count in numbers:
            assert first.startswith("/funnel/sessions?client=app&step=")
            found: list[str] = []
            address = first
            while address:
                page = unescape((await browser.get(address)).text)
                found += re.findall(r'href="/sessions/([0-9a-f-]{36})"', page)
                [address] = re.findall(r'<a href="([^"]+)">Next page</a>', page) or [""]
            assert len(found) == len(set(found)) == int(count)
        page = unescape((await browser.get("/funnel/sessions?step=2&number=dropped")).text)
        assert "Sessions that dropped out before “In progress”" in page
        assert "<td>Abandoned</td>" in page
        assert "no such sessions" in (await browser.get("/funnel/sessions?step=4&number=reached")).text


@pytest.mark.parametrize(
    "query", ["", "step=0&number=reached", "step=2&number=all", "step=x&number=reached", "step=9&number=reached"]
)
async def test_an_address_that_names_no_number_is_refused(harness: Harness, query: str) -> None:
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert (await browser.get(f"/funnel/sessions?{query}")).status_code == 400


async def test_a_session_shows_what_happened_with_redacted_texts_only(harness: Harness) -> None:
    await harness.ledger.write(told)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get(f"/sessions/{ID}")).text
        assert NAME not in page, "it is escaped"
        shown = unescape(page)
        assert "<dd>Abandoned</dd>" in shown
        assert shown.index('Stage entered<br><code class="hint">stage_entered</code>') < shown.index("form_sent</code>")
        assert 'Event of the app<br><code class="hint">form_sent</code>' in shown, (
            "the event of an app has its own name"
        )
        assert ">40 s</time>" in shown
        assert f'<span class="hint">{NOW:%Y-%m-%d %H:%M:%S} UTC</span>' in shown
        for text in ("12.5", "true", NAME):
            assert f"</span> {text}" in shown
        assert "not vouched for" not in shown
        assert (await browser.get(f"/sessions/{uuid4()}")).status_code == 404
        assert (await browser.get("/sessions/x")).status_code == 400
        assert (await browser.get(f"/sessions/{ID}?page=x")).status_code == 400
        assert "Nothing is stored" in (await browser.get(f"/sessions/{ID}?page=9")).text
        german = unescape((await browser.get(f"/sessions/{ID}?lang=de")).text)
        assert "Stufe erreicht<br>" in german
        assert "event <code>" not in german
    async with harness.browser(await harness.key(Scope.ANALYST, client_id="other")) as browser:
        assert (await browser.get(f"/sessions/{ID}")).status_code == 404, "of another client"


async def test_a_funnel_of_any_steps_is_in_the_address(harness: Harness) -> None:
    await harness.ledger.write(told)
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = unescape((await browser.get("/funnel?steps=STARTED,+form_sent&order=any&window=90min")).text)
        assert 'value="STARTED, form_sent"' in page
        assert '<option value="any" selected>' in page
        assert '<option value="90min" selected>' in page
        assert '<th scope="row">2 steps</th>' in page
        assert "/funnel/sessions?steps=STARTED%2C+form_sent&order=any&window=90min&step=2&number=reached" in page
        listed = unescape((await browser.get("/funnel/sessions?steps=STARTED,form_sent&step=2&number=reached")).text)
        assert "Sessions that reached “form_sent”" in listed
        assert f'href="/sessions/{ID}"' in listed
        late = (await browser.get("/funnel/sessions?steps=STARTED,form_sent&window=1min&step=2&number=reached")).text
        assert f'href="/sessions/{ID}"' in late
        for wrong in ("steps=a&window=soon", "steps=a&order=odd", "window=1d", "steps=a,a", "steps=A%20b"):
            assert (await browser.get(f"/funnel?{wrong}")).status_code == 400, wrong


def test_a_filter_stays_in_links() -> None:
    chosen = Filter({"from": "2026-11-01", "to": "", "client": "a&b", "steps": "", "order": "", "window": "2h"})
    assert chosen.link("/causes") == "/causes?from=2026-11-01&client=a%26b&window=2h"
    assert chosen.link("/x", step=2) == "/x?from=2026-11-01&client=a%26b&window=2h&step=2"
    assert chosen.sessions.link("/causes") == "/causes?from=2026-11-01&client=a%26b", "which is about the stages"
    assert chosen.windows[-1] == "2h"
