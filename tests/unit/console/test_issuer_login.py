"""The login at an issuer, against a real one over HTTP: who gets in, and what an attacker cannot do."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.caller import Scope
from server.console import issuer_login
from server.console.issuer_http import RETRY_S, IssuerHttp
from server.console.issuer_login import UNDER_WAY_S
from server.preflight import check_settings
from server.setting_groups import ConsoleSettings, LimitSettings
from server.settings import Settings
from tests.certificates import issue
from tests.unit.access.clock import HandClock
from tests.unit.access.issuer import AUDIENCE, settings, stranger
from tests.unit.console.harness import ORIGIN, Harness
from tests.unit.console.issuer import CLIENT, PASSWORD, SECRET, TestIssuer
from tests.unit.ledger.makers import NOW

RETURN = f"{ORIGIN}/login/return"


class Site:
    """A console and its issuer. ``browser`` follows the login as a person would."""

    def __init__(self, harness: Harness, issuer: TestIssuer, clock: HandClock) -> None:
        self.harness, self.issuer, self.clock = harness, issuer, clock

    @asynccontextmanager
    async def browser(self, **headers: str) -> AsyncIterator[Browser]:
        async with self.harness.browser(**headers) as console, httpx2.AsyncClient(trust_env=False) as outside:
            yield Browser(console, outside)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))
        self.harness.now += seconds


class Browser:
    """One browser: its cookies for the console, and a connection to the issuer."""

    def __init__(self, console: httpx2.AsyncClient, outside: httpx2.AsyncClient) -> None:
        self.console, self.outside = console, outside

    async def begin(self, path: str = "/funnel") -> str:
        """The address at the issuer."""
        answer = await self.console.get("/login/issuer", params={"next": path})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def sign_in(self, address: str, password: str = PASSWORD) -> str:
        """Fill in the issuer's form; the address that it leads back to."""
        answer = await self.outside.post(address, data={"password": password})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def log_in(self, path: str = "/funnel") -> httpx2.Response:
        """All of it."""
        return await self.console.get(await self.sign_in(await self.begin(path)))

    async def works(self) -> int:
        """The status of a page."""
        return (await self.console.get("/funnel")).status_code


@asynccontextmanager
async def site_of(folder: Path, limits: LimitSettings | None = None, **changes: Any) -> AsyncIterator[Site]:
    clock = HandClock(NOW)
    async with TestIssuer(clock, RETURN).running() as issuer:
        console = ConsoleSettings(oidc_client_id=CLIENT, oidc_client_secret=SecretStr(issuer.secret), **changes)
        auth = settings(issuer=issuer.url, audience=AUDIENCE, jwks_url=f"{issuer.url}/jwks")
        harness = Harness(folder, limits, console, auth=auth, clock=clock)
        yield Site(harness, issuer, clock)
        harness.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(tmp_path) as made:
        yield made


async def test_a_person_logs_in_at_the_issuer_and_sees_what_the_token_allows(site: Site) -> None:
    async with site.browser() as browser:
        page = await browser.console.get("/login?next=%2Ffunnel%3Fclient%3Da")
        link = unescape(re.findall(r'href="(/login/issuer[^"]*)"', page.text)[0])
        assert link == "/login/issuer?next=/funnel%3Fclient%3Da"
        assert "Log in at 127.0.0.1" in page.text
        welcome = await browser.log_in("/funnel?client=a")
        assert welcome.status_code == 200
        assert '<meta http-equiv="refresh" content="0;url=/funnel?client=a">' in welcome.text
        assert '<meta name="referrer" content="no-referrer">' in welcome.text
        assert await browser.works() == 200
        assert (await browser.console.get("/health")).status_code == 403
    asked = site.issuer.asked[0]
    assert (asked["redirect_uri"], asked["client_secret"]) == (RETURN, SECRET)
    [login] = [decision for decision in site.harness.decisions if decision.method == "console/login"]
    assert login.caller.subject.startswith("jwt:")
    assert "user-7" not in login.caller.subject
    assert login.caller.client_id == "", "the issuer says every client"


