"""Pages that follow changes by server-sent events: real sockets, a scripted status."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from pathlib import Path

import httpx2
import pytest

from models.errors import Unavailable
from server.access.caller import Scope
from server.console import live
from server.console.http import ConsoleServer
from server.console.live import MEDIA_TYPE, MOST_OF_A_LOGIN, LiveStreams, event
from server.console.page import digest_of
from server.setting_groups import ConsoleSettings
from tests.unit.console.harness import Harness, letter

STREAM = {"accept": MEDIA_TYPE}


class Follower:
    """A browser that follows a page."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, str, str]:
        """Name, id and data of the next event; a comment is an event without a name."""
        found: dict[str, str] = {}
        async with asyncio.timeout(60):
            async for line in self._lines:
                if not line and found:
                    break
                name, _, value = line.partition(":")
                found[name] = f"{found[name]}\n{value.strip()}" if name in found else value.strip()
        return found.get("event", ""), found.get("id", ""), found.get("data", "")

    async def next_with(self, text: str) -> tuple[str, str, str]:
        """The next event that holds a text. Before it, a list may be of before, and its number of after a change."""
        while text not in (event := await self.next())[2]:
            pass
        return event

    async def ended(self) -> bool:
        async with asyncio.timeout(60):
            return [line async for line in self._lines if line] == []


class Site:
    """A running console and a browser that is logged in."""

    def __init__(self, harness: Harness, browser: httpx2.AsyncClient, server: ConsoleServer) -> None:
        self.harness, self.browser, self.server = harness, browser, server

    async def followed(self, path: str) -> str:
        """The address of the stream of a page."""
        page = await self.browser.get(path)
        return unescape(re.findall(r'sse-connect="([^"]*)"', page.text)[0])

    @asynccontextmanager
    async def follow(self, path: str, **headers: str) -> AsyncIterator[Follower]:
        async with self.browser.stream("GET", path, headers=STREAM | headers) as answer:
            follower = Follower(answer)
            if answer.status_code == 200 and answer.headers["content-type"].startswith(MEDIA_TYPE):
                yield follower
            else:
                await answer.aread()
                yield follower

    async def none_open(self) -> None:
        async with asyncio.timeout(60):
            while len(self.harness.live):  # noqa: ASYNC110 - the stream sets no event
                await asyncio.sleep(0.01)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    harness = Harness(tmp_path)
    server = ConsoleServer(harness.app, ConsoleSettings(port=0), tmp_path, on_stop=harness.live.close)
    await server.start()
    async with httpx2.AsyncClient(base_url=server.address, trust_env=False) as browser:
        await browser.post("/login", data={"key": await harness.key(Scope.OPERATOR)})
        yield Site(harness, browser, server)
    await server.stop()
    harness.close()


async def test_a_page_is_sent_only_when_it_has_changed(site: Site) -> None:
    path = await site.followed("/letters?closed=yes&done=retried")
    assert path.startswith("/letters?closed=yes&seen=")
    async with site.follow(path) as page:
        assert page.answer.headers["content-security-policy"]
        assert await page.next() == ("", "", "")  # how long to wait before the next connection
        site.harness.admin.letters = [letter(closed_as="")]
        name, digest, part = await page.next_with("Read a picture")
        assert name == "live"
        assert "<html" not in part
    shown = await site.browser.get("/letters?closed=yes")
    assert f"seen={digest}" in shown.text, "a page that is loaded now shows the same"
    async with site.follow(path, **{"last-event-id": digest}) as page:
        await page.next()
        site.harness.admin.letters = []
        await page.next_with("There are no open dead letters.")  # what was seen is not sent again
    await site.none_open()


async def test_a_page_is_whole_without_a_stream(site: Site) -> None:
    site.harness.admin.letters = [letter()]
    page = (await site.browser.get("/letters")).text
    assert page.index("<h1>") < page.index('id="live"') < page.rindex("Read a picture") < page.index("</main>")


@pytest.mark.parametrize("how", ["logout", "idle", "revoked"])
async def test_a_stream_ends_with_the_login_and_keeps_nobody_logged_in(site: Site, how: str) -> None:
    async with site.follow(await site.followed("/health")) as page:
        await page.next()
        if how == "logout":
            await site.browser.post("/logout")
        elif how == "idle":
            site.harness.now += 1801
        else:
            await site.harness.keys.revoke(site.harness.last_key_id)
        assert (await page.next())[0] == "end"
        assert await page.ended()
    await site.none_open()
    assert len(site.harness.logins) == 0
    async with site.follow("/health") as page:
        assert (await page.next())[0] == "end", "its script asks for the page then, and is led to the login"
        assert await page.ended()
    answer = await site.browser.get("/health?a=b", headers={"hx-request": "true"})
    assert answer.headers["hx-redirect"] == "/login?next=%2Fhealth%3Fa%3Db"


