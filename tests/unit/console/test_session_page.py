"""The page of one session: what its marks lead to, and who sees what of it."""

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

from server.access.caller import Scope
from server.ledger import events
from server.records.events import make_event
from tests.unit.console.harness import Harness
from tests.unit.console.lively import REPLY, SAID, UNSAFE, Lively
from tests.unit.ledger.makers import NOW, after

PICTURE = b"\xff\xd8\xff redacted"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


@pytest.fixture
async def lively(harness: Harness) -> Lively:
    made = Lively(harness.pictures, PICTURE)
    await harness.ledger.write(partial(made.store, decided_after=timedelta(hours=3)))
    return made


async def test_each_mark_leads_to_something_on_the_page(harness: Harness, lively: Lively) -> None:
    async with harness.browser(await harness.key(Scope.REVIEWER)) as browser:
        page = (await browser.get(f"/sessions/{lively.id}")).text
    marks = re.findall(r'<a href="#([^"]+)" aria-label="([^"]+)"', page)
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert {href for href, _ in marks} <= ids
    assert {f"source-{lively.spoken.id}", f"source-{lively.picture.id}", "attempt-1", "breaker-2"} <= {
        h for h, _ in marks
    }
    words = unescape(" ".join(text for _, text in marks))
    for told in (
        "Spoken and typed: spoken: I am [REDACTED_NAME]",
        "Read a picture, attempt 1: failed, tried again WORKER_LOST",
        "vision: open failures",
        "Record decided",
        "Stages: Stage entered: Completed",
        "PICTURE_BROKEN",
    ):
        assert told in words
    assert "// is where" in page, "three hours of waiting are drawn short"


async def test_only_redacted_texts_that_are_vouched_for_are_shown(harness: Harness, lively: Lively) -> None:
    async with harness.browser(await harness.key(Scope.REVIEWER)) as browser:
        page = (await browser.get(f"/sessions/{lively.id}")).text
    assert SAID not in page, "it is escaped"
    assert SAID in unescape(page)
    assert REPLY in page
    assert UNSAFE not in page
    assert "something personal may be left in this text" in page
    for told in ("04821 kWh", "meter reading", "Still missing: visitors.", "A visit to read a meter."):
        assert told in page


async def test_a_redacted_picture_is_shown_to_whoever_may_download_it(harness: Harness, lively: Lively) -> None:
    address = f"/sessions/{lively.id}/uploads/{lively.picture.id}"
    async with harness.browser(await harness.key(Scope.REVIEWER)) as browser:
        assert (
            f'<img id="picture-{lively.picture.id}" hx-preserve src="{address}"'
            in (await browser.get(f"/sessions/{lively.id}")).text
        )
        answer = await browser.get(address)
        assert answer.content == PICTURE
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-disposition"].startswith("inline;")
        assert (await browser.get(f"/sessions/{lively.id}/uploads/{lively.failed.id}")).status_code == 409
        assert (await browser.get(f"/sessions/{lively.id}/uploads/{uuid4()}")).status_code == 404
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        page = (await browser.get(f"/sessions/{lively.id}")).text
        assert "<img" not in page
        assert SAID in unescape(page), "an analyst may read redacted texts"
        assert (await browser.get(address)).status_code == 403
    async with harness.browser(await harness.key(Scope.REVIEWER, client_id="other")) as browser:
        assert (await browser.get(address)).status_code == 404
        assert (await browser.get(f"/sessions/{lively.id}")).status_code == 404


@pytest.mark.parametrize(
    ("scope", "language", "told"),
    [
        (Scope.REVIEWER, "en", "Step begun: Meter"),
        (Scope.REVIEWER, "es", "Paso comenzado: Contador"),
        (Scope.ANALYST, "en", "Step of the flow begun"),
    ],
)
async def test_a_step_of_the_flow_has_its_title_for_whoever_may_see_the_session(
    harness: Harness, lively: Lively, scope: Scope, language: str, told: str
) -> None:
    async with harness.browser(await harness.key(scope)) as browser:
        page = unescape((await browser.get(f"/sessions/{lively.id}?lang={language}")).text)
    assert f'<th scope="row">{told}<br><code class="hint">step_meter</code></th>' in page
    assert f": {told}" in page, "a mark on the timeline says so, too"