async def test_what_goes_to_the_issuer_proves_and_hides_what_it_should(site: Site) -> None:
    async with site.browser() as browser:
        addresses = [await browser.begin() for _ in range(2)]
        first, second = ({k: v[0] for k, v in parse_qs(urlsplit(a).query).items()} for a in addresses)
        assert first["tenant"] == "1"
        assert (first["response_type"], first["code_challenge_method"]) == ("code", "S256")
        for name in ("state", "nonce", "code_challenge"):
            assert len(first[name]) == 43
            assert first[name] != second[name]
        assert "verifier" not in addresses[0]
        cookie = (await browser.console.get("/login/issuer")).headers["set-cookie"]
        assert re.fullmatch(r"vestibule_under_way=[\w-]+; HttpOnly; Max-Age=600; Path=/; SameSite=lax", cookie)
        assert first["state"] not in cookie
        assert len(cookie) < 4096
        long = await browser.console.get("/login/issuer", params={"next": "/funnel?client=" + "a" * 3000})
        assert len(long.headers["set-cookie"]) < 4096


async def test_another_site_can_neither_begin_a_login_nor_end_its_own_in_another_browser(site: Site) -> None:
    async with site.browser() as victim, site.browser() as attacker:
        begun = await victim.console.get("/login/issuer?next=/health", headers={"sec-fetch-site": "cross-site"})
        assert begun.headers["location"] == "/login?next=%2Fhealth"
        back = await attacker.sign_in(await attacker.begin())
        assert (await victim.console.get(back)).status_code == 401, "without a login under way"
        await victim.begin()
        answer = await victim.console.get(back)
        assert (answer.status_code, "began in another browser" in answer.text) == (401, True)
        assert await victim.works() == 303
        assert not site.issuer.asked, "the attacker's code was not used"
        refused = [decision.denied for decision in site.harness.decisions]
        assert refused == [Reason.LOGIN_FAILED] * 2


async def test_a_login_ends_once_and_in_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site.browser() as browser:
        address = await browser.begin()
        cookie = browser.console.cookies["vestibule_under_way"]
        back = await browser.sign_in(address)
        assert (await browser.console.get(back)).status_code == 200
        assert "vestibule_under_way" not in browser.console.cookies
        await browser.console.post("/logout")
        browser.console.cookies.set("vestibule_under_way", cookie, domain="127.0.0.1")
        answer = await browser.console.get(back)
        assert (answer.status_code, "has ended already" in answer.text) == (401, True)
        assert len(site.issuer.asked) == 1
        monkeypatch.setattr(issuer_login, "MOST_USED", 0)  # as if many had logged in since
        for _ in range(2):
            await browser.console.get(await browser.sign_in(await browser.begin()))
            await browser.console.post("/logout")
        browser.console.cookies.set("vestibule_under_way", cookie, domain="127.0.0.1")
        assert (await browser.console.get(back)).status_code == 401, "the issuer knows that the code was used"
        slow = await browser.sign_in(await browser.begin())
        site.pass_time(UNDER_WAY_S + 1)
        answer = await browser.console.get(slow)
        assert (answer.status_code, "took too long" in answer.text) == (401, True)


