"""Mutated tokens and API keys at the verifier."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from models.errors import Unauthenticated
from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.caller import Scope
from server.access.jwks import KeySet
from server.access.peer import UNKNOWN_PEER
from server.access.tokens import TokenVerifier
from server.ledger.embedded import EmbeddedLedger
from tests.fuzz.findings import MOST_GROWTH_BYTES, Finding, leaks, own_memory_bytes
from tests.fuzz.mutate import TEXTS, mutated_text
from tests.unit.access import issuer
from tests.unit.access.clock import HandClock

ALGORITHMS = ("RS256", "ES256", "Ed25519")
VALUES: tuple[Any, ...] = (*TEXTS, None, True, 0, -1, 2**63, 2**2000, 1e308, [], {}, [[]], ["vestibule"], {"a": {}})
NAMES = (
    "alg",
    "kid",
    "jku",
    "jwk",
    "x5u",
    "crit",
    "b64",
    "typ",
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "scope",
    "client_id",
)


async def _read() -> bytes:
    return issuer.key_set()


def _parts(token: str) -> list[Any]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def _encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode("utf-8", "surrogatepass")).rstrip(b"=").decode()


class Tokens:
    """Nothing but a token that was signed, or a key that was made, is ever accepted."""

    name = "tokens"

    def __init__(self) -> None:
        self._good = [issuer.token(algorithm) for algorithm in ALGORITHMS]
        self._signed = {token.rpartition(".")[0] for token in self._good}
        self._key = ""
        self._authenticator: Authenticator
        self._memory_bytes = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A verifier with the keys of an issuer, and one API key."""
        with TemporaryDirectory() as folder:
            clock = HandClock()
            ledger = EmbeddedLedger.open(Path(folder) / "ledger.duckdb")
            try:
                keys = ApiKeys(ledger, clock, AuditTrail(bytes(32), bytes(32), clock))
                _, self._key = await keys.create(client_id="a", scopes=[Scope.APP], label="", expire_time=None)
                self._authenticator = Authenticator(
                    keys, TokenVerifier(issuer.settings(), KeySet(_read), clock, issuer.AS_THEY_ARE)
                )
                self._memory_bytes = own_memory_bytes()
                yield
                await keys.drain()
            finally:
                ledger.close()

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One credential."""
        credential = self._changed(rng)
        header: str | bytes = rng.choice(("Bearer ", "Bearer ", "Bearer ", "bearer ", "Basic ", "")) + credential
        if rng.random() < 0.02:
            header = credential.encode("utf-8", "surrogatepass")
        await self.one(number, credential, [header] * rng.choice((1, 1, 1, 1, 2, 0)))

    async def one(self, number: int, credential: str, values: Sequence[str | bytes] = ()) -> None:
        """This credential, in these values of the header."""
        data = credential.encode("utf-8", "surrogatepass")
        values = values or [f"Bearer {credential}"]
        try:
            grant = await self._authenticator.authenticate(values, UNKNOWN_PEER)
        except Unauthenticated as refused:
            if leak := leaks(f"{refused.message} {refused.hint}"):
                raise Finding(self.name, number, f"the error shows {leak}", data) from refused
        except Exception as defect:
            raise Finding(self.name, number, f"the verifier raised {type(defect).__name__}", data) from defect
        else:
            if credential != self._key and credential.rpartition(".")[0] not in self._signed:
                raise Finding(self.name, number, f"accepted as {grant.caller.subject}", data)

    async def check(self, number: int) -> None:
        """Memory of this process."""
        if own_memory_bytes() - self._memory_bytes > MOST_GROWTH_BYTES:
            raise Finding(self.name, number, "memory grew by more than 300 MiB")

    def _changed(self, rng: random.Random) -> str:
        token = rng.choice(self._good)
        match rng.randrange(5):
            case 0:
                return mutated_text(rng, token)
            case 1:
                return mutated_text(rng, self._key, (self._key, "vst_"))
            case 2:
                part = rng.randrange(3)
                pieces = token.split(".")
                pieces[part] = mutated_text(rng, pieces[part])
                return ".".join(pieces)
            case 3:
                head, claims = _parts(token)
                for _ in range(rng.randint(1, 3)):
                    rng.choice((head, claims))[rng.choice(NAMES)] = rng.choice(VALUES)
                return f"{_encoded(head)}.{_encoded(claims)}.{token.rpartition('.')[2]}"
            case _:
                head, claims = _parts(token)
                head["alg"] = rng.choice(("none", "None", "HS256", "ES256K", "RS512", "PS256", "", "RS256", "dir"))
                return issuer.unsigned(head, rng.choice(("", token.rpartition(".")[2], "AAAA")))
