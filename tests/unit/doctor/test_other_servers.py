"""Remote LLMs, webhooks and mail servers that can be reached, and each way in which they cannot."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from server.doctor import other_servers
from server.doctor.other_servers import Service, check_other_servers, reach, services
from server.doctor.results import Finding
from tests.certificates import Issued, issue
from tests.eventually import eventually
from tests.smtp_server import PASSWORD, USER, Mailbox, smtp_server
from tests.unit.doctor.situations import lines, only, situation

SECRET = "whsec_" + "A" * 32


@contextmanager
def listening(issued: Issued | None = None, folder: Path | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A real server; yields its port and the bytes that each connection brought."""
    came: list[bytes] = []
    context = None
    if issued is not None and folder is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*issued.write(folder))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(0.05)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                    connection.settimeout(10)
                    with (
                        connection,
                        context.wrap_socket(connection, server_side=True) if context else connection as one,
                    ):
                        came.append(one.recv(1000))
                except OSError:  # nobody came, or the handshake was broken off
                    continue

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(server.getsockname()[1]), came
        finally:
            done.set()
            thread.join()


def reached(port: int, authority: Issued | None = None, host: str = "127.0.0.1", scheme: str = "https") -> Finding:
    context = ssl.create_default_context(cadata=authority.pem.decode()) if authority else None
    return reach(Service("remote LLM", f"{scheme}://user:hidden@{host}:{port}/v1", "VESTIBULE_LLM__BASE_URL"), context)


def test_without_a_remote_llm_the_fallback_is_named(tmp_path: Path) -> None:
    found = only(check_other_servers, situation(tmp_path))
    assert (found.level, found.subject) == ("ok", "remote LLM")


def test_a_server_with_a_good_certificate_is_fine_and_gets_nothing(tmp_path: Path) -> None:
    authority = issue("CA")
    with listening(issue("server", authority), tmp_path) as (port, came):
        found = reached(port, authority)
    assert (found.level, found.found) == ("ok", f"127.0.0.1:{port} answers with TLS.")
    assert not any(came)


def test_a_server_in_plain_text_on_this_machine_is_fine_and_gets_nothing(tmp_path: Path) -> None:
    with listening() as (port, came):
        found = only(check_other_servers, situation(tmp_path, llm={"base_url": f"http://127.0.0.1:{port}/v1"}))
    assert (found.level, found.subject) == ("ok", "remote LLM")
    assert not any(came)


@pytest.mark.parametrize(
    ("ends", "hosts", "known", "why"),
    [
        (timedelta(hours=-1), ("127.0.0.1",), True, "expired"),
        (timedelta(days=9), ("elsewhere.example",), True, "mismatch"),
        (timedelta(days=9), ("127.0.0.1",), False, "certificate"),
    ],
)
def test_a_certificate_that_is_not_accepted_is_a_problem(
    tmp_path: Path, ends: timedelta, hosts: tuple[str, ...], known: bool, why: str
) -> None:
    authority = issue("CA")
    bad = issue("server", authority, hosts=hosts, begins=timedelta(days=-2), ends=ends)
    with listening(bad, tmp_path) as (port, _came):
        found = reached(port, authority if known else issue("another CA"))
    assert found.level == "problem"
    assert why in found.found
    assert "hidden" not in str(found)


def test_a_server_without_tls_at_an_https_address_is_a_problem() -> None:
    with listening() as (port, _came):
        assert "does not speak TLS" in reached(port).found or "cannot be reached" in reached(port).found


def test_nobody_at_the_address_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        found = reached(bound_only.getsockname()[1])
    assert found.level == "problem"
    assert "nobody" in found.found
    assert "VESTIBULE_LLM__BASE_URL" in found.hint


def test_a_name_that_is_not_known_is_a_problem() -> None:
    assert "cannot be resolved" in reached(443, host="no-such-host.invalid").found


def test_plain_text_to_another_machine_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as (port, _came):
        monkeypatch.setattr(socket, "create_connection", lambda _place, _s: socket.socket())
        found = reached(port, host="192.0.2.1", scheme="http")
    assert found.level == "warning"
    assert "plain text" in found.found


def test_every_address_of_the_settings_is_looked_at(tmp_path: Path) -> None:
    settings = situation(
        tmp_path,
        llm={
            "base_url": "https://one.example/v1",
            "upstreams": {2: {"base_url": "https://two.example/v1"}},
            "checker": {"base_url": "https://check.example/v1"},
        },
        labels={"base_url": "https://see.example/v1"},
        auth={"issuer": "i", "audience": "a", "jwks_url": "https://issuer.example/keys"},
        alerts={"webhook_url": "https://alerts.example/", "webhook_secret": SECRET},
        reports={"webhook_url": "https://reports.example/", "webhook_secret": SECRET},
    ).settings
    assert {each.url.split("/")[2].split(".")[0]: each.setting for each in services(settings)} == {
        "one": "VESTIBULE_LLM__BASE_URL",
        "two": "VESTIBULE_LLM__UPSTREAMS__2__BASE_URL",
        "check": "VESTIBULE_LLM__CHECKER__BASE_URL",
        "see": "VESTIBULE_LABELS__BASE_URL",
        "issuer": "VESTIBULE_AUTH__JWKS_URL",
        "alerts": "VESTIBULE_ALERTS__WEBHOOK_URL",
        "reports": "VESTIBULE_REPORTS__WEBHOOK_URL",
    }


@pytest.mark.parametrize(("password", "level"), [(PASSWORD, "ok"), ("wrong", "problem")])
async def test_a_mail_server_gets_the_login_and_no_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, level: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setattr(other_servers, "LONGEST_S", 120.0)  # on a machine that is busy with other tests
    mailbox = Mailbox()
    async with smtp_server(mailbox, "starttls", tmp_path, login=True) as port:
        alerts = {
            **{"mail_to": "ops@example.org", "mail_from": "vestibule@example.org", "smtp_host": "127.0.0.1"},
            **{"smtp_port": port, "smtp_security": "starttls", "smtp_user": USER, "smtp_password": password},
        }
        found = await asyncio.to_thread(lambda: list(check_other_servers(situation(tmp_path, alerts=alerts))))
        await eventually(lambda: len(asyncio.all_tasks()) == 1)  # the server has said goodbye, too
    assert lines(found) == [("ok", "remote LLM"), (level, "mail server (alerts)")]
    assert password not in str(found)
    assert mailbox.mails == []


async def test_a_mail_server_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with socket.socket() as bound_only:
        bound_only.bind(("127.0.0.1", 0))
        reports = {
            **{"mail_to": "ops@example.org", "mail_from": "vestibule@example.org", "smtp_host": "127.0.0.1"},
            **{"smtp_port": bound_only.getsockname()[1], "smtp_security": "none"},
        }
        found = await asyncio.to_thread(lambda: list(check_other_servers(situation(tmp_path, reports=reports))))
    assert lines(found) == [("ok", "remote LLM"), ("problem", "mail server (reports)")]
    assert "VESTIBULE_REPORTS__SMTP_HOST" in found[1].hint
