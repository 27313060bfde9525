"""The weekly report of a real server: a test by command, into a folder and by mail, and what the status says."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from server.ledger.columns import Cursor
from server.reports.message import ReportMessage
from tests.e2e.browser import assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.harness import Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.smtp_server import Mailbox, smtp_server
from tests.unit.ledger.migrated import open_ledger
from tests.unit.reports.two_weeks import NETWORKS, WEEK, SimulatedWeek, breaker, maker

pytestmark = pytest.mark.e2e


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=server.environment | {"VESTIBULE_ADDRESS": server.address},
    )


@needs_chromium
@pytest.mark.parametrize("width", ["desktop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_reads_on_every_screen(width: str, scheme: str, tmp_path: Path) -> None:
    """Contrast, order of headings and tables by axe-core, and nothing reaches beyond the width."""
    opened = open_ledger(tmp_path / "ledger.duckdb")
    opened.write_now(two_different_weeks)
    message = ReportMessage.of(await maker(opened).make(WEEK), test=True)
    opened.close()
    async with page_of_a_browser(width, scheme) as page:
        await page.set_content(message.html)
        await assert_accessible(page)
        assert await page.get_by_text("New: sessions where version = 2.1").is_visible()


def two_different_weeks(cursor: Cursor) -> None:
    worse = {"network": NETWORKS, "version": {"2.0": 0.6, "2.1": 0.4}}
    SimulatedWeek(WEEK.before, 1000, mix={"network": NETWORKS, "version": {"2.0": 1.0}}).store(cursor)
    more = {2: lambda drawn: 0.5 if drawn["version"] == "2.1" else 0.0}
    SimulatedWeek(WEEK, 1000, mix=worse, more=more, unheard=0.2).store(cursor)
    breaker(cursor, "vision_worker", datetime(2026, 3, 4), timedelta(hours=3))


async def test_a_test_report_goes_to_a_folder_and_by_mail(home: Path, shared_ray: SharedRay) -> None:
    folder = home.parent / "reports"
    folder.mkdir()
    mailbox = Mailbox(answers=["250 kept", "550 no"])
    async with smtp_server(mailbox) as port:
        settings = (
            f"reports.folder={folder}",
            "reports.mail_to=owner@example.org",
            "reports.mail_from=vestibule@example.org",
            "reports.smtp_host=127.0.0.1",
            f"reports.smtp_port={port}",
            "reports.smtp_security=none",
        )
        server = await asyncio.to_thread(start_server, home, *settings, ray=shared_ray)
        try:
            sent = await asyncio.to_thread(command, server, "report", "send", "--test")
            refused = await asyncio.to_thread(command, server, "report", "send", "--test", "--to", "mail", "--json")
            status = await asyncio.to_thread(command, server, "status", "--json")
        finally:
            await asyncio.to_thread(stop_server, server)
    assert (sent.returncode, sent.stdout.startswith("Test of the report of 20")) == (0, True), sent.stderr
    [content] = mailbox.mails
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert mail["Subject"].startswith("[Test] Vestibule 20")
    assert mail["Subject"].endswith(": no sessions")
    assert {file.suffix for file in folder.iterdir()} == {".html", ".txt", ".json"}
    outcome = json.loads(refused.stdout)["outcomes"][0]
    assert (refused.returncode, outcome["channel"], outcome["reason"]) == (1, "REPORT_CHANNEL_MAIL", "REPORT_REFUSED")
    [part] = [each for each in json.loads(status.stdout)["components"] if each["name"] == "reports"]
    assert part["healthy"], "a test is not the report of its week"
    assert "by folder, mail." in part["detail"]
    assert "example.org" not in server.log, "addresses are not logged"
