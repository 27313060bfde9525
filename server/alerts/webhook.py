"""Alerts by HTTP, signed as https://www.standardwebhooks.com says."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC
from typing import Final

import httpx2

from models.errors import InternalError, Unavailable
from models.reasons import Reason
from server.alerts.types import Alert
from server.ledger.types import Clock, DeadLetterRow

TIMEOUT_S: Final = 10.0
_AGAIN: Final = frozenset({408, 425, 429})
"""Statuses below 500 after which another attempt may succeed."""


class WebhookChannel:
    """Posts JSON to one address. It follows no redirect, and reads no answer.

    Args:
        url: Where to.
        secret: ``whsec_`` and the Base64 of the key of the signatures.
        clock: The time now.
        timeout_s: Bound of one attempt.
    """

    name = "webhook"

    def __init__(self, url: str, secret: str, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._key = signing_key(secret)
        self._clock = clock
        self._timeout_s = timeout_s

    async def send(self, alert: Alert, alert_id: str) -> None:
        """See ``Channel``."""
        now = self._clock()
        body = json.dumps(
            {
                "type": "dead_letters.critical",
                "timestamp": now.astimezone(UTC).isoformat(timespec="seconds"),
                "data": {
                    "count": alert.number,
                    "counts": [
                        {"kind": kind, "reason": reason, "count": number}
                        for (kind, reason), number in alert.counts.most_common()
                    ],
                    "dead_letters": [_shown(letter) for letter in alert.letters],
                },
            }
        ).encode()
        stamp = str(int(now.timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": alert_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._key, alert_id, stamp, body),
        }
        status = await self._post(body, headers)
        if 200 <= status < 300:
            return
        if status >= 500 or status in _AGAIN:
            raise Unavailable(f"The webhook answered with the status {status}.", reason=Reason.ALERT_NOT_SENT)
        raise InternalError(f"The webhook answered with the status {status}.", reason=Reason.ALERT_REFUSED)

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                httpx2.AsyncClient(trust_env=False, timeout=self._timeout_s, follow_redirects=False) as client,
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                return answer.status_code
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, TimeoutError) as exc:
            name = type(exc).__name__
            raise Unavailable(f"The webhook cannot be reached ({name}).", reason=Reason.ALERT_NOT_SENT) from exc


def signature(key: bytes, alert_id: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA-256 over id, time and body, as the header ``webhook-signature`` has it."""
    digest = hmac.new(key, f"{alert_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signing_key(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        InternalError: ALERT_REFUSED; the settings let none such through.
    """
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as exc:
        raise InternalError("The secret of the webhook is not Base64.", reason=Reason.ALERT_REFUSED) from exc


def _shown(letter: DeadLetterRow) -> dict[str, str | int]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "build": letter.build,
        "create_time": letter.create_time.astimezone(UTC).isoformat(timespec="seconds"),
    }
