"""The console beyond loopback: which settings start it, which hosts it answers to, and what its cookies are worth."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.caller import Scope
from server.access.operator_key import load_or_create_operator_key
from server.console.place import Place, browser_at
from server.preflight import check_settings
from server.setting_groups import ConsoleSettings, LimitSettings
from server.settings import Settings
from tests.certificates import issue
from tests.unit.console.harness import Harness

URL = "https://console.example:8090"
ELSEWHERE = ConsoleSettings(host="0.0.0.0", url=URL, names="console.internal 192.0.2.7")


def settings(folder: Path, **console: Any) -> Settings:
    folders: dict[str, Any] = {name: folder / name for name in ("data_dir", "state_dir", "cache_dir")}
    return Settings(**folders, ray={"num_cpus": 64}, console={"host": "0.0.0.0", "url": URL, **console})


def test_beyond_loopback_the_console_does_not_start_without_tls(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_settings(settings(tmp_path).model_copy(update={"allow_plaintext": True}))
    assert caught.value.reason is Reason.PLAINTEXT_REFUSED
    assert "VESTIBULE_CONSOLE__TLS_CERTIFICATE" in caught.value.hint
    certificate, key = issue("console.example", issue("CA")).write(tmp_path)
    check_settings(settings(tmp_path, tls_certificate=certificate, tls_key=key))
    gate = settings(tmp_path).tls.model_copy(update={"certificate": certificate, "key": key})
    check_settings(settings(tmp_path).model_copy(update={"tls": gate}))
    check_settings(settings(tmp_path, enabled=False))
    key.chmod(0o644)
    with pytest.raises(InvalidInput) as caught:
        check_settings(settings(tmp_path, tls_certificate=certificate, tls_key=key))
    assert caught.value.reason is Reason.TLS_KEY_EXPOSED
    assert "VESTIBULE_CONSOLE__TLS_KEY" in caught.value.message


@pytest.mark.parametrize(
    ("console", "reason"),
    [
        ({"host": "0.0.0.0"}, "CONSOLE_SETTINGS_INVALID"),
        ({"host": "0.0.0.0", "url": "http://console.example"}, "CONSOLE_SETTINGS_INVALID"),
        ({"host": "0.0.0.0", "url": "http://127.0.0.1"}, "CONSOLE_SETTINGS_INVALID"),
        ({"url": "http://console.example"}, "CONSOLE_SETTINGS_INVALID"),
        ({"url": "https://console.example/path"}, "CONSOLE_SETTINGS_INVALID"),
        ({"url": "https://me@console.example"}, "CONSOLE_SETTINGS_INVALID"),
        ({"tls_key": "key.pem"}, "TLS_INCOMPLETE"),
        ({"names": "a,b"}, "string_pattern_mismatch"),
    ],
)
def test_settings_that_do_not_fit_are_refused(console: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ConsoleSettings(**console)
    assert [error["type"] for error in caught.value.errors()] == [reason]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("console.example:8090", 200),
        ("CONSOLE.example", 200),
        ("console.internal", 200),
        ("192.0.2.7:8090", 200),
        ("127.0.0.1:8090", 200),
        ("evil.example", 403),
        ("console.example.evil.example", 403),
        ("", 403),
    ],
)
async def test_only_hosts_of_the_settings_are_answered_to(tmp_path: Path, host: str, status: int) -> None:
    harness = Harness(tmp_path, settings=ELSEWHERE)
    async with harness.browser(host=host) as browser:
        assert (await browser.get("/login")).status_code == status
    harness.close()


async def test_cookies_belong_to_this_host_over_tls_and_browsers_are_told_to_speak_only_tls(tmp_path: Path) -> None:
    harness = Harness(tmp_path, settings=ELSEWHERE)
    key = await harness.key(Scope.OPERATOR)
    async with harness.browser(origin=URL) as browser:
        answer = await browser.post("/login", data={"key": key})
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"__Host-vestibule_login=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", cookie)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        page = await browser.get("/health?lang=de")
        assert page.status_code == 200
        assert page.headers["set-cookie"].endswith("; Secure")
        out = (await browser.post("/logout")).headers["set-cookie"]
        assert out.startswith("__Host-vestibule_login=")
        assert out.endswith("; Secure")
        local = await browser.get("/login", headers={"host": "localhost:8090"})
        assert "strict-transport-security" not in local.headers, "it would hold for each port of this machine"
    async with harness.browser(origin=URL) as browser:
        browser.cookies.set("vestibule_login", harness.logins.begin(key))
        assert (await browser.get("/health")).status_code == 303, "another host of the domain could have set it"
    harness.close()
    plain = Harness(tmp_path / "plain")
    async with plain.browser() as browser:
        answer = await browser.post("/login", data={"key": await plain.key(Scope.OPERATOR)})
        assert "Secure" not in answer.headers["set-cookie"]
        assert "strict-transport-security" not in answer.headers
    plain.close()


@pytest.mark.parametrize(
    ("address", "host", "network", "local"),
    [
        ("127.0.0.1", "127.0.0.1:8090", "127.0.0.1", True),
        ("::1", "[::1]:8090", "::/64", True),
        ("127.0.0.1", "console.example", "127.0.0.1", False),
        ("192.0.2.9", "127.0.0.1", "192.0.2.9", False),
        ("192.0.2.9", "console.example", "192.0.2.9", False),
        ("2001:db8::1:2", "console.example", "2001:db8::/64", False),
        ("", "127.0.0.1", "", False),
    ],
)
def test_where_a_browser_is(address: str, host: str, network: str, local: bool) -> None:
    peer = browser_at(address, host)
    assert (peer.network, peer.local) == (network, local)


async def test_the_generated_key_logs_in_from_this_machine_only_and_not_through_a_proxy(tmp_path: Path) -> None:
    harness = Harness(tmp_path, settings=ELSEWHERE)
    key = load_or_create_operator_key(tmp_path)
    harness.keys.accept_operator_key(key)
    statuses = []
    for at, origin in (("192.0.2.9", URL), ("127.0.0.1", URL), ("127.0.0.1", "https://127.0.0.1:8090")):
        async with harness.browser(at=at, origin=origin) as browser:
            statuses.append((await browser.post("/login", data={"key": key})).status_code)
    assert statuses == [401, 401, 303]
    harness.close()


async def test_a_flood_of_wrong_keys_keeps_nobody_out_who_has_a_real_one(tmp_path: Path) -> None:
    harness = Harness(tmp_path, LimitSettings(network_refused_burst=3), ELSEWHERE)
    key, other = await harness.key(Scope.OPERATOR), await harness.key(Scope.ANALYST)
    wrong = key.rpartition("_")[0] + "_" + "0" * 64
    async with harness.browser(at="192.0.2.66", origin=URL) as stranger, harness.browser(origin=URL) as browser:
        statuses = [(await stranger.post("/login", data={"key": f"vst_{n}"})).status_code for n in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert (await browser.post("/login", data={"key": "x"})).status_code == 401, "another address has its own bound"
        assert (await stranger.post("/login", data={"key": key})).status_code == 303, "a real key from the same address"
        assert (await stranger.post("/login", data={"key": wrong})).status_code == 401
        assert (await stranger.post("/login", data={"key": other})).status_code == 303
        assert (await stranger.post("/login", data={"key": "eyJ.eyJ.sig"})).status_code == 429
    harness.close()


def test_the_place_without_settings_is_loopback_and_plain() -> None:
    assert Place.of_settings(ConsoleSettings(), tls=False).url == "http://127.0.0.1:8090"
    assert Place.of_settings(ConsoleSettings(host="::1", port=1), tls=True).url == "https://[::1]:1"