@pytest.mark.parametrize("scope", [Scope.REVIEWER, Scope.ANALYST])
@pytest.mark.parametrize(
    "name",
    ["stage_entered", "upload_refused", "step_meter", "record_decided", "replied", "stream_refused"],
)
async def test_an_event_of_an_app_with_a_name_of_the_server_is_one_of_the_app(
    harness: Harness, lively: Lively, name: str, scope: Scope
) -> None:
    at = after(2)
    forged = replace(make_event(lively.session, name, at, stage="COMPLETED"), device_time=at, event_time=at)
    await harness.ledger.write(lambda cursor: events.append(cursor, forged))
    async with harness.browser(await harness.key(scope)) as browser:
        page = unescape((await browser.get(f"/sessions/{lively.id}")).text)
    assert f'<th scope="row">Event of the app<br><code class="hint">{name}</code></th>' in page
    marks = re.findall(r'aria-label="([^"]+)"', page)
    assert [mark for mark in marks if mark.endswith(f": {name}")] == [f"Events of the app: {name}"]


async def test_a_session_that_began_offline_counts_from_its_begin_on_the_device(
    harness: Harness, lively: Lively
) -> None:
    at = NOW - timedelta(days=38)
    for name, later_s in (("welcome_shown", 0), ("document_captured", 85)):
        time = at + timedelta(seconds=later_s)
        row = replace(make_event(lively.session, name, NOW), device_time=time, event_time=time, clock="device")
        await harness.ledger.write(partial(events.append, row=row))
    async with harness.browser(await harness.key(Scope.REVIEWER)) as browser:
        page = unescape((await browser.get(f"/sessions/{lively.id}")).text)
    assert f"<dt>Begun on the device</dt><dd>{at:%Y-%m-%d %H:%M:%S} UTC</dd>" in page
    assert "\N{MINUS SIGN}38 d" not in page
    assert ">1 min 25 s</time><br>+ 1 min 25 s<br>" in page, "85 s are seen between steps"
    assert ">38 d</time>" in page


@pytest.mark.parametrize(("scope", "shown"), [(Scope.REVIEWER, True), (Scope.APP, False)])
async def test_whoever_may_review_is_led_to_the_record(
    harness: Harness, lively: Lively, scope: Scope, shown: bool
) -> None:
    key = await harness.key(scope, client_id=lively.session.client_id if scope is Scope.APP else "")
    async with harness.browser(key) as browser:
        page = (await browser.get(f"/live/{lively.id}" if scope is Scope.REVIEWER else f"/try/{lively.id}")).text
    assert "Waits for a decision" in page or "Approved" in page
    assert (f'href="/reviews/{lively.proposed.id}"' in page) is shown


async def test_running_sessions_and_a_conversation_have_pages(harness: Harness) -> None:
    lively = Lively(harness.pictures, PICTURE)
    await harness.ledger.write(lively.store)
    async with harness.browser(await harness.key(Scope.REVIEWER)) as browser:
        assert f'href="/live/{lively.id}"' in (await browser.get("/live")).text
        page = (await browser.get(f"/live/{lively.id}")).text
        assert SAID in unescape(page)
        assert UNSAFE not in page
        assert "<dd>Awaiting approval</dd>" in page
        assert f'href="/live/{lively.id}"' in (await browser.get(f"/sessions/{lively.id}")).text
    async with harness.browser(await harness.key(Scope.ANALYST, client_id="other")) as browser:
        assert "No session runs now." in (await browser.get("/live")).text
        assert (await browser.get(f"/live/{lively.id}")).status_code == 404
