"""Turns the credential of a call into its caller."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from models.errors import Unauthenticated
from models.reasons import Reason
from server.access.api_keys import PREFIX, ApiKeys
from server.access.audit import AuditTrail
from server.access.caller import Caller
from server.access.jwks import KeySet, file_source, http_source
from server.access.operator_key import load_or_create_operator_key
from server.access.peer import Peer
from server.access.tokens import Keys, SharedSecret, TokenVerifier
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.settings import Settings

LONGEST_CREDENTIAL: Final = 8192
"""Characters of a credential; a longer one is refused before it is read. gRPC itself bounds all metadata."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A verified credential.

    Attributes:
        caller: Whoever sent it.
        recheck: Raises Unauthenticated once the credential has expired or was revoked. It may raise Unavailable.
    """

    caller: Caller
    recheck: Callable[[], Awaitable[object]]


class Authenticator:
    """Verifies API keys, and tokens if an issuer is set."""

    def __init__(self, keys: ApiKeys, tokens: TokenVerifier | None = None) -> None:
        self._keys = keys
        self._tokens = tokens

    async def authenticate(self, authorization: Sequence[str | bytes], peer: Peer) -> Grant:
        """Verify the credential of a call.

        Args:
            authorization: Every value of the metadata key ``authorization``.
            peer: Where the call comes from.

        Raises:
            Unauthenticated: There is no credential, more than one, or one that is not valid.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        credential = _credential(authorization)
        if credential.startswith(PREFIX):
            caller, key_id = self._keys.verify(credential, peer)
            return Grant(caller, lambda: self._recheck_key(key_id))
        if self._tokens is None:
            raise Unauthenticated("The credential is not valid.")
        tokens, verified = self._tokens, await self._tokens.verify(credential)
        return Grant(verified.caller(peer), lambda: tokens.verify(credential))

    def knows(self, authorization: Sequence[str | bytes]) -> bool:
        """Whether the credential names an API key that exists. Its secret may be wrong."""
        try:
            return self._keys.knows(_credential(authorization))
        except Unauthenticated:
            return False

    async def _recheck_key(self, key_id: str) -> None:
        self._keys.check(key_id)


def _credential(authorization: Sequence[str | bytes]) -> str:
    if not authorization:
        raise Unauthenticated("The call has no credential.", reason=Reason.CREDENTIALS_MISSING)
    value = authorization[0]
    if len(authorization) > 1 or not isinstance(value, str) or len(value) > LONGEST_CREDENTIAL:
        raise Unauthenticated("The credential is not valid.")
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "bearer" or not credential.isascii() or not credential.isprintable() or " " in credential:
        raise Unauthenticated("The credential is not valid.")
    return credential


@dataclass(frozen=True, slots=True)
class Access:
    """What the server has for access: the keys, and whoever verifies credentials and tokens; None without an issuer."""

    keys: ApiKeys
    authenticator: Authenticator
    tokens: TokenVerifier | None = None


async def build_access(
    settings: Settings, ledger: Ledger, clock: Clock, audit: AuditTrail, stack: AsyncExitStack
) -> Access:
    """Read the keys, and begin to fetch those of the issuer. The stack ends what runs in the background.

    Raises:
        InvalidInput: AUTH_SETTINGS_INVALID, the file of the operator key is damaged.
    """
    keys = ApiKeys(ledger, clock, audit)
    await keys.load()
    stack.push_async_callback(keys.drain)
    if settings.auth.operator_key:
        keys.accept_operator_key(load_or_create_operator_key(settings.state_dir))
    if not settings.auth.tokens:
        return Access(keys, Authenticator(keys))
    verifier = TokenVerifier(settings.auth, _issuer_keys(settings, stack), clock, audit)
    return Access(keys, Authenticator(keys, verifier), verifier)


def _issuer_keys(settings: Settings, stack: AsyncExitStack) -> Keys:
    auth = settings.auth
    secret = auth.hs256_key.get_secret_value()
    if secret:
        return SharedSecret(secret)
    issuer = KeySet(file_source(auth.jwks_file) if auth.jwks_file else http_source(auth.jwks_url))
    stack.callback(asyncio.create_task(issuer.run()).cancel)
    return issuer