async def test_a_login_gets_a_cookie_of_its_own_and_ends_the_one_before(site: Site) -> None:
    async with site.browser() as browser:
        browser.console.cookies.set("vestibule_login", "planted", domain="127.0.0.1")
        await browser.log_in()
        first = browser.console.cookies["vestibule_login"]
        assert first != "planted"
        await browser.log_in()
        assert browser.console.cookies["vestibule_login"] != first
        assert len(site.harness.logins) == 1


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "/\tx"])
async def test_a_login_leads_to_no_other_site(site: Site, path: str) -> None:
    async with site.browser() as browser:
        welcome = await browser.log_in(path)
        assert 'content="0;url=/"' in welcome.text
        assert "evil" not in welcome.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id_claims": {"nonce": "other"}}, "id token"),
        ({"id_claims": {"nonce": None}}, "id token"),
        ({"id_claims": {"iss": "https://evil.example"}}, "id token"),
        ({"id_claims": {"aud": "another-client"}}, "id token"),
        ({"id_claims": {"aud": "another-client", "azp": CLIENT}}, "id token"),
        ({"id_claims": {"aud": None, "azp": CLIENT}}, "id token"),
        ({"id_claims": {"aud": [CLIENT, "another"]}}, "id token"),
        ({"id_claims": {"azp": "another-client"}}, "id token"),
        ({"id_claims": {"exp": 1}}, "id token"),
        ({"id_claims": {"sub": None}}, "id token"),
        ({"id_claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}}, "id token"),
        ({"id_claims": {"exp": "soon"}}, "id token"),
        ({"key": "stranger"}, "id token"),
        ({"access_claims": {"aud": "another-server"}}, "access token"),
        ({"access_claims": {"exp": 1}}, "access token"),
        ({"access_claims": {"client_id": None}}, "access token"),
        ({"scope": "openid"}, "access token"),
        ({"scope": "openid app", "access_claims": {"client_id": "kiosk"}}, "no page"),
        ({"names_itself": "https://evil.example"}, "Another issuer"),
        ({"secret": "changed"}, "did not log you in"),
    ],
)
async def test_what_the_issuer_gives_is_checked(site: Site, change: dict[str, Any], told: str) -> None:
    site.issuer.algorithm = "RS256" if "key" in change else "ES256"
    for name, value in change.items():
        setattr(site.issuer, name, stranger() if value == "stranger" else value)
    async with site.browser() as browser:
        answer = await browser.log_in()
        assert answer.status_code in (401, 403)
        assert told in answer.text
        assert "vestibule_login" not in browser.console.cookies
        assert len(site.harness.logins) == 0
    assert site.harness.decisions[-1].denied or told == "no page"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "Ed25519"])
async def test_each_algorithm_of_the_gate_can_sign(site: Site, algorithm: str) -> None:
    site.issuer.algorithm = algorithm
    site.issuer.id_claims = {"at_hash": None} if algorithm == "Ed25519" else {}  # that of SHA-512 is not made here
    async with site.browser() as browser:
        assert (await browser.log_in()).status_code == 200


async def test_an_issuer_that_names_itself_always_must_do_so(site: Site) -> None:
    async with site.browser() as browser:
        back = await browser.sign_in(await browser.begin())
        answer = await browser.console.get(back.partition("&iss=")[0])
        assert (answer.status_code, "Another issuer" in answer.text) == (401, True)


async def test_a_refusal_of_the_issuer_is_told_in_our_words(site: Site) -> None:
    async with site.browser() as browser:
        answer = await browser.console.get(await browser.sign_in(await browser.begin("/health"), "wrong"))
        assert answer.status_code == 401
        assert "The issuer did not log you in." in answer.text
        assert "alert(1)" not in answer.text
        assert 'name="next" value="/health"' in answer.text, "the page is not lost"


async def test_clocks_may_differ_a_little(site: Site) -> None:
    async with site.browser() as browser:
        now = int(site.clock().timestamp())
        site.issuer.id_claims = {"iat": now + 20, "exp": now + 320}
        site.issuer.access_claims = {"iat": now + 20}
        assert (await browser.log_in()).status_code == 200
        site.issuer.id_claims = {"iat": now + 90, "exp": now + 320}
        answer = await browser.log_in()
        assert (answer.status_code, "Compare the clocks" in answer.text) == (401, True)


async def test_while_the_issuer_is_down_a_page_says_so_and_keys_work(site: Site) -> None:
    site.issuer.down = True
    async with site.browser() as browser:
        answer = await browser.console.get("/login/issuer?next=/health")
        assert answer.status_code == 503
        assert "The issuer does not answer, so nobody can log in there now. API keys still work." in answer.text
        key = await site.harness.key(Scope.OPERATOR)
        assert (await browser.console.post("/login", data={"key": key})).status_code == 303
        assert (await browser.console.get("/health")).status_code == 200


