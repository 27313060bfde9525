"""A newcomer in a real Chromium: talks, types and photographs at a real server, and sees what an app would get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from server.cli.demo.processes import free_ports
from tests.e2e.browser import assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.harness import DATA, Server, planted, start_server, stop_server
from tests.e2e.shared_ray import SharedRay

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), needs_chromium]
PATIENCE_MS = 60_000
"""For the workers on a busy machine."""
TYPED = "I am Maria Lopez, here to read the meter."


@dataclass
class Site:
    """A server with a console."""

    server: Server
    settings: tuple[str, ...]
    address: str

    async def enter(self, page: Page, path: str) -> None:
        """Log in, and open a page."""
        await page.goto(f"{self.address}/login?next={path}")
        await page.get_by_label("API key or token").fill(self.server.operator_key)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{self.address}{path}")

    async def begin(self, page: Page) -> str:
        """Open a session on the page; returns its id."""
        await self.enter(page, "/try")
        await page.get_by_label("Language that you speak").select_option("en")
        await page.get_by_role("button", name="Start a session").click()
        await page.wait_for_url("**/try/*-*")
        return page.url.rpartition("/")[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> AsyncIterator[Site]:
    [port] = free_ports(1)
    settings = ("console.enabled=true", f"console.port={port}")
    home: Path = tmp_path_factory.mktemp("try") / "home"
    server = await asyncio.to_thread(start_server, home, *settings, ray=shared_ray)
    made = Site(server, settings, f"http://127.0.0.1:{port}")
    yield made
    await asyncio.to_thread(stop_server, made.server)


async def type_text(page: Page, text: str = TYPED) -> None:
    await page.get_by_label("What you would say").fill(text)
    await page.get_by_role("button", name="Send", exact=True).click()


async def test_a_newcomer_talks_types_and_photographs(site: Site) -> None:
    async with page_of_a_browser(hears=DATA / "visit.wav") as page:
        session_id = await site.begin(page)
        policy = (await page.request.get(page.url)).headers["permissions-policy"]
        assert policy == "camera=(self), microphone=(self), geolocation=()"
        talk = page.get_by_role("button", name="Start talking")
        await talk.press("Enter")  # by keyboard
        said = page.locator(".talk .said")
        await expect(page.locator("#now")).to_be_visible(timeout=PATIENCE_MS)  # while somebody speaks
        await expect(said.filter(has_text="[REDACTED_NAME]").first).to_be_visible(timeout=PATIENCE_MS)
        await expect(said.filter(has_text="[REDACTED_PHONE]").first).to_be_visible(timeout=PATIENCE_MS)
        await expect(page.locator(".talk .reply").nth(1)).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Stop talking").click()
        await type_text(page)
        await expect(said.filter(has_text="I am [REDACTED_NAME], here")).to_be_visible(timeout=PATIENCE_MS)

        await page.get_by_label("File or photograph").set_input_files(DATA / "meter.jpg")
        await page.get_by_role("button", name="Send the file").click()
        picture = page.get_by_role("img", name="Meter, redacted picture")
        await expect(picture).to_have_count(1, timeout=PATIENCE_MS)
        assert await picture.evaluate("async (img) => { await img.decode(); return img.naturalWidth }") > 100
        await page.get_by_role("button", name="Use the camera").click()
        await page.get_by_role("button", name="Take the picture").click()
        await expect(page.locator(".files li")).to_have_count(2, timeout=PATIENCE_MS)

        await page.get_by_role("button", name="Propose a record").click()
        await expect(page.get_by_text("Waits for a decision")).to_be_visible(timeout=2 * PATIENCE_MS)
        await expect(page.locator("#problem")).to_be_hidden()
        content = await page.content()
        assert not [value for value in [*planted("visit", "meter"), "Maria", "Lopez"] if value in content]
        for scheme, width in (("light", 1200), ("dark", 390)):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            await assert_accessible(page)

        await page.get_by_role("link", name="Timeline of this session").click()
        await page.wait_for_url(f"**/sessions/{session_id}")
        await assert_accessible(page)
        mark = page.get_by_role("link", name="Pictures and recordings: Meter: read").first
        await mark.press("Enter")
        target = page.locator(":target")
        await expect(target.get_by_role("img", name="Meter, redacted picture")).to_be_visible()
        assert not [value for value in planted("visit", "meter") if value in await page.content()]


async def test_a_conversation_arrives_on_the_live_page(site: Site) -> None:
    async with page_of_a_browser("phone", "dark") as page, page_of_a_browser() as watcher:
        earlier = await site.begin(page)
        await site.enter(watcher, "/live")
        link = watcher.get_by_role("link", name=earlier[:8])
        await link.focus()
        await link.evaluate("link => link.classList.add('before')")
        session_id = await site.begin(page)
        await expect(link).not_to_have_class("before", timeout=PATIENCE_MS)  # the list came anew
        await expect(link).to_be_focused()
        await watcher.get_by_role("link", name=session_id[:8]).click()
        await expect(watcher.get_by_text("Nothing was said yet.")).to_be_visible()
        for number in range(3):
            await type_text(page, f"This is sentence {number} of the meter reader.")
            for open_page in (page, watcher):
                said = open_page.locator(".talk").get_by_text(f"sentence {number} of")
                await expect(said).to_be_visible(timeout=PATIENCE_MS)
        await assert_accessible(watcher)
        await page.get_by_role("button", name="End this session").click()
        await expect(watcher.get_by_text("Abandoned")).to_be_visible(timeout=PATIENCE_MS)


async def test_what_is_typed_while_a_text_is_sent_is_kept(site: Site) -> None:
    async with page_of_a_browser(expected=("ERR_FAILED",)) as page:
        await site.begin(page)
        box = page.get_by_label("What you would say")
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def hold(route: Route) -> None:
            asked.set()
            await go_on.wait()
            await route.continue_()

        await page.route("**/text", hold)
        await type_text(page, "This is the first sentence.")
        await asked.wait()
        await expect(box).to_have_value("")
        await box.fill("This is the second sentence.")
        go_on.set()
        said = page.locator(".talk")
        await expect(said.get_by_text("the first sentence")).to_be_visible(timeout=PATIENCE_MS)
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(said.get_by_text("the second sentence")).to_be_visible(timeout=PATIENCE_MS)
        await page.unroute("**/text")
        await page.route("**/text", lambda route: route.abort())
        await type_text(page, "This one does not arrive.")
        await expect(box).to_have_value("This one does not arrive.")


async def test_a_newcomer_without_scripts_types_and_sends_a_file(site: Site) -> None:
    async with page_of_a_browser(scripts=False) as page:
        await site.begin(page)
        await expect(page.get_by_role("button", name="Start talking")).to_be_hidden()
        await expect(page.locator(".asked .headline")).to_have_text("Which site are you at?")
        await type_text(page, "Riverside")  # an answer is one only to the question that the page shows
        await expect(page.locator(".asked dd").first).to_have_text("Riverside", timeout=PATIENCE_MS)
        await type_text(page)
        await expect(page.get_by_text("I am [REDACTED_NAME], here")).to_be_visible()
        await expect(page.locator(".talk .reply").first).to_be_visible()
        await page.get_by_label("What it shows").select_option("visitor_register")
        await page.get_by_label("File or photograph").set_input_files(DATA / "register.jpg")
        await page.get_by_role("button", name="Send the file").click()
        picture = page.get_by_role("img", name="Register of visitors, redacted picture")
        for _ in range(60):
            if await picture.count():
                break
            await asyncio.sleep(1)
            await page.reload()
        await expect(picture).to_be_visible()
        assert not [value for value in planted("register") if value in await page.content()]
        await page.get_by_role("button", name="Propose a record").click()
        await expect(page.get_by_text("Waits for a decision")).to_be_visible()


async def test_what_cannot_be_taken_is_told_on_the_page(site: Site) -> None:
    async with page_of_a_browser(expected=("Failed to load resource",)) as page:
        await site.begin(page)
        await page.get_by_label("File or photograph").set_input_files(
            {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"no picture at all"}
        )
        await page.get_by_role("button", name="Send the file").click()
        await expect(page.get_by_role("alert")).not_to_be_empty(timeout=PATIENCE_MS)
        await type_text(page, "\N{ZERO WIDTH SPACE}")
        await expect(page.get_by_role("alert")).to_contain_text("blank", timeout=PATIENCE_MS)


async def test_the_live_page_survives_a_restart_of_the_server(site: Site, shared_ray: SharedRay) -> None:
    """The last of these tests: it stops the server."""
    gone = ("Failed to load resource", "ERR_CONNECTION_REFUSED", "[object Event]")
    async with page_of_a_browser(expected=gone) as page:
        session_id = await site.begin(page)
        await type_text(page)
        await page.goto(f"{site.address}/live/{session_id}")
        await expect(page.get_by_text("I am [REDACTED_NAME], here")).to_be_visible()
        await asyncio.to_thread(site.server.terminate)
        await asyncio.to_thread(stop_server, site.server)
        site.server = await asyncio.to_thread(start_server, site.server.home, *site.settings, ray=shared_ray)
        # The stream comes back by itself, is told that nobody is logged in any more, and leads to the login.
        await page.wait_for_url("**/login?next=*", timeout=PATIENCE_MS)
        await page.get_by_label("API key or token").fill(site.server.operator_key)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"**/live/{session_id}")
        await expect(page.get_by_text("I am [REDACTED_NAME], here")).to_be_visible()
