"""The console of a real server in a real Chromium: what it shows is what the ledger says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from server.cli.demo.processes import free_ports
from server.ledger.columns import Cursor
from tests.e2e.browser import assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.harness import Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.unit.funnel.quarter import Quarter
from tests.unit.ledger.migrated import open_ledger

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module"), needs_chromium]

EXPERIMENTS = """
experiments:
  pause_length:
    start: 2026-01-01
    variants: {usual: {}, short: {end_silence_s: 0.4}}
"""
PATIENCE_MS = 90_000
"""For an analysis on a busy machine."""
QUARTER = Quarter(
    sessions=2500,
    causes={1: lambda drawn: 2.0 * (drawn["network"] == "3g"), 2: lambda drawn: 2.0 * drawn["refused"]},
)


@dataclass
class Stage:
    """A server over a ledger with a simulated quarter in which two causes were planted."""

    server: Server
    settings: tuple[str, ...]

    async def command(self, *arguments: str) -> str:
        """What a command prints."""
        environment = {**self.server.environment, "VESTIBULE_ADDRESS": self.server.address}
        environment["VESTIBULE_API_KEY"] = self.server.operator_key
        command = [sys.executable, "-m", "server.cli", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env={**os.environ, **environment}, check=True, capture_output=True, text=True
        )
        return done.stdout

    async def json(self, *arguments: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(await self.command(*arguments, "--json"))

    async def link(self) -> str:
        """An address that logs a browser in, and leads to the funnel."""
        return (await self.command("console", "--state-dir", str(self.server.state_dir))).strip() + "&next=/funnel"


def with_uuids(cursor: Cursor) -> None:
    """Ids as the server makes them, and a variant for each session."""
    for table, column in (("sessions", "id"), ("events", "session_id"), ("turns", "session_id")):
        cursor.execute(f"UPDATE {table} SET {column} = md5({column})::UUID::VARCHAR")
    cursor.execute("UPDATE sessions SET variant = if(id < '8', 'pause_length.usual', 'pause_length.short')")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> AsyncIterator[Stage]:
    home: Path = tmp_path_factory.mktemp("console") / "home"
    (home / "data").mkdir(parents=True, mode=0o700)
    ledger = open_ledger(home / "data" / "ledger.duckdb")
    for fill in (QUARTER.store, with_uuids):
        await ledger.write(fill)
    ledger.close()
    (home / "experiments.yaml").write_text(EXPERIMENTS, encoding="utf-8")
    [port] = free_ports(1)
    settings = (
        "console.enabled=true",
        f"console.port={port}",
        f"experiments.file={home}/experiments.yaml",
    )
    made = Stage(await asyncio.to_thread(start_server, home, *settings, ray=shared_ray), settings)
    yield made
    await asyncio.to_thread(stop_server, made.server)


def number_of(text: str) -> int:
    """A number on a page, as English writes it."""
    return int(text.replace(",", ""))


async def analyzed(page: Page) -> None:
    """Wait until the page has its analysis, which it fetches itself."""
    await expect(page.get_by_role("status")).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "light"), ("phone", "dark")])
async def test_every_page_of_the_menu_loads_and_is_accessible(stage: Stage, width: str, scheme: str) -> None:
    async with page_of_a_browser(width, scheme) as page:
        link = await stage.link()
        console = link.partition("/login")[0]
        await page.goto(link)
        names = await page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
        assert {"Funnel", "What to change", "Experiments", "Live", "Health", "Try it"} <= set(names)
        for name in names:
            await page.get_by_role("link", name=name, exact=True).click()
            await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
            await analyzed(page)
            await assert_accessible(page)
        for path in ("/experiments/pause_length", "/experiments?effect=5", "/funnel?time=week&by=property&key=network"):
            await page.goto(f"{console}{path}")
            await analyzed(page)
            await assert_accessible(page)


async def test_the_funnel_shows_what_the_ledger_says_and_each_number_leads_to_its_sessions(stage: Stage) -> None:
    stages = await stage.json("funnel", "--client", "app")
    async with page_of_a_browser() as page:
        await page.goto(await stage.link())
        await page.get_by_text("Choose sessions and steps").press("Enter")  # by keyboard
        await page.get_by_label("Client", exact=True).fill("app")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/funnel?*client=app*")
        await analyzed(page)
        table = page.get_by_role("region", name="Where people drop out")
        for position, row in enumerate(stages, 1):
            cells = await table.get_by_role("row").nth(position).get_by_role("cell").all_inner_texts()
            assert number_of(cells[2]) == row["sessions"]
            assert number_of(cells[4]) == row["under_way"]
            assert bool(re.search(r"\d – \d", cells[0].replace("\N{NO-BREAK SPACE}", " "))) is (position > 1)  # noqa: RUF001
        dropped = table.get_by_role("row").nth(4).get_by_role("cell").nth(3)
        assert number_of(await dropped.inner_text()) == stages[3]["dropped"]
        await dropped.get_by_role("link").click()
        listed = 0
        while True:
            listed += await page.get_by_role("row").count() - 1
            await assert_accessible(page)
            following = page.get_by_role("link", name="Next page")
            if not await following.count():
                break
            await following.click()
        assert listed == stages[3]["dropped"]
        await page.get_by_role("rowheader").first.get_by_role("link").click()
        await expect(page.get_by_role("heading", name="What happened")).to_be_visible()
        await expect(page.get_by_text("Rejected")).to_have_count(1)
        shown = await page.get_by_role("region", name="What happened").get_by_role("row").count() - 1
        session_id = page.url.rpartition("/")[2]
        rows = json.loads(await stage.command("sql", f"FROM session_timeline('{session_id}')", "--json"))
        assert shown == len(rows)
        await assert_accessible(page)


async def test_a_reader_finds_the_planted_causes(stage: Stage) -> None:
    async with page_of_a_browser("phone") as page:
        await page.goto(await stage.link())
        await page.get_by_role("link", name="What to change", exact=True).click()
        await analyzed(page)
        titles = await page.get_by_role("heading", level=2).all_inner_texts()
        assert any("network = 3g" in title for title in titles), titles
        assert any("upload" in title for title in titles), titles
        assert "Change first:" in await page.locator(".headline").inner_text()
        await expect(page.get_by_text("Correlation, not proof")).to_be_visible()
        await expect(page.get_by_role("img", name="Who left before In progress")).to_be_visible()
        affected = page.get_by_role("row", name="Affected").first.get_by_role("link").first
        counted = number_of(await affected.inner_text())
        await affected.click()
        await expect(page.get_by_text("Affected are the sessions where")).to_be_visible()
        await assert_accessible(page)
        listed = 0
        while True:
            listed += await page.get_by_role("region", name="Sessions behind a number").get_by_role("row").count() - 1
            following = page.get_by_role("link", name="Next page")
            if not await following.count():
                break
            await following.click()
        assert listed == counted
        rows = json.loads(await stage.command("funnel", "report", "--cause", "1", "--json"))
        assert len(rows) == counted


async def test_an_experiment_shows_what_the_command_shows(stage: Stage) -> None:
    report = await stage.json("experiments", "report", "pause_length")
    async with page_of_a_browser() as page:
        await page.goto(await stage.link())
        await page.get_by_role("link", name="Experiments").click()
        await page.get_by_role("link", name="pause_length").click()
        rows = page.get_by_role("region", name="Variants").get_by_role("row")
        for position, variant in enumerate(report["variants"], 1):
            cells = await rows.nth(position).get_by_role("cell").all_inner_texts()
            assert number_of(cells[2]) == variant["sessions"]
            assert number_of(cells[4]) == variant["completed"]


async def test_everything_works_without_scripts(stage: Stage) -> None:
    async with page_of_a_browser(scripts=False) as page:
        await page.goto((await stage.link()).partition("?")[0] + "?next=/funnel")
        await page.get_by_label("API key or token").fill(stage.server.operator_key)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_text("Choose sessions and steps").click()
        await page.get_by_label("By time").select_option("month")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", name="Drop-off rates over time")).to_be_visible()
        await page.get_by_role("link", name="What to change", exact=True).click()
        for _ in range(60):
            again = page.get_by_role("link", name="Look again")
            if not await again.count():
                break
            await again.click()  # the page waits for a second itself
        assert "Change first:" in await page.locator(".headline").inner_text()


async def test_a_page_survives_a_restart_of_the_server(stage: Stage, shared_ray: SharedRay) -> None:
    """The last of these tests: it stops the server."""
    async with page_of_a_browser(expected=("Failed to load resource", "ERR_CONNECTION_REFUSED")) as page:
        await page.goto(await stage.link())
        await page.get_by_role("link", name="client", exact=True).click()
        address, heading = page.url, page.get_by_role("heading", name="by group")
        assert "by=client" in address
        await expect(heading).to_be_visible()
        await asyncio.to_thread(stage.server.terminate)
        await asyncio.to_thread(stop_server, stage.server)
        home = stage.server.home
        stage.server = await asyncio.to_thread(start_server, home, *stage.settings, ray=shared_ray)
        await page.reload()
        await page.get_by_label("API key or token").fill(stage.server.operator_key)
        await page.keyboard.press("Enter")
        await page.wait_for_url(address.partition("#")[0])  # the same page as before
        await expect(heading).to_be_visible()
