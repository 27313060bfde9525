"""Asks the issuer over HTTPS: small JSON answers, in a bounded time, without redirects."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2

from models.errors import Unavailable
from models.reasons import Reason

TIMEOUT_S: Final = 5.0
MOST_BYTES: Final = 256 * 1024
RETRY_S: Final = 10.0
"""When to try again after the issuer did not answer."""

Answer = tuple[int, Mapping[str, Any]]
"""The status of HTTP, and the JSON object; it is empty where the body holds none."""


class IssuerHttp:
    """Sends requests to the issuer.

    Args:
        ca: PEM file of the CAs that are trusted; None trusts those of the system.
    """

    def __init__(self, ca: Path | None) -> None:
        self._trust = ssl.create_default_context(cafile=ca)

    async def get(self, url: str) -> Answer:
        """Read a document.

        Raises:
            Unavailable: ISSUER_UNAVAILABLE.
        """
        return await self._ask("GET", url, {}, "")

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send a form.

        Raises:
            Unavailable: ISSUER_UNAVAILABLE.
        """
        return await self._ask("POST", url, headers, body)

    async def _ask(self, method: str, url: str, headers: Mapping[str, str], body: str) -> Answer:
        wanted = {**headers, "accept": "application/json", "accept-encoding": "identity"}
        content = b""
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                httpx2.AsyncClient(trust_env=False, timeout=TIMEOUT_S, verify=self._trust) as client,
                client.stream(method, url, headers=wanted, content=body.encode()) as answer,
            ):
                async for part in answer.aiter_raw():
                    content += part
                    if len(content) > MOST_BYTES:
                        raise unavailable()
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, TimeoutError) as exc:
            raise unavailable() from exc
        if status >= httpx2.codes.INTERNAL_SERVER_ERROR or status == httpx2.codes.TOO_MANY_REQUESTS:
            raise unavailable()
        return status, _object(content)


def unavailable() -> Unavailable:
    """The issuer does not answer, or not as an issuer does."""
    return Unavailable(
        "The issuer does not answer.",
        reason=Reason.ISSUER_UNAVAILABLE,
        hint="Try again in some seconds. API keys work meanwhile.",
        retry_after_s=RETRY_S,
    )


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
