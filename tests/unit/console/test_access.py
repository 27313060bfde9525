"""Who gets in, for how long, and what other sites cannot do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from server.access.caller import Scope
from server.console.login_pages import COOKIE
from server.console.logins import MOST, TICKET_S
from server.console.security_middleware import LARGEST_BODY
from server.setting_groups import LimitSettings
from tests.unit.console.harness import ORIGIN, Harness, letter


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/", "/funnel", "/health", "/letters", "/letters/x"])
async def test_nothing_is_shown_to_a_stranger(harness: Harness, path: str) -> None:
    async with harness.browser() as browser:
        answer = await browser.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/login")
        assert not answer.text
        assert (await browser.post("/letters/x/retry")).headers["location"] == "/login"
    assert not harness.admin.done


async def test_a_wrong_key_is_refused_counted_and_bounded(harness: Harness) -> None:
    async with harness.browser() as browser:
        answer = await browser.post("/login", data={"key": "vst_wrong"})
        assert answer.status_code == 401
        assert COOKIE not in answer.cookies
        assert "vst_wrong" not in answer.text
        statuses = {(await browser.post("/login", data={"key": f"vst_{n}"})).status_code for n in range(200)}
    assert statuses == {401, 429}
    assert harness.decisions[0].method == "console/login"
    assert all(decision.denied for decision in harness.decisions)


async def test_a_login_ends_when_it_is_idle_too_old_logged_out_or_its_key_is_revoked(harness: Harness) -> None:
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser(key) as browser:
        harness.now += 1799
        assert (await browser.get("/health")).status_code == 200
        harness.now += 1801
        assert (await browser.get("/health")).status_code == 303
    async with harness.browser(key) as browser:
        for _ in range(30):
            harness.now += 1700
            last = (await browser.get("/health")).status_code
        assert last == 303
    async with harness.browser(key) as browser:
        await browser.post("/logout")
        assert (await browser.get("/health")).status_code == 303
    async with harness.browser(key) as browser:
        await harness.keys.revoke(harness.last_key_id)
        assert (await browser.get("/health")).status_code == 303
        assert not len(harness.logins)


async def test_what_a_page_asks_for_by_itself_keeps_nobody_logged_in(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        harness.now += 1000
        assert (await browser.get("/health", headers={"hx-request": "true"})).status_code == 200
        harness.now += 1000
        assert (await browser.get("/health", headers={"hx-request": "true"})).status_code == 401


async def test_another_site_cannot_log_a_browser_in(harness: Harness) -> None:
    ticket = harness.logins.ticket(await harness.key(Scope.OPERATOR))
    async with harness.browser() as browser:
        answer = await browser.get(f"/login?ticket={ticket}", headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 200
        assert COOKIE not in browser.cookies


async def test_a_caller_makes_only_so_many_calls(tmp_path: Path) -> None:
    harness = Harness(tmp_path, LimitSettings(client_calls_burst=5))
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        statuses = [(await browser.get("/letters")).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    harness.close()


async def test_a_ticket_logs_one_browser_in_once_and_for_a_minute(harness: Harness) -> None:
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser() as command, harness.browser() as browser, harness.browser() as thief:
        assert (await command.post("/tickets")).status_code == 401
        tickets = [
            (await command.post("/tickets", headers={"authorization": f"Bearer {key}"})).json()["ticket"]
            for _ in range(2)
        ]
        assert (await browser.get(f"/login?ticket={tickets[0]}")).status_code == 303
        assert (await browser.get("/health")).status_code == 200
        used = (await thief.get(f"/login?ticket={tickets[0]}")).text
        assert ("a link works once, and for a minute" in used, "You were logged out" in used) == (True, False)
        harness.now += TICKET_S + 1
        assert (await thief.get(f"/login?ticket={tickets[1]}")).status_code == 200
        assert (await thief.get("/health")).status_code == 303


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8090"}, 403),
        ({"host": "["}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8090", "sec-fetch-site": "same-origin"}, 303),
    ],
)
async def test_a_form_of_another_site_is_refused(harness: Harness, headers: dict[str, str], status: int) -> None:
    one = letter()
    harness.admin.letters = [one]
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        assert (await browser.post(f"/letters/{one.id}/retry", headers=headers)).status_code == status
    assert bool(harness.admin.done) is (status == 303)


async def test_every_answer_forbids_scripts_frames_and_caches(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.OPERATOR)) as browser:
        for path in ("/login", "/health", "/nothing", "/static/console.css"):
            headers = (await browser.get(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert ("cache-control" in headers) is not path.startswith("/static")
        page = (await browser.get("/health")).text
    scripts = [f'<script src="/static/{name}" defer>' for name in SCRIPTS]
    assert re.findall(r"<script[^>]*>", page) == scripts
    assert " style=" not in page
    assert " on" not in "".join(part.split(">")[0] for part in page.split("<")[1:] if " on" in part.split(">")[0])


async def test_the_cookie_is_for_this_site_and_for_no_script(harness: Harness) -> None:
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser() as browser:
        cookie = (await browser.post("/login", data={"key": key})).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert key not in cookie


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:x",
        "/a\r\nset-cookie: x",
        "//[",
        "http://[",
        "",
    ],
)
async def test_after_the_login_no_other_site_is_opened(harness: Harness, path: str) -> None:
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser() as browser:
        assert (await browser.post("/login", data={"key": key, "next": path})).headers["location"] == "/"
        assert (await browser.post("/login", data={"key": key, "next": "/health?a=1"})).headers[
            "location"
        ] == "/health?a=1"


async def test_a_link_on_a_page_never_leads_to_another_site(harness: Harness) -> None:
    async with harness.browser(await harness.key(Scope.OPERATOR, Scope.ANALYST)) as browser:
        answer = await browser.get(f"{ORIGIN}//evil.example/x")
        assert (answer.status_code, "href" in answer.text) == (404, False)
        page = (await browser.get("/funnel?from=2026-11-01&client=app&lang=de&done=retried")).text
        assert 'href="/funnel?from=2026-11-01&amp;client=app&amp;lang=es"' in page


async def test_a_mistyped_key_does_not_lose_the_page(harness: Harness) -> None:
    async with harness.browser() as browser:
        answer = await browser.post("/login", data={"key": "x", "next": "/funnel?client=app"})
    assert 'value="/funnel?client=app"' in answer.text


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "This key or token is not valid here."),
        ("de", "Dieser Schlüssel oder dieses Token gilt hier nicht."),
        ("es", "Esta clave o este token no vale aquí."),
    ],
)
async def test_a_login_that_fails_is_told_in_the_language_of_the_page(
    harness: Harness, language: str, told: str
) -> None:
    async with harness.browser() as browser:
        answer = await browser.post("/login", data={"key": "x"}, headers={"accept-language": language})
    assert f'<p class="note bad" role="alert" id="problem">{told}</p>' in answer.text


async def test_a_form_that_is_too_long_is_refused(harness: Harness) -> None:
    async with harness.browser() as browser:
        refused = await browser.post("/login", data={"key": "x" * LARGEST_BODY}, headers={"accept-language": "es"})
        assert (refused.status_code, "Lo que envió es demasiado grande." in refused.text) == (413, True)
        assert "default-src 'none'" in refused.headers["content-security-policy"]

        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"key=" + b"x" * 1000

        assert (await browser.post("/login", content=endless())).status_code == 413


SCRIPTS = {
    "htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    "htmx-ext-sse.min.js": "98a46496de0c3605fbffdce9167ba427bdd9553184f83f149c261891a92c0136",
}
"""Of htmx.org 2.0.11 and htmx-ext-sse 2.2.4, as the npm registry has them; SHA-256."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_the_released_one(name: str) -> None:
    script = files("server.console").joinpath("static", name).read_bytes()
    assert hashlib.sha256(script).hexdigest() == SCRIPTS[name]
    assert files("server.console").joinpath("static", name.replace(".min.js", ".LICENSE.txt")).is_file()


async def test_a_script_of_a_browser_that_was_logged_out_is_sent_to_the_login(harness: Harness) -> None:
    async with harness.browser(**{"hx-request": "true"}) as browser:
        answer = await browser.get("/health")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2Fhealth")


async def test_logins_are_bounded(harness: Harness) -> None:
    secrets = [harness.logins.begin("key") for _ in range(MOST + 1)]
    assert len(harness.logins) == MOST
    assert harness.logins.find(secrets[0]) is None
    last = harness.logins.find(secrets[-1])
    assert last is not None
    assert last.credential == "key"
