"""The record of the demo is approved on the page as a person would: in a real Chromium, by keyboard alone."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect
from vestibule.v1 import recommendation_pb2, session_pb2
from vestibule.v1.common_pb2 import SESSION_STATE_COMPLETED

from server.cli.channel import open_aio_channel
from server.cli.demo.app import App as DemoApp
from server.cli.demo.part_probe import PartProbe
from server.cli.demo.picture_text import read_print
from server.cli.demo.planted import CLIPS, METER, REGISTER, planted_media
from server.cli.demo.probe import Probe
from server.cli.demo.processes import Child, free_ports, wait_until
from server.cli.demo.reporter import Reporter
from server.flows.catalogue import shipped_catalogue
from server.llm.record_schema import content_hash, stored_record
from tests.e2e.browser import WIDTHS, assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.harness import DATA, App, Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.e2e.test_access import keys

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
    needs_chromium,
]

UPSTREAM_TIMEOUT_S: Final = 120.0
MOST_TABS: Final = 150
"""Presses of Tab after which whatever is looked for cannot be reached by keyboard."""
MEDIA: Final = planted_media(DATA, (CLIPS[0], REGISTER, METER))
RIGHT_READING: Final = "4821.7"
TEXTS: Final = ".headline, .field, .talk, .files, .facts dd, .cards, .note"
"""Parts of the pages with texts of people; ids and times elsewhere hold digits of any number."""
MADE: Final = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d UTC|\b\d\d:\d\d(?::\d\d)?\b|\b\d+(?:\.\d)? (?:ms|s|min|h)\b|\bkey:[0-9a-f]+"
)
"""Times, lengths and ids of keys among these texts. By chance they hold three digits of a telephone number, "61.7 s",
and in one run of twelve the id of the reviewer's key does, which stands beside each decided field.
"""


@dataclass
class Waiting:
    """A running server in which the record of the demo waits, and a reviewer who took no part in its session."""

    server: Server
    console: str
    record: recommendation_pb2.Recommendation
    reviewer: str
    pictures: Path

    @property
    def subject(self) -> str:
        """How the ledger names the reviewer's key."""
        return "key:" + self.reviewer.split("_")[1]

    async def query(self, query: str) -> list[dict[str, Any]]:
        """Rows of the live ledger."""
        command = [sys.executable, "-m", "server.cli", "sql", "--json", "--port", str(self.server.quack_port)]
        command += ["--state-dir", str(self.server.state_dir), query]
        done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waiting(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> AsyncIterator[Waiting]:
    """The demo up to its proposal: its stand-in upstreams, its media, its app."""
    folder = tmp_path_factory.mktemp("approval")
    log = folder / "upstream.log"
    upstream = Child.start("stand-in upstream", ["-m", "server.cli.demo.llm_server", "--port", "0"], log)
    server: Server | None = None
    try:
        wait_until(lambda: "http://" in log.read_text(), upstream, UPSTREAM_TIMEOUT_S, "The upstream did not start")
        [url] = re.findall(r"http://[\w.:]+", log.read_text())
        [port] = free_ports(1)
        settings = [f"llm_base_url={url}/v1", f"labels_base_url={url}/v1"]
        settings += ["console.enabled=true", f"console.port={port}"]
        server = await asyncio.to_thread(start_server, folder / "home", *settings, ray=shared_ray)
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            app = DemoApp(channel, Reporter(), DATA, folder, CLIPS[:1], "the stand-in", "the stand-in")
            record = await app.visit_until_proposal()
        reviewer = await asyncio.to_thread(keys, server, "create", "--scope", "reviewer")
        yield Waiting(server, f"http://127.0.0.1:{port}", record, reviewer, folder)
    finally:
        if server is not None:
            await asyncio.to_thread(stop_server, server)
        upstream.stop()


async def log_in(page: Page, waiting: Waiting, path: str = "/reviews") -> None:
    """Log in as a person does whose browser has no link."""
    await page.goto(f"{waiting.console}{path}")
    await tab_to(page, page.get_by_label("API key or token"))
    await page.keyboard.type(waiting.reviewer)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{waiting.console}{path}")


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the element has the focus."""
    await expect(target).to_be_visible()
    for _ in range(MOST_TABS):
        if await target.evaluate("element => element === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by keyboard")


async def choose(page: Page, field: Locator, choice: str) -> None:
    """Choose what to do with a field, with the arrow keys."""
    wanted = field.get_by_role("radio", name=choice, exact=True)
    await tab_to(page, field.locator("input[type=radio]:checked"))
    for _ in range(4):
        if await wanted.is_checked():
            return
        await page.keyboard.press("ArrowRight")
    raise AssertionError(f"{choice} cannot be chosen by keyboard")


async def looked_at(page: Page, waiting: Waiting, name: str) -> None:
    """A screenshot of a page that is accessible and has no personal value in its text."""
    await assert_accessible(page)
    for picture in await page.locator("img").all():
        await picture.scroll_into_view_if_needed()  # it is loaded only then
        await picture.evaluate("image => image.decode()")
    await page.screenshot(path=waiting.pictures / f"{name}.png", full_page=True)
    whole, parts = Probe([value for medium in MEDIA for value in medium.values]), PartProbe(MEDIA)
    assert whole.search((await page.content()).encode()) == []
    shown = [text for place in await page.locator(TEXTS).all() for text in (await place.inner_text()).splitlines()]
    assert parts.search(MADE.sub(" ", text) for text in shown) == []


def field_of(page: Page, name: str) -> Locator:
    """The part of the page for one field, which has the label of the flow."""
    label = shipped_catalogue().default.fields[name].label_in("en")
    return page.get_by_role("group", name=label, exact=True)


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_reviewer_sees_what_waits(waiting: Waiting, width: str) -> None:
    async with page_of_a_browser(width) as page:
        await log_in(page, waiting)
        await expect(page.get_by_role("link", name=waiting.record.record.summary)).to_be_visible()
        await looked_at(page, waiting, f"inbox-{width}")
        await page.goto(f"{waiting.console}/reviews/{waiting.record.id}")
        await looked_at(page, waiting, f"record-{width}")
        await page.get_by_role("link", name="the session", exact=True).click()
        await expect(page.get_by_text("Step begun: Meter")).to_have_count(2)  # on the timeline and in the table
        await looked_at(page, waiting, f"session-{width}")
        await page.get_by_role("link", name="See it with its sources").click()
        await page.wait_for_url(f"**/reviews/{waiting.record.id}")


async def test_the_place_of_a_value_is_shown_in_its_picture(waiting: Waiting) -> None:
    async with page_of_a_browser() as page:
        await log_in(page, waiting, f"/reviews/{waiting.record.id}")
        field = field_of(page, "meter_reading")
        picture = field.get_by_role("img", name="The redacted picture, at meter reading")
        part = [int(number) for number in (await picture.get_attribute("viewBox") or "").split()]
        whole = [int(await picture.locator("image").get_attribute(name) or 0) for name in ("width", "height")]
        assert 0 < part[2] * part[3] < 0.5 * whole[0] * whole[1], "it is zoomed"
        box = [int(await picture.locator("rect").get_attribute(name) or 0) for name in ("x", "y", "width", "height")]
        for start, length in ((0, 2), (1, 3)):
            assert part[start] <= box[start] <= box[start] + box[length] <= part[start] + part[length]
        seen = waiting.pictures / "meter-reading.png"
        await picture.screenshot(path=seen)
        assert "4821" in read_print(seen).replace(" ", ""), "the reading can be read there"
        await expect(field.get_by_text("Another source gives another value. Other value: 48217")).to_be_visible()
        await tab_to(page, field.get_by_role("link", name="Where it comes from"))
        await page.keyboard.press("Enter")
        await expect(page.locator(":target")).to_contain_text("The meter reads 48217")


async def test_the_record_is_corrected_and_approved_by_keyboard_alone(waiting: Waiting) -> None:
    """The last of these tests: nothing waits after it."""
    proposed = waiting.record
    names = [field.name for field in proposed.record.fields]
    async with page_of_a_browser() as page:
        await log_in(page, waiting)
        await tab_to(page, page.get_by_role("link", name=proposed.record.summary))
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/reviews/{proposed.id}")
        await expect(page.get_by_text("You chose something")).to_be_hidden()
        for name in names:
            field = field_of(page, name)
            await choose(page, field, "correct" if name == "meter_reading" else "accept")
            if name == "meter_reading":
                await tab_to(page, field.get_by_label("Right value"))
                await page.keyboard.press("Control+A")
                await page.keyboard.type(RIGHT_READING)
                await tab_to(page, field.get_by_label("Why it was wrong"))
                await page.keyboard.type("misr")
        await expect(page.get_by_text("You chose something")).to_be_visible()
        await looked_at(page, waiting, "record-decided")
        await tab_to(page, page.get_by_role("button", name="Save what you decided"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("Saved. Approve what is shown now.")
        await expect(page.get_by_text(f"Corrected by {waiting.subject[:16]}")).to_have_count(1)
        await expect(page.get_by_text(f"Accepted by {waiting.subject[:16]}")).to_have_count(len(names) - 1)
        await expect(field_of(page, "meter_reading").get_by_text("Proposed: 04821")).to_be_visible()
        await looked_at(page, waiting, "record-corrected")
        shown = await page.locator("[name=hash]").first.input_value()
        corrected_id = page.url.rpartition("/")[2].partition("?")[0]
        await tab_to(page, page.get_by_role("button", name="Approve"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status")).to_have_text("Approved.")
        await expect(page.get_by_text("Nothing waits.")).to_be_visible()
        await page.goto(f"{waiting.console}/reviews/{corrected_id}")
        await expect(page.get_by_text(f"approved by {waiting.subject[:16]}")).to_be_visible()
        await looked_at(page, waiting, "record-approved")
    await approved_by_rpc(waiting, corrected_id, shown)
    await approved_in_the_ledger(waiting, corrected_id, shown)


async def approved_by_rpc(waiting: Waiting, corrected_id: str, shown: str) -> None:
    """Apps and reviewers see the corrected record, approved by the reviewer with the hash that the page showed."""
    async with open_aio_channel(waiting.server.address, credential=waiting.reviewer) as channel:
        app = App(channel)
        by_id = recommendation_pb2.GetRecommendationRequest(recommendation_id=corrected_id)
        found = (await app.recommendations.GetRecommendation(by_id)).recommendation
        assert found.state == recommendation_pb2.RECOMMENDATION_STATE_APPROVED
        assert found.decided_subject == waiting.subject
        assert found.content_hash.hex() == shown != waiting.record.content_hash.hex()
        right = {field.name: field.value for field in waiting.record.record.fields} | {"meter_reading": RIGHT_READING}
        assert {field.name: field.value for field in found.record.fields} == right
        session_id = session_pb2.GetSessionRequest(session_id=found.session_id)
        assert (await app.sessions.GetSession(session_id)).session.state == SESSION_STATE_COMPLETED
        old = recommendation_pb2.GetRecommendationRequest(recommendation_id=waiting.record.id)
        superseded = (await app.recommendations.GetRecommendation(old)).recommendation
        assert superseded.state == recommendation_pb2.RECOMMENDATION_STATE_SUPERSEDED


async def approved_in_the_ledger(waiting: Waiting, corrected_id: str, shown: str) -> None:
    """Analysts and the audit see the same."""
    session_id = waiting.record.session_id
    [decision] = await waiting.query(f"FROM v_decisions WHERE session_id = '{session_id}'")
    assert (decision["record_id"], decision["decision"]) == (corrected_id, "APPROVED")
    [stored] = await waiting.query(f"FROM v_records WHERE record_id = '{corrected_id}'")
    assert stored["state"] == "APPROVED"
    text = stored["record"] if isinstance(stored["record"], str) else json.dumps(stored["record"])
    assert content_hash(stored_record(text)) == shown, "what is stored is what was shown"
    fields = await waiting.query(f"FROM v_field_decisions WHERE session_id = '{session_id}'")
    [corrected] = [row for row in fields if row["decision"] == "CORRECTED"]
    assert (corrected["field"], corrected["reason"], corrected["value_after"]) == (
        "meter_reading",
        "misread",
        RIGHT_READING,
    )
    assert len([row for row in fields if row["decision"] == "ACCEPTED"]) == len(waiting.record.record.fields) - 1
    [audited] = await waiting.query(f"FROM v_audit WHERE action = 'approve' AND object_id = '{corrected_id}'")
    assert (audited["subject"], audited["outcome"]) == (waiting.subject, "done")