async def test_a_login_is_renewed_before_its_token_ends(site: Site) -> None:
    async with site.browser() as browser:
        await browser.log_in()
        for _ in range(4):
            site.pass_time(315)
            assert await browser.works() == 200
        assert [form["grant_type"] for form in site.issuer.asked] == ["authorization_code"] + ["refresh_token"] * 4
        assert len({form.get("refresh_token") for form in site.issuer.asked}) == 5, "each is used once"
        site.issuer.end_sessions()
        site.pass_time(315)
        assert await browser.works() == 303, "the issuer has ended the login"
        assert len(site.harness.logins) == 0


async def test_a_login_outlives_an_outage_of_the_issuer_but_not_its_token(site: Site) -> None:
    async with site.browser() as browser:
        await browser.log_in()
        site.issuer.down = True
        site.pass_time(315)
        assert await browser.works() == 200, "the token is still good"
        site.pass_time(60)
        page = await browser.console.get("/funnel")
        assert (page.status_code, "ISSUER_UNAVAILABLE" in page.text) == (503, True)
        site.issuer.down = False
        assert await browser.works() == 503
        site.pass_time(RETRY_S)
        assert await browser.works() == 200, "nobody has to log in again"


async def test_a_renewal_is_made_once_for_all_pages_and_finished_when_the_browser_leaves(site: Site) -> None:
    async with site.browser() as browser:
        await browser.log_in()
        site.pass_time(315)
        site.issuer.free.clear()
        pages = [asyncio.create_task(browser.works()) for _ in range(3)]
        async with asyncio.timeout(60):
            while len(site.issuer.asked) < 2:  # noqa: ASYNC110 - of the issuer
                await asyncio.sleep(0.01)
        pages[0].cancel()  # it began the renewal
        site.issuer.free.set()
        assert await asyncio.gather(*pages[1:]) == [200, 200]
        assert await browser.works() == 200
        assert len(site.issuer.asked) == 2, "a refresh token is good once"


@pytest.mark.parametrize("changed", [{"id_claims": {"sub": "user-8"}}, {"access_claims": {"sub": "user-8"}}])
async def test_a_renewal_for_somebody_else_ends_the_login(site: Site, changed: dict[str, Any]) -> None:
    async with site.browser() as browser:
        await browser.log_in()
        for name, value in changed.items():
            setattr(site.issuer, name, value)
        site.pass_time(315)
        assert await browser.works() == 303


async def test_without_a_refresh_token_a_login_ends_with_its_token(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer_login, "LONGEST", 2000)
    async with site.browser() as browser:
        await browser.log_in()
        [login] = site.harness.logins._logins.values()
        assert login.issued is not None
        object.__setattr__(login.issued, "refresh", "")
        site.pass_time(315)
        assert await browser.works() == 200
        site.pass_time(20)
        assert await browser.works() == 303


async def test_logging_out_ends_the_login_at_the_issuer_too(site: Site) -> None:
    async with site.browser() as browser:
        await browser.log_in()
        page = await browser.console.post("/logout")
        assert page.status_code == 200
        assert await browser.works() == 303
        address = unescape(re.findall(r'content="0;url=([^"]*)"', page.text)[0])
        assert address.startswith(f"{site.issuer.url}/logout?id_token_hint=")
        left = await browser.outside.get(address)
        assert left.headers["location"] == f"{ORIGIN}/login"
        assert site.issuer.logged_out == [site.issuer.gave[2]]
        again = await browser.console.post("/logout")
        assert again.headers["location"] == "/login"


async def test_an_issuer_without_a_page_to_log_out_is_left_alone(site: Site) -> None:
    site.issuer.metadata = {"end_session_endpoint": "http://issuer.example/logout"}  # which others could read
    async with site.browser() as browser:
        await browser.log_in()
        assert (await browser.console.post("/logout")).headers["location"] == "/login"
        assert await browser.works() == 303


