"""Verifies JSON Web Tokens of one issuer."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key, OctKey

from models.errors import Unauthenticated
from models.reasons import Reason
from server.access.caller import Caller, Scope
from server.access.peer import Peer
from server.ledger.types import Clock
from server.setting_groups import AuthSettings

if TYPE_CHECKING:
    from joserfc._rfc7515.model import JWSAlgModel  # the library does not export it

HMAC: Final = "HS256"
MOST_REMEMBERED: Final = 4096
"""Tokens whose signature is not verified again with each call."""

EVERY_CLIENT: Final = "*"
"""A token that names this client sees each of them, as an API key without a client does. Not with the scope app."""
CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BROKEN: Final = (JoseError, ValueError, TypeError, AttributeError, RecursionError)
"""What the library raises for bytes that are no token."""
_LATEST_EXPIRY_S: Final = 2.0**40
_SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,128}")
_KEY_ID: Final = re.compile(r"[\x21-\x7e]{0,200}")


class _Registry(jws.JWSRegistry):
    """The library's algorithms, without its warning that RFC 9864 calls EdDSA by another name."""

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


class Keys(Protocol):
    """``server.access.jwks.KeySet``, or a ``SharedSecret``."""

    generation: int

    async def key(self, kid: str, algorithm: str) -> Key | None:
        """The key of a token, or None."""
        ...


class Pseudonyms(Protocol):
    """``server.access.audit.AuditTrail``."""

    def pseudonym(self, sub: str) -> str:
        """The name of the holder of a token."""
        ...

    def client_pseudonym(self, client_id: str) -> str:
        """The name of a client."""
        ...


class SharedSecret:
    """The secret of HS256, for development. It is no public key, so none can be taken for it."""

    def __init__(self, secret: str) -> None:
        self.generation = 1
        self._key = OctKey.import_key(secret.encode())

    async def key(self, kid: str, algorithm: str) -> Key | None:
        """The secret, for HS256 only."""
        return self._key if algorithm == HMAC else None


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a token says.

    Attributes:
        subject: Pseudonym of its ``sub``.
        client_id: As the settings name it, or a pseudonym.
        expires_s: Seconds since 1970 until which it is valid, leeway included.
        generation: Of the keys with which it was verified.
    """

    subject: str
    client_id: str
    scopes: frozenset[Scope]
    expires_s: float
    generation: int

    def caller(self, peer: Peer) -> Caller:
        """The caller who sent it."""
        return Caller(f"jwt:{self.subject}", self.client_id, self.scopes, peer)


class TokenVerifier:
    """Checks the signature and the claims. No header of a token is followed: keys come from ``keys`` alone.

    Args:
        pseudonyms: Make the names by which the server knows a ``sub`` and a client, in which a person may stand.
    """

    def __init__(self, settings: AuthSettings, keys: Keys, clock: Clock, pseudonyms: Pseudonyms) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._pseudonyms = pseudonyms
        self._clients = frozenset(settings.clients.split())
        self._algorithms = _algorithms(settings)
        # An unknown field of the header is ignored, as RFC 7515 wants; `crit` makes the library refuse it.
        self._registry = _Registry(algorithms=self._algorithms, strict_check_header=False)
        self._verified: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    async def verify(self, token: str) -> VerifiedToken:
        """What a token says, if it is valid.

        Raises:
            Unauthenticated: It is not. That it has expired or is not valid yet is told only if its signature is right.
            Unavailable: ISSUER_UNAVAILABLE, the keys of the issuer are not known yet.
        """
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and known.generation == self._keys.generation:
            self.check(known)
            return known
        verified = await self._verify(token)
        self._verified[digest] = verified
        if len(self._verified) > MOST_REMEMBERED:
            self._verified.popitem(last=False)
        return verified

    def check(self, token: VerifiedToken) -> None:
        """Make sure that a token that was verified before has not expired.

        Raises:
            Unauthenticated: CREDENTIALS_EXPIRED.
        """
        if self._clock().timestamp() >= token.expires_s:
            raise _expired()

    async def signed(self, token: str) -> jwt.Token:
        """Header and claims of a token that the issuer signed. No claim is checked.

        Raises:
            Unauthenticated: The issuer did not sign it.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        kid, algorithm = self._header(token)
        key = await self._keys.key(kid, algorithm)
        if key is None:
            raise _invalid()
        try:
            return jwt.decode(token, key, registry=self._registry)
        except _BROKEN:
            raise _invalid() from None

    async def _verify(self, token: str) -> VerifiedToken:
        generation = self._keys.generation  # with keys that are read meanwhile, the token is verified again
        claims = (await self.signed(token)).claims
        self._check_claims(claims)
        return self._token(claims, generation)

    def _header(self, token: str) -> tuple[str, str]:
        """Key id and algorithm that the token names; they choose among our keys and algorithms, nothing else."""
        try:
            header = jws.extract_compact(token.encode("ascii"), registry=self._registry).headers()
        except _BROKEN:
            raise _invalid() from None
        kid, algorithm = header.get("kid", ""), header.get("alg")
        if algorithm not in self._algorithms or not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
            raise _invalid()
        return kid, str(algorithm)

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        registry = jwt.JWTClaimsRegistry(
            now=int(self._clock().timestamp()),
            leeway=int(self._settings.leeway_s),
            iss={"essential": True, "value": self._settings.issuer},
            aud={"essential": True, "value": self._settings.audience},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            registry.validate(dict(claims))
        except ExpiredTokenError:
            raise _expired() from None
        except InvalidClaimError as error:
            if error.claim in ("nbf", "iat"):
                raise Unauthenticated(
                    "The token is not valid yet.", hint="Compare the clocks of the server and of the issuer."
                ) from None
            raise _invalid() from None
        except JoseError:
            raise _invalid() from None

    def _token(self, claims: Mapping[str, Any], generation: int) -> VerifiedToken:
        scopes = self._scopes(claims.get(self._settings.scope_claim, ""))
        client_id, subject = claims.get(self._settings.client_claim), claims["sub"]
        if Scope.OPERATOR in scopes or (client_id == EVERY_CLIENT and scopes and Scope.APP not in scopes):
            client_id, bound = "", True
        else:
            bound = isinstance(client_id, str) and CLIENT_ID.fullmatch(client_id) is not None
        if not bound or not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
            raise _invalid()
        expires_s = min(claims["exp"], _LATEST_EXPIRY_S) + self._settings.leeway_s
        shown = self._shown_client(str(client_id))
        return VerifiedToken(self._pseudonyms.pseudonym(subject), shown, scopes, expires_s, generation)

    def _shown_client(self, client_id: str) -> str:
        if not client_id or client_id in self._clients:
            return client_id
        return self._pseudonyms.client_pseudonym(client_id)

    def _scopes(self, claim: object) -> frozenset[Scope]:
        """Our scopes among those of the token; names that are not ours are passed over."""
        words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
        prefix = self._settings.scope_prefix
        return frozenset(scope for scope in Scope if f"{prefix}{scope}" in words)


def _algorithms(settings: AuthSettings) -> tuple[str, ...]:
    """The names that the header of a token may have; RFC 9864 gives EdDSA with the curve Ed25519 a second one."""
    if settings.hs256_key.get_secret_value():
        return (HMAC,)
    named = tuple(settings.algorithms.split())
    return (*named, "Ed25519") if "EdDSA" in named else named


def _invalid() -> Unauthenticated:
    return Unauthenticated("The credential is not valid.")


def _expired() -> Unauthenticated:
    return Unauthenticated(
        "The token has expired.", reason=Reason.CREDENTIALS_EXPIRED, hint="Get a new one from its issuer."
    )
