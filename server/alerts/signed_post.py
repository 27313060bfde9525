"""Posts JSON to an address of the settings, signed as https://www.standardwebhooks.com says."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import Final

import httpx2

from models.errors import InternalError, Unavailable
from server.alerts.types import SendReasons

TIMEOUT_S: Final = 10.0
_AGAIN: Final = frozenset({408, 425, 429})
"""Statuses below 500 after which another attempt may succeed."""


class SignedPost:
    """Posts to one address. It follows no redirect, reads no answer, and uses no proxy of the environment.

    Args:
        url: Where to.
        secret: ``whsec_`` and the Base64 of the key of the signatures.
        reasons: What a failure is called.
        timeout_s: Bound of one attempt.
    """

    def __init__(self, url: str, secret: str, reasons: SendReasons, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._key = signing_key(secret, reasons)
        self._reasons = reasons
        self._timeout_s = timeout_s

    async def send(self, body: bytes, message_id: str, now: datetime) -> None:
        """Post a body once.

        Args:
            body: JSON.
            message_id: The same when it is sent again, so that the receiver can leave a second one out.
            now: The time that is signed.

        Raises:
            Unavailable: Another attempt may succeed.
            InternalError: No other attempt would.
        """
        stamp = str(int(now.timestamp()))
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._key, message_id, stamp, body),
        }
        status = await self._post(body, headers)
        if 200 <= status < 300:
            return
        message = f"The webhook answered with the status {status}."
        if status >= 500 or status in _AGAIN:
            raise Unavailable(message, reason=self._reasons.not_sent)
        raise InternalError(message, reason=self._reasons.refused)

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
            raise Unavailable(f"The webhook cannot be reached ({name}).", reason=self._reasons.not_sent) from exc


def signature(key: bytes, message_id: str, stamp: str, body: bytes) -> str:
    """HMAC-SHA-256 over id, time and body, as the header ``webhook-signature`` has it."""
    digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def signing_key(secret: str, reasons: SendReasons) -> bytes:
    """The key in a secret.

    Raises:
        InternalError: It is no Base64; the settings let none such through.
    """
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as exc:
        raise InternalError("The secret of the webhook is not Base64.", reason=reasons.refused) from exc