async def test_secrets_stay_out_of_logs_pages_and_names(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:
        async with site.browser() as browser:
            welcome = await browser.log_in()
            site.issuer.end_sessions()
            site.pass_time(315)
            await browser.works()
            site.issuer.id_claims = {"nonce": "other"}
            failed = await browser.log_in()
    # The requests of the test's own browser are logged here, too; those of the server go to other addresses.
    logged = [record.getMessage() for record in caplog.records]
    of_the_server = [text for text in logged if "/login/return" not in text and "/authorize" not in text]
    assert any("/token" in text for text in of_the_server)
    said = str(lines) + "".join(of_the_server) + welcome.text + failed.text
    assert len(site.issuer.gave) > 4
    for secret in [*site.issuer.gave, SECRET]:
        assert secret not in said
    [*_, last] = [form["code_verifier"] for form in site.issuer.asked if "code_verifier" in form]
    assert last not in said


async def test_logins_that_fail_at_the_issuer_are_bounded_and_keep_no_keys_out(tmp_path: Path) -> None:
    async with site_of(tmp_path, LimitSettings(network_refused_burst=3)) as site, site.browser() as browser:
        site.issuer.secret = "changed"
        statuses = [(await browser.log_in()).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert len(site.issuer.asked) == 3, "the issuer is spared"
        key = await site.harness.key(Scope.OPERATOR)
        assert (await browser.console.post("/login", data={"key": key})).status_code == 303


async def test_a_flood_of_wrong_keys_keeps_nobody_from_the_issuer(tmp_path: Path) -> None:
    async with site_of(tmp_path, LimitSettings(network_refused_burst=3)) as site, site.browser() as browser:
        statuses = [(await browser.console.post("/login", data={"key": "x"})).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert (await browser.log_in()).status_code == 200
        assert await browser.works() == 200


async def test_a_login_begins_at_the_address_that_the_issuer_knows(tmp_path: Path) -> None:
    async with site_of(tmp_path, url="https://console.example", names="console.internal") as site:
        async with site.harness.browser(origin="https://console.internal") as browser:
            answer = await browser.get("/login/issuer?next=/health")
            assert answer.headers["location"] == "https://console.example/login?next=%2Fhealth"
        async with site.harness.browser(origin="https://console.example") as browser:
            answer = await browser.get("/login/issuer")
            assert "redirect_uri=https%3A%2F%2Fconsole.example%2Flogin%2Freturn" in answer.headers["location"]
            assert answer.headers["set-cookie"].startswith("__Host-vestibule_under_way=")
            assert answer.headers["set-cookie"].endswith("SameSite=lax; Secure")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://issuer.example/token"},
        {"token_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
async def test_metadata_of_another_issuer_or_without_tls_are_not_used(site: Site, metadata: dict[str, Any]) -> None:
    site.issuer.metadata = metadata
    async with site.browser() as browser:
        assert (await browser.console.get("/login/issuer")).status_code == 503


async def test_an_issuer_with_a_ca_of_its_own_is_asked_over_tls(tmp_path: Path) -> None:
    ca = issue("CA")
    files = issue("issuer", ca).write(tmp_path)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(ca.pem)
    async with TestIssuer(HandClock(NOW), RETURN).running(files) as issuer:
        document = f"{issuer.url}/.well-known/openid-configuration"
        assert (await IssuerHttp(trusted).get(document))[1]["issuer"] == issuer.url
        with pytest.raises(Exception, match="does not answer"):
            await IssuerHttp(None).get(document)


def test_the_login_needs_an_issuer(tmp_path: Path) -> None:
    folders: dict[str, Any] = {name: tmp_path / name for name in ("data_dir", "state_dir", "cache_dir")}
    with pytest.raises(InvalidInput) as caught:
        check_settings(Settings(**folders, ray={"num_cpus": 64}, console={"oidc_client_id": CLIENT}))
    assert caught.value.reason is Reason.CONSOLE_SETTINGS_INVALID
    with pytest.raises(ValueError, match="PORT"):
        ConsoleSettings(oidc_client_id="x", port=0)
