"""The channels against a real folder, a real HTTP server and a real SMTP server."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import InternalError, Unavailable
from server.alerts.smtp import MailServer
from server.reports.channels import FolderChannel, MailChannel, WebhookChannel
from server.reports.message import ReportMessage
from server.setting_groups import ReportSettings
from server.wiring.reports import report_channels
from tests.receivers import Receiver
from tests.smtp_server import PASSWORD, USER, Mailbox, smtp_server
from tests.unit.ledger.makers import NOW, new_id

KEY = b"0123456789abcdef01234567"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
MESSAGE = ReportMessage(
    "2026-W10", False, NOW, "Vestibule 2026-W10: 41 % completed", "<p>41 %</p>", "41 %\n", {"week": "2026-W10"}
)


def mail_channel(port: int, security: str = "none", password: str = PASSWORD, *, login: bool = False) -> MailChannel:
    server = MailServer(
        "127.0.0.1",
        port,
        security,  # type: ignore[arg-type]  # a literal of the caller
        USER if login else "",
        password,
    )
    return MailChannel(server, "vestibule@example.org", "one@example.org, two@example.org", lambda: NOW)


def files_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def test_a_folder_gets_three_files_and_no_half_of_one(tmp_path: Path) -> None:
    channel = FolderChannel(tmp_path)
    await channel.send(MESSAGE, new_id())
    await channel.send(MESSAGE, new_id())
    names = [f"weekly-report-2026-W10.{suffix}" for suffix in ("html", "json", "txt")]
    assert files_in(tmp_path) == names
    assert (tmp_path / names[0]).read_text() == "<p>41 %</p>"
    assert json.loads((tmp_path / names[1]).read_text()) == {"week": "2026-W10"}


async def test_a_folder_that_is_missing_is_tried_again_and_its_path_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as failed:
        await FolderChannel(tmp_path / "secret").send(MESSAGE, new_id())
    assert (failed.value.reason, "secret" in failed.value.message) == ("REPORT_NOT_SENT", False)


async def test_files_are_for_their_owner_and_no_link_is_followed(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "reports", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("as it was")
    for suffix in ("html", "json", "txt"):
        for name in (f".weekly-report-2026-W10.{suffix}.part", f"weekly-report-2026-W10.{suffix}.part"):
            (folder / name).symlink_to(elsewhere)
        (folder / f"weekly-report-2026-W10.{suffix}").symlink_to(elsewhere)
    await FolderChannel(folder).send(MESSAGE, new_id())
    assert elsewhere.read_text() == "as it was"
    written = [folder / f"weekly-report-2026-W10.{suffix}" for suffix in ("html", "json", "txt")]
    assert [(file.is_symlink(), file.stat().st_mode & 0o777) for file in written] == [(False, 0o600)] * 3


async def test_a_text_that_is_no_utf_8_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="UnicodeEncodeError"):
        await FolderChannel(tmp_path).send(replace(MESSAGE, html="\ud800"), new_id())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    with server.running():
        yield server


async def test_a_webhook_is_signed_and_has_every_form(receiver: Receiver) -> None:
    report_id = new_id()
    await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(MESSAGE, report_id)
    ((_, headers, body),) = receiver.came
    signed = f"{report_id}.{int(NOW.timestamp())}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert (headers["webhook-id"], headers["webhook-signature"]) == (report_id, f"v1,{expected}")
    said = json.loads(body)
    assert said["type"] == "funnel_report.weekly"
    assert said["data"] == {
        "subject": MESSAGE.subject,
        "text": MESSAGE.text,
        "html": MESSAGE.html,
        "document": MESSAGE.document,
    }


@pytest.mark.parametrize(("status", "reason"), [(503, "REPORT_NOT_SENT"), (302, "REPORT_REFUSED")])
async def test_a_webhook_that_does_not_take_it(receiver: Receiver, status: int, reason: str) -> None:
    receiver.status = status
    with pytest.raises((Unavailable, InternalError)) as failed:
        await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(MESSAGE, new_id())
    assert failed.value.reason == reason
    assert len(receiver.came) == 1, "a redirect is not followed"


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
async def test_a_mail_arrives(security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mailbox = Mailbox()
    login = security == "starttls"
    async with smtp_server(mailbox, security, tmp_path / "tls", login=login) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "ca.pem"))
        await mail_channel(port, security, login=login).send(MESSAGE, new_id())
    [content] = mailbox.mails
    found = email.message_from_bytes(content, policy=email.policy.default)
    assert found["Subject"] == MESSAGE.subject
    assert mailbox.recipients == [["one@example.org", "two@example.org"]]
    assert mailbox.encrypted == [security != "none"]


async def test_a_wrong_password_is_not_tried_again_and_told_nowhere(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox = Mailbox()
    async with smtp_server(mailbox, "starttls", tmp_path / "tls", login=True) as port:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "ca.pem"))
        with pytest.raises(InternalError) as failed:
            await mail_channel(port, "starttls", "hunter2-wrong", login=True).send(MESSAGE, new_id())
    assert (failed.value.reason, mailbox.mails) == ("REPORT_REFUSED", [])
    assert failed.value.message == "The mail server refuses the login with the status 535."
    told = "".join(
        [*capfd.readouterr(), *(record.getMessage() for record in caplog.records if record.name != "mail.log")]
    )
    assert "hunter2-wrong" not in told + failed.value.message


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    mailbox = Mailbox()
    async with smtp_server(mailbox, "starttls", tmp_path / "tls", login=True) as port:
        with pytest.raises(Unavailable, match="SSLCertVerificationError"):
            await mail_channel(port, "starttls", login=True).send(MESSAGE, new_id())
    assert mailbox.mails == []


async def test_a_busy_mail_server_is_asked_again() -> None:
    mailbox = Mailbox(answers=["451 later"])
    async with smtp_server(mailbox) as port:
        with pytest.raises(Unavailable):
            await mail_channel(port).send(MESSAGE, new_id())
        await mail_channel(port).send(MESSAGE, new_id())
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("refused", "message", "mails"),
    [
        (("one@example.org",), "refuses 1 of the recipients; the others have the mail", 1),
        (("one@example.org", "two@example.org"), "refuses the recipients with the status 550", 0),
    ],
)
async def test_refused_recipients_are_told_and_nobody_gets_it_twice(
    refused: tuple[str, ...], message: str, mails: int
) -> None:
    mailbox = Mailbox(refused)
    async with smtp_server(mailbox) as port:
        with pytest.raises(InternalError, match=message):
            await mail_channel(port).send(MESSAGE, new_id())
    assert len(mailbox.mails) == mails


MAIL = {"mail_from": "v@example.org", "smtp_host": "mail.example.org"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mail_to": "a@example.org"}, "smtp_host"),
        (MAIL | {"mail_to": "a@example.org\nBcc: b@example.org"}, "pattern"),
        (MAIL | {"mail_to": "a@example.org;b@example.org"}, "pattern"),
        (MAIL | {"mail_to": "a..b@example.org"}, "pattern"),
        (MAIL | {"mail_to": "A <a@example.org>"}, "pattern"),
        ({"webhook_url": "http://example.org", "webhook_secret": SECRET}, "https"),
        ({"webhook_url": "https://example.org"}, "webhook_secret"),
        ({"time_zone": "Mars/Olympus"}, "Europe/Berlin"),
        ({"time_zone": "../../etc/passwd"}, "Europe/Berlin"),
        ({"time_zone": ""}, "Europe/Berlin"),
        (MAIL | {"smtp_security": "none"}, "loopback"),
        ({"day": "someday"}, "monday"),
        ({"hour": 24}, "23"),
    ],
)
def test_settings_that_could_not_work_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ReportSettings.model_validate(given)


def test_only_what_is_set_is_a_channel(tmp_path: Path) -> None:
    assert report_channels(ReportSettings(), lambda: NOW) == [], "nothing is sent by default"
    given = MAIL | {
        "mail_to": "a@example.org,b@example.org, c@example.org",
        "folder": str(tmp_path),
        "webhook_url": "https://example.org/x",
        "webhook_secret": SECRET,
    }
    channels = report_channels(ReportSettings.model_validate(given), lambda: NOW)
    assert [channel.name for channel in channels] == ["folder", "webhook", "mail"]
    assert ReportSettings.model_validate({"folder": ""}).folder is None
