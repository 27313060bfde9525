"""Dead letters in the console: what a job was to do, and many that are done again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from uuid import uuid4

import pytest

from server.access.caller import Scope
from tests.unit.console.harness import Harness, letter
from tests.unit.console.lively import REPLY, SAID, UNSAFE, Lively


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


async def preview(harness: Harness, lively: Lively, session_id: str = "", **references: str) -> str:
    """The page of a letter of the session, from where it says what the job works on."""
    one = letter(session_id=session_id or lively.id)
    harness.admin.letters, harness.admin.references = [one], references
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        found = await browser.get(f"/letters/{one.id}")
    assert found.status_code == 200
    before, _, works_on = unescape(found.text).partition("What the job works on")
    assert f'href="/sessions/{one.session_id}"' in before
    return works_on


async def test_a_letter_shows_what_its_job_works_on_in_redacted_form_only(harness: Harness) -> None:
    lively = Lively(harness.pictures)
    await harness.ledger.write(lively.store)
    spoken = await preview(harness, lively, turn_id=lively.spoken.id)
    assert SAID in spoken
    assert REPLY in spoken
    file = await preview(harness, lively, upload_id=lively.failed.id)
    assert "PICTURE_BROKEN" in file
    assert SAID not in file
    unsafe = await preview(harness, lively, turn_id=lively.unsafe.id)
    assert UNSAFE not in unsafe
    assert "something personal may be left" in unsafe
    record = await preview(harness, lively, recommendation_id=lively.proposed.id)
    assert f'href="/reviews/{lively.proposed.id}"' in record
    for works_on in ({}, {"turn_id": str(uuid4())}):
        assert "The page of the session shows it." in await preview(harness, lively, **works_on)
    assert "The page of the session shows it." in await preview(harness, lively, str(uuid4())), "it was erased"


async def test_all_that_match_the_filter_are_redriven_after_a_page_that_says_how_many(harness: Harness) -> None:
    other = letter(kind="reply", reason="UPSTREAM_REFUSED")
    harness.admin.letters = [*(letter() for _ in range(3)), letter(open=False), other]
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        assert "Do the jobs again: 4" in (await browser.get("/letters")).text
        listed = (await browser.get("/letters?kind=read_picture")).text
        assert "Do the jobs again: 3" in listed
        assert f"/letters/{other.id}" not in listed
        assert '<option value="reply">' in listed, "the other choices stay"
        asked = (await browser.get("/letters/redrive?kind=read_picture")).text
        assert "Jobs to be done again: 3" in asked
        assert "UPSTREAM_REFUSED" not in asked
        form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', asked))
        assert form.keys() == {"kind", "operation_id"}
        assert (await browser.post("/letters/redrive", data=form | {"why": "Because!"})).status_code == 400
        assert not harness.admin.redriven
        answer = await browser.post("/letters/redrive", data=form | {"why": "worker_fixed"})
        assert answer.headers["location"] == "/letters?kind=read_picture&done=3"
        page = (await browser.get(answer.headers["location"])).text
    [request] = harness.admin.redriven
    assert (request.reason, request.operation_id, request.filter.kind) == (
        "worker_fixed",
        form["operation_id"],
        form["kind"],
    )
    assert "Jobs that are done again: 3" in page
    assert "No dead letter matches." in page
    assert '<a id="redrive"' not in page
    assert other.open


async def test_what_is_left_is_asked_about_again(harness: Harness) -> None:
    harness.admin.letters, harness.admin.at_once = [letter() for _ in range(5)], 2
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        form = {"operation_id": str(uuid4()), "why": "worker_fixed"}
        location = (await browser.post("/letters/redrive", data=form)).headers["location"]
        assert location == "/letters/redrive?done=2"
        page = (await browser.get(location)).text
        assert "Jobs that are done again: 2" in page
        assert "Jobs that are left: 3" in page
        assert "No dead letter matches." in (await browser.get("/letters/redrive?kind=reply")).text


async def test_a_form_of_another_site_and_another_scope_redrive_nothing(harness: Harness) -> None:
    harness.admin.letters = [letter()]
    form = {"operation_id": str(uuid4()), "why": "worker_fixed"}
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        elsewhere = await browser.post("/letters/redrive", data=form, headers={"origin": "https://evil.example"})
        assert elsewhere.status_code == 403
        assert (await browser.get("/letters?kind=No!")).status_code == 400
    async with harness.browser(await harness.key(Scope.ANALYST)) as browser:
        assert (await browser.post("/letters/redrive", data=form)).status_code == 403
    assert harness.admin.letters[0].open


async def test_letters_are_listed_and_counted_while_a_disk_is_full(harness: Harness) -> None:
    """Counting is no operation on letters."""
    harness.admin.letters, harness.admin.disk_full = [letter()], True
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        listed = await browser.get("/letters")
    assert listed.status_code == 200
    assert f"/letters/{harness.admin.letters[0].id}" in listed.text
    assert "Do the jobs again: 1" in listed.text
