"""The public keys of the issuer of tokens: fetched in the background, kept while the issuer is down."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx2
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.observability.log import describe, get_logger

log = get_logger("jwks")

Source = Callable[[], Awaitable[bytes]]
"""Reads the key set as JSON. It raises Unavailable."""

MOST_BYTES: Final = 256 * 1024
MOST_KEYS: Final = 100
FETCH_TIMEOUT_S: Final = 5.0
REFRESH_S: Final = 600.0
"""How old the set may become before it is read again."""
LEAST_PAUSE_S: Final = 10.0
"""Time between two reads at least, however many unknown key ids arrive."""
WAIT_S: Final = 3.0
"""How long a call waits for a read that its unknown key id asked for."""
RSA_BITS: Final = range(2048, 8192 + 1)
"""A shorter key is weak, and a longer one takes long for each token."""
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "identity"}

KINDS: Final = {
    "RS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),  # the same by the name of RFC 9864
}
"""The type of key, and its curve, that each algorithm takes. None of them takes a shared secret."""


class KeySet:
    """The keys that were read last. ``generation`` grows when they change.

    Args:
        read: Where they come from.
        clock: Seconds, never going back.
    """

    def __init__(self, read: Source, clock: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._read = read
        self._clock = clock
        self._text = b""
        self._keys: dict[tuple[str, str], Key] = {}
        self._tried_at = -LEAST_PAUSE_S
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str, algorithm: str) -> Key | None:
        """The key of a token; None if the issuer has none of this id and kind.

        Args:
            kid: Id of the key in the token's header. Empty takes the only key that the algorithm can use.
            algorithm: Name in the token's header, one of ``KINDS``.

        Raises:
            Unavailable: ISSUER_UNAVAILABLE, no key set could be read yet.
        """
        found = self._find(kid, algorithm)
        if found is None:
            await self._refresh()
            found = self._find(kid, algorithm)
        if not self._keys:
            raise Unavailable(
                "The keys of the issuer could not be read yet.",
                reason=Reason.ISSUER_UNAVAILABLE,
                retry_after_s=LEAST_PAUSE_S,
            )
        return found

    async def run(self) -> None:
        """Read the set now, and again every ``REFRESH_S``, until cancelled."""
        while True:
            await self._refresh()
            await asyncio.sleep(REFRESH_S if self._keys else LEAST_PAUSE_S)

    def _find(self, kid: str, algorithm: str) -> Key | None:
        if kid:
            return self._keys.get((kid, algorithm))
        fitting = [key for (_, of), key in self._keys.items() if of == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    async def _refresh(self) -> None:
        """Read the set unless that was done a moment ago. Callers share one read, and wait for it a little."""
        if self._reading is None:
            if self._clock() - self._tried_at < LEAST_PAUSE_S:
                return
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._load())
            self._reading.add_done_callback(self._forget)
        # Waited for, not awaited: a defect is logged and ends neither a call nor ``run``.
        await asyncio.wait({self._reading}, timeout=WAIT_S)

    def _forget(self, done: asyncio.Task[None]) -> None:
        self._reading = None
        if not done.cancelled() and (defect := done.exception()) is not None:
            log.error("jwks_defect", **describe(defect))

    async def _load(self) -> None:
        try:
            text = await self._read()
            if text != self._text:
                self._keys = parse(text)
                self._text = text
                self.generation += 1
                log.info("jwks_read", keys=len(self._keys))
        except VestibuleError as error:
            log.warning("jwks_not_read", **describe(error))  # the last good set stays


def parse(text: bytes) -> dict[tuple[str, str], Key]:
    """The keys of a set that sign tokens, by id and algorithm. Others are left out, secrets and weak keys too.

    Raises:
        Unavailable: It is no key set, or none of its keys can be used.
    """
    try:
        given = json.loads(text)["keys"]
        listed = [entry for entry in given if isinstance(entry, dict)][:MOST_KEYS]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unusable("is no JSON Web Key Set") from None
    found: dict[tuple[str, str], Key] = {}
    for entry in listed:
        for algorithm, (kind, curve) in KINDS.items():
            fits = entry.get("kty") == kind and (curve is None or entry.get("crv") == curve)
            same = KINDS.get(str(entry.get("alg", algorithm))) == KINDS[algorithm]
            if fits and same and entry.get("use", "sig") == "sig":
                key = _imported(entry)
                if key is not None:
                    found[(str(entry.get("kid", "")), algorithm)] = key
    if not found:
        raise _unusable("has no key that can be used")
    return found


def _imported(entry: dict[str, Any]) -> Key | None:
    kinds: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    public: dict[str, str | list[str]] = {
        name: entry[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in entry
    }
    try:
        if entry["kty"] == "RSA":
            modulus = int.from_bytes(urlsafe_b64decode(entry["n"].encode("ascii")))
            if modulus.bit_length() not in RSA_BITS:
                return None
        return kinds[entry["kty"]].import_key(public)
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        return None


def file_source(path: Path) -> Source:
    """Reads the set from a file, in a thread."""

    def read() -> bytes:
        try:
            with path.open("rb") as file:
                text = file.read(MOST_BYTES + 1)
        except OSError as exc:
            raise _unusable(f"cannot be read ({type(exc).__name__})") from exc
        if len(text) > MOST_BYTES:
            raise _unusable("is too large")
        return text

    async def source() -> bytes:
        return await asyncio.to_thread(read)

    return source


def http_source(url: str) -> Source:
    """Reads the set from an address. It follows no redirect, and reads no more than ``MOST_BYTES``."""

    async def source() -> bytes:
        try:
            async with (
                asyncio.timeout(FETCH_TIMEOUT_S),
                httpx2.AsyncClient(trust_env=False, timeout=FETCH_TIMEOUT_S) as client,
                client.stream("GET", url, headers=_HEADERS) as answer,
            ):
                if answer.status_code != httpx2.codes.OK:
                    raise _unusable(f"was answered with the status {answer.status_code}")
                text = b""
                async for part in answer.aiter_raw():
                    text += part
                    if len(text) > MOST_BYTES:
                        raise _unusable("is too large")
                return text
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, TimeoutError) as exc:
            raise _unusable(f"cannot be fetched ({type(exc).__name__})") from exc

    return source


def _unusable(how: str) -> Unavailable:
    return Unavailable(f"The key set of the issuer {how}.", reason=Reason.ISSUER_UNAVAILABLE)