async def test_streams_of_a_login_and_of_all_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await site.followed("/health")
    async with AsyncExitStack() as stack:
        for _ in range(MOST_OF_A_LOGIN):
            page = await stack.enter_async_context(site.follow(path))
            await page.next()
        refused = await site.browser.get(path, headers=STREAM)
        assert (refused.status_code, "TOO_MANY_CLIENT_CALLS" in refused.text) == (429, True)
        assert (await site.browser.get("/health")).status_code == 200
        monkeypatch.setattr(live, "MOST", MOST_OF_A_LOGIN)
        async with httpx2.AsyncClient(base_url=site.server.address, trust_env=False) as other:
            await other.post("/login", data={"key": await site.harness.key(Scope.OPERATOR)})
            refused = await other.get(path, headers=STREAM)
            assert (refused.status_code, "TOO_MANY_CALLS" in refused.text) == (429, True)
    await site.none_open()  # the browser has left
    async with site.follow(path) as page:
        await page.next()


async def test_a_problem_is_shown_until_it_is_over(site: Site) -> None:
    async with site.follow(await site.followed("/health")) as page:
        await page.next()
        site.harness.admin.failure = Unavailable("The ledger takes no reads.")
        assert "The ledger takes no reads." in (await page.next())[2]
        site.harness.admin.failure = None
        assert "Every part works." in (await page.next())[2]


async def test_a_page_without_the_scope_is_refused_as_a_stream_too(site: Site) -> None:
    await site.browser.post("/login", data={"key": await site.harness.key(Scope.ANALYST)})
    async with site.follow("/health") as page:
        await page.next()
        assert "SCOPE_MISSING" in (await page.next())[2]


@pytest.mark.parametrize("path", ["/funnel", "/funnel?steps=a,b", "/sessions/x", "/causes", "/letters/x"])
async def test_the_stream_of_a_page_that_follows_nothing_is_refused_before_the_page_is_made(
    site: Site, path: str
) -> None:
    called = len(site.harness.decisions)
    refused = await site.browser.get(path, headers=STREAM)
    assert (refused.status_code, "does not follow changes" in refused.text) == (406, True)
    assert len(site.harness.decisions) == called
    assert len(site.harness.live) == 0


async def test_a_silent_stream_sends_a_heartbeat(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.1)
    async with site.follow(await site.followed("/health")) as page:
        assert page.answer.headers["cache-control"] == "no-store"
        assert [await page.next() for _ in range(3)] == [("", "", "")] * 3


async def test_a_server_that_stops_ends_its_streams_in_order(site: Site) -> None:
    async with site.follow(await site.followed("/health")) as page:
        await page.next()
        async with asyncio.timeout(30):
            await site.server.stop()
        assert await page.ended()


def test_data_of_several_lines_stays_one_event() -> None:
    assert event("live", "<p>\n\nevent: end\n</p>", "a") == (
        "event: live\nid: a\ndata: <p>\ndata: \ndata: event: end\ndata: </p>\n\n"
    )


async def test_a_page_that_is_told_of_a_change_is_sent_at_once() -> None:
    streams, told, shown = LiveStreams(60.0), asyncio.Queue[None](), ["old"]

    async def part() -> str | None:
        return shown[-1]

    async def listen(changed: asyncio.Event) -> None:
        while True:
            await told.get()
            changed.set()

    parts = streams._events(part, digest_of("old"), listen)
    await anext(parts)  # how long to wait before the next connection
    waiting = asyncio.ensure_future(anext(parts))
    await asyncio.sleep(0)
    shown.append("new")
    told.put_nowait(None)
    async with asyncio.timeout(60):
        assert "data: new" in await waiting
    waiting = asyncio.ensure_future(anext(parts, ""))
    await asyncio.sleep(0)
    streams.close()
    async with asyncio.timeout(60):
        assert await waiting == ""


async def test_a_listener_that_fails_is_asked_again() -> None:
    streams = LiveStreams(0.01)
    asked: list[int] = []

    async def part() -> str | None:
        return "same" if len(asked) < 3 else None

    async def listen(changed: asyncio.Event) -> None:
        asked.append(1)
        raise Unavailable("Too many changes at once to follow.")

    async with asyncio.timeout(60):
        sent = [text async for text in streams._events(part, digest_of("same"), listen)]
    assert sent[-1].startswith("event: end")
