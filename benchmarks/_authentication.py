"""CPU time that the authentication of one call takes: the whole interceptor hook, without a network."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from server.access.access_log import AccessLog
from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.caller import Scope
from server.access.jwks import KeySet
from server.access.tokens import TokenVerifier
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.rpc.interceptors.authenticate import Authenticate, observer
from server.rpc.interceptors.base import Call
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.setting_groups import AuditSettings, AuthSettings, LimitSettings

METHOD: Final = "vestibule.v1.SessionService/GetSession"
MANY_KEYS: Final = 1000
ISSUER: Final = "https://issuer.example"

Authentication = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Context:
    """What the hook reads of gRPC's context."""

    credential: str

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ("user-agent", "benchmark"), ("authorization", f"Bearer {self.credential}")

    def peer(self) -> str:
        return "ipv4:192.0.2.7:50000"


async def cpu_ms(calls: int = 2000) -> dict[str, float]:
    """Milliseconds of CPU for one call, by kind of credential.

    ``API key`` is one of a thousand. A ``known token`` was verified before; the others are verified anew each time, as
    with the first call of each token.
    """
    keys: dict[str, Key] = {
        "RS256": RSAKey.generate_key(2048, private=True),
        "ES256": ECKey.generate_key("P-256", private=True),
        "Ed25519": OKPKey.generate_key("Ed25519", private=True),
    }
    with tempfile.TemporaryDirectory() as folder:
        ledger = EmbeddedLedger.open(Path(folder) / "ledger.duckdb")
        try:
            trail = AuditTrail(bytes(32), bytes(32), utc_now)
            access = AccessLog(ledger, trail, utc_now, window_s=AuditSettings().window_s)
            api_keys = ApiKeys(ledger, utc_now, trail)
            key, *_others = await asyncio.gather(*(_key(api_keys) for _ in range(MANY_KEYS)))
            authenticate = _authentication(api_keys, keys, access, trail)
            found = {
                "API key": await _measured(authenticate, [key] * calls),
                "known token": await _measured(authenticate, [_token("ES256", keys["ES256"], 0)] * calls),
            }
            for algorithm, signing in keys.items():
                tokens = [_token(algorithm, signing, number) for number in range(1, calls // 4)]
                found[f"new token, {algorithm}"] = await _measured(authenticate, tokens)
            await api_keys.drain()
        finally:
            ledger.close()
    return found


async def _key(api_keys: ApiKeys) -> str:
    _, key = await api_keys.create(client_id="site-1", scopes=[Scope.APP], label="", expire_time=None)
    return key


def _authentication(api_keys: ApiKeys, keys: dict[str, Key], access: AccessLog, trail: AuditTrail) -> Authentication:
    entries = [{**key.as_dict(private=False), "kid": kid} for kid, key in keys.items()]

    async def read() -> bytes:
        return json.dumps({"keys": entries}).encode()

    settings = AuthSettings(issuer=ISSUER, audience="vestibule", jwks_url=f"{ISSUER}/jwks")
    authenticator = Authenticator(api_keys, TokenVerifier(settings, KeySet(read), utc_now, trail))
    hook = Authenticate(authenticator, observer(Metrics(), access), RefusalLimits(LimitSettings()))

    async def authenticate(credential: str) -> None:
        context: Any = _Context(credential)
        async with hook.around(Call(METHOD, context)):
            pass

    return authenticate


def _token(algorithm: str, key: Key, number: int) -> str:
    claims = {
        "iss": ISSUER,
        "aud": "vestibule",
        "sub": f"user-{number}",
        "exp": int(time.time()) + 3600,
        "client_id": "site-1",
        "scope": "openid app",
    }
    return jwt.encode({"alg": algorithm, "kid": algorithm}, claims, key, algorithms=[algorithm])


async def _measured(authenticate: Authentication, credentials: list[str]) -> float:
    """Each credential once; milliseconds of CPU of the mean."""
    await authenticate(credentials[0])
    began = time.process_time()
    for credential in credentials:
        await authenticate(credential)
    return 1000 * (time.process_time() - began) / len(credentials)


if __name__ == "__main__":
    for kind, took_ms in asyncio.run(cpu_ms()).items():
        print(f"authentication  {kind:20s} {took_ms:7.3f} ms of CPU a call")
