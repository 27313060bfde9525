"""A real Chromium at a console with TLS: one of a whole server, and others over the services of the unit tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect
from pydantic import SecretStr

from server.access.caller import Scope
from server.cli.demo.processes import free_ports
from server.console.http import ConsoleServer
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.setting_groups import AuthSettings, ConsoleSettings, TlsSettings
from server.tls.files import OF_THE_CONSOLE
from server.tls.reload import ConsoleCertificate
from tests.certificates import issue
from tests.e2e.browser import assert_accessible, needs_chromium, page_of_a_browser
from tests.e2e.harness import start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.unit.access.issuer import AUDIENCE
from tests.unit.console.harness import Harness, letter
from tests.unit.console.issuer import CLIENT, PASSWORD, SECRET, TestIssuer

pytestmark = [pytest.mark.e2e, needs_chromium]
CA = issue("CA")


@asynccontextmanager
async def console(
    folder: Path, port: int = 0, issuer: TestIssuer | None = None
) -> AsyncIterator[tuple[Harness, ConsoleServer]]:
    """A console with TLS on loopback, where people can log in at an issuer if one is given."""
    pages = ConsoleSettings(url=f"https://localhost:{port or 1}")
    auth = None
    if issuer is not None:
        pages = pages.model_copy(update={"oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET)})
        auth = AuthSettings(issuer=issuer.url, audience=AUDIENCE, jwks_url=f"{issuer.url}/jwks")
    harness = Harness(folder, settings=pages, auth=auth, clock=utc_now)
    issue("console", CA).write(folder)
    files = TlsSettings(certificate=folder / "server.pem", key=folder / "server.key")
    certificate = ConsoleCertificate(files, lambda: datetime.now(UTC), Metrics(), OF_THE_CONSOLE)
    settings = ConsoleSettings(port=port)
    server = ConsoleServer(harness.app, settings, folder, certificate, on_stop=harness.live.close)
    await server.start()
    try:
        yield harness, server
    finally:
        await server.stop()
        harness.close()


async def test_an_open_page_follows_changes_survives_a_restart_and_ends_with_the_login(tmp_path: Path) -> None:
    async with page_of_a_browser(insecure=True, expected=("ERR_", "401", "[object Event]")) as page:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        async with console(tmp_path / "one") as (harness, server):
            key = await harness.key(Scope.OPERATOR)
            port = urlsplit(server.address).port or 0
            await page.goto(f"https://localhost:{port}/letters?closed=yes")
            await page.get_by_label("API key or token").fill(key)
            await page.get_by_role("button", name="Log in").click()
            await expect(page.get_by_text("There are no open dead letters.")).to_be_visible()
            cookie = {found["name"]: found for found in await page.context.cookies()}["__Host-vestibule_login"]
            assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Strict")
            harness.admin.letters = [letter()]
            await expect(page.get_by_role("link", name="Read a picture")).to_be_visible()
            harness.admin.letters = []
            await expect(page.get_by_text("There are no open dead letters.")).to_be_visible()
            assert len(harness.live) == 1, "the page still has its one stream"
        async with console(tmp_path / "two", port) as (harness, server):  # another process knows no login
            await page.wait_for_url("**/login?next=%2Fletters%3Fclosed%3Dyes**")
            await page.get_by_label("API key or token").fill(await harness.key(Scope.OPERATOR))
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/letters?closed=yes")
            harness.admin.letters = [letter()]
            await expect(page.get_by_role("link", name="Read a picture")).to_be_visible()
            await harness.keys.revoke(harness.last_key_id)
            await page.wait_for_url("**/login?next=**")
            await expect(page.get_by_text("You were logged out. Log in again.")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_person_logs_in_at_the_issuer_and_out_again(tmp_path: Path, scripts: bool) -> None:
    [port] = free_ports(1)
    issuer = TestIssuer(utc_now, f"https://localhost:{port}/login/return", scope="openid analyst operator")
    async with (
        issuer.running(),
        console(tmp_path, port, issuer),
        page_of_a_browser(insecure=True, scripts=scripts, expected=("401",)) as page,
    ):
        await page.goto(f"https://localhost:{port}/letters?closed=yes")
        if scripts:
            await assert_accessible(page)
        await page.get_by_role("link", name="Log in at 127.0.0.1").click()
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text(
            "The login was not completed. Log in again, or use an API key."
        )
        await page.get_by_role("link", name="Log in at 127.0.0.1").click()
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url("**/letters?closed=yes")  # with a cookie that other sites never bring along
        await expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
        cookies = {found["name"] for found in await page.context.cookies(f"https://localhost:{port}")}
        assert cookies == {"__Host-vestibule_login"}
        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url(f"https://localhost:{port}/login")
        assert len(issuer.logged_out) == 1
        await page.goto(f"https://localhost:{port}/letters")
        await expect(page.get_by_label("API key or token")).to_be_visible()


async def test_a_whole_server_serves_its_console_on_the_network(
    tmp_path: Path, shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    [port] = free_ports(1)
    address = f"https://localhost:{port}"
    certificate, key = issue("console", CA).write(tmp_path)
    monkeypatch.setenv("VESTIBULE_CONSOLE__OIDC_CLIENT_SECRET", SECRET)
    issuer = TestIssuer(utc_now, f"{address}/login/return", scope="openid operator")
    gone = ("[object Event]", "ERR_CONNECTION_REFUSED")  # of the page that is open when the server stops
    async with issuer.running(), page_of_a_browser(insecure=True, expected=gone) as page:
        settings = (
            "console.enabled=true",
            "console.host=0.0.0.0",
            f"console.port={port}",
            f"console.url={address}",
            f"console.tls_certificate={certificate}",
            f"console.tls_key={key}",
            f"console.oidc_client_id={CLIENT}",
            f"auth.issuer={issuer.url}",
            f"auth.audience={AUDIENCE}",
            f"auth.jwks_url={issuer.url}/jwks",
        )
        server = await asyncio.to_thread(start_server, tmp_path / "home", *settings, ray=shared_ray)
        try:
            await page.goto(f"{address}/health")
            await page.get_by_role("link", name="Log in at 127.0.0.1").click()
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_url(f"{address}/health")
            await expect(page.get_by_role("rowheader", name="console_tls")).to_be_visible()
            command = [sys.executable, "-m", "server.cli", "console"]
            printed = await asyncio.to_thread(
                subprocess.run, command, capture_output=True, text=True, check=True, env=server.environment
            )
            await page.get_by_role("button", name="Log out").click()
            await page.wait_for_url(f"{address}/login")
            await page.goto(printed.stdout.strip())
            await page.get_by_role("link", name="Health").click()
            await expect(page.get_by_role("heading", name="Health")).to_be_visible()
            await asyncio.to_thread(server.terminate)  # an open page that follows does not delay it
        finally:
            await asyncio.to_thread(stop_server, server)
        assert not [secret for secret in [*issuer.gave, SECRET] if secret in server.log]
