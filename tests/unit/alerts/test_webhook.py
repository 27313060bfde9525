"""The webhook against a real HTTP server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest

from models.errors import InternalError, Unavailable
from server.alerts.webhook import WebhookChannel
from server.setting_groups import AlertSettings
from tests.receivers import Receiver
from tests.unit.alerts.letters import HIDDEN, alert
from tests.unit.ledger.makers import NOW, new_id

KEY = b"0123456789abcdef01234567"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    with server.running():
        yield server


async def test_an_alert_is_signed_and_holds_ids_and_reasons_alone(receiver: Receiver) -> None:
    alert_id, told = new_id(), alert()
    await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(told, alert_id)
    ((path, headers, body),) = receiver.came
    assert (path, headers["webhook-id"], headers["webhook-timestamp"]) == (
        "/alerts",
        alert_id,
        str(int(NOW.timestamp())),
    )
    signed = f"{alert_id}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    said = json.loads(body)
    assert said["type"] == "dead_letters.critical"
    assert said["data"]["counts"] == [{"kind": "read_picture", "reason": "WORKER_LOST", "count": 2}]
    assert said["data"]["dead_letters"][0] == {
        "id": told.letters[0].id,
        "kind": "read_picture",
        "reason": "WORKER_LOST",
        "attempts": 6,
        "build": "1.2.3",
        "create_time": "2026-03-01T12:00:00Z",
    }
    assert HIDDEN.encode() not in body


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_a_receiver_in_trouble_is_asked_again(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Unavailable) as failed:
        await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(alert(), new_id())
    assert failed.value.reason == "ALERT_NOT_SENT"


@pytest.mark.parametrize("status", [400, 401, 410, 302, 307])
async def test_a_receiver_that_refuses_or_redirects_is_not_asked_again(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(InternalError) as failed:
        await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(alert(), new_id())
    assert failed.value.reason == "ALERT_REFUSED"
    assert [path for path, _, _ in receiver.came] == ["/alerts"], "a redirect is not followed"


async def test_a_receiver_that_is_away_is_asked_again_and_its_address_is_not_told(receiver: Receiver) -> None:
    receiver.server_close()
    with pytest.raises(Unavailable) as failed:
        await WebhookChannel(receiver.url, SECRET, lambda: NOW).send(alert(), new_id())
    assert "127.0.0.1" not in failed.value.message


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"webhook_url": "https://example.org"}, "webhook_secret"),
        ({"webhook_url": "https://example.org", "webhook_secret": "whsec_c2hvcnQ="}, "webhook_secret"),
        ({"webhook_url": "https://example.org", "webhook_secret": SECRET.removeprefix("whsec_")}, "webhook_secret"),
        ({"webhook_url": "http://example.org", "webhook_secret": SECRET}, "https"),
        ({"mail_to": "ops@example.org"}, "smtp_host"),
        ({"mail_to": "ops@example.org\nBcc: a@b"}, "pattern"),
        ({"smtp_user": "u", "smtp_security": "none"}, "encrypted"),
        ({"smtp_host": "mail.example.org", "smtp_security": "none"}, "loopback"),
    ],
)
def test_settings_that_could_not_work_are_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        AlertSettings.model_validate(given)


def test_settings_that_work() -> None:
    assert AlertSettings.model_validate({"webhook_url": "https://example.org/x", "webhook_secret": SECRET})
    for host in ("localhost", "127.0.0.1", "::1"):
        assert AlertSettings.model_validate({"smtp_host": host, "smtp_security": "none"})
    assert AlertSettings.model_validate(
        {"mail_to": "ops@example.org", "mail_from": "v@example.org", "smtp_host": "mail.example.org"}
    )
