"""The login at the issuer: OpenID Connect, authorization code flow with PKCE, state and nonce.

The access token becomes the credential of the login, and the gate checks it as that of any other caller. The id token
proves that the issuer answered to this very login. A login that is under way is kept by the browser alone, in a sealed
cookie, so nobody can push others out by beginning many.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from authlib.oidc.core import CodeIDToken
from cryptography.fernet import Fernet, InvalidToken
from joserfc.errors import JoseError

from models.errors import Unauthenticated, Unavailable, VestibuleError
from models.reasons import Reason
from server.access.tokens import TokenVerifier
from server.console.issuer_client import IssuerClient, client_for, form_headers
from server.console.issuer_http import RETRY_S, Answer, IssuerHttp, unavailable
from server.console.issuer_metadata import Discovery, IssuerMetadata
from server.console.place import Place
from server.ledger.types import Clock
from server.observability.log import get_logger
from server.setting_groups import AuthSettings, ConsoleSettings

RETURN_PATH: Final = "/login/return"
UNDER_WAY_S: Final = 600
"""How long a login at the issuer may take."""
RENEW_S: Final = 20.0
"""A token is renewed so long before it ends."""
MOST_USED: Final = 10_000
"""Logins whose end is remembered, so that none ends twice."""
LONGEST_PATH: Final = 1500
"""Of the page to return to; a browser takes a cookie of 4,096 bytes at most."""
LONGEST: Final = 64 * 1024
"""Characters of a token that is kept."""

log = get_logger("console")


@dataclass(frozen=True, slots=True, repr=False)
class UnderWay:
    """A login that is under way."""

    state: str
    nonce: str
    verifier: str
    path: str


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """The tokens of a login.

    Attributes:
        access: The credential.
        refresh: Renews it; empty where the issuer gives none.
        id_token: Tells the issuer whom to log out.
        holder: The ``sub`` of the id token.
        subject: Whom the gate takes the holder of ``access`` for.
        ends_s: Seconds since 1970 after which ``access`` is not valid.
    """

    access: str
    refresh: str
    id_token: str
    holder: str
    subject: str
    ends_s: float


class IssuerLogin:
    """Logs people in at the issuer.

    Args:
        settings: With a client id.
        auth: Of the gate: the issuer, and how far clocks may differ.
        verifier: Of the gate: checks the tokens.
        place: Where browsers find the console.
        http: Reaches the issuer.
        clock: Of the tokens.
    """

    def __init__(
        self,
        settings: ConsoleSettings,
        auth: AuthSettings,
        verifier: TokenVerifier,
        place: Place,
        http: IssuerHttp,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._auth = auth
        self._verifier = verifier
        self._place = place
        self._http = http
        self._clock = clock
        self._discovery = Discovery(http, auth.issuer)
        self._seal = Fernet(Fernet.generate_key())
        self._used: OrderedDict[bytes, None] = OrderedDict()
        self._down_until_s = 0.0

    @property
    def name(self) -> str:
        """What people call the issuer: its host."""
        return urlsplit(self._auth.issuer).hostname or self._auth.issuer

    async def begin(self, path: str) -> tuple[str, str]:
        """Begin a login.

        Args:
            path: The page to return to.

        Returns:
            The address at the issuer, and what the browser keeps until it comes back.

        Raises:
            Unavailable: ISSUER_UNAVAILABLE.
        """
        metadata = await self._discovery.metadata()
        path = path if len(path) <= LONGEST_PATH else "/"
        begun = UnderWay(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), path)
        address, _ = self._client(metadata).create_authorization_url(
            metadata.authorization_endpoint, state=begun.state, code_verifier=begun.verifier, nonce=begun.nonce
        )
        sealed = self._seal.encrypt_at_time(json.dumps(asdict(begun)).encode(), self._now())
        return str(address), sealed.decode().rstrip("=")  # which browsers would want in quotes

    def under_way(self, sealed: str) -> UnderWay:
        """The login that a browser keeps.

        Raises:
            Unauthenticated: LOGIN_FAILED, there is none, or it took too long.
        """
        try:
            whole = sealed.encode("utf-8", "replace") + b"=" * (-len(sealed) % 4)
            opened = self._seal.decrypt_at_time(whole, UNDER_WAY_S, self._now())
        except InvalidToken:
            raise login_failed("The login took too long, or began in another browser.") from None
        return UnderWay(**json.loads(opened))

    async def finish(self, begun: UnderWay, returned: Mapping[str, str]) -> Issued:
        """Finish a login.

        Args:
            begun: What the browser kept.
            returned: What the issuer gave to the browser.

        Raises:
            Unauthenticated: LOGIN_FAILED.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        state = returned.get("state", "")
        if not hmac.compare_digest(state.encode(), begun.state.encode()):
            raise login_failed("The login began in another browser, or in another window.")
        self._use(state)
        metadata = await self._discovery.metadata()
        named = returned.get("iss", "" if metadata.names_itself else self._auth.issuer)
        if named != self._auth.issuer:
            raise login_failed("Another issuer answered.")
        code = returned.get("code", "")
        if "error" in returned or not code:
            log.warning("issuer_refused_login", denied=returned.get("error") == "access_denied")
            raise login_failed("The issuer did not log you in.")
        uri, headers, body = self._client(metadata).fetch_token(
            metadata.token_endpoint, grant_type="authorization_code", code=code, code_verifier=begun.verifier,
            headers=form_headers(),
        )  # fmt: skip
        return await self._issued(await self._http.post(uri, headers, body), begun.nonce)

    def due(self, issued: Issued) -> bool:
        """Whether the tokens are about to end and can be renewed."""
        return bool(issued.refresh) and self._clock().timestamp() >= issued.ends_s - RENEW_S

    async def renewed(self, issued: Issued) -> Issued:
        """New tokens for a login.

        Raises:
            Unauthenticated: LOGIN_FAILED, the issuer has ended the login.
            Unavailable: ISSUER_UNAVAILABLE; it is asked again some seconds later.
        """
        if self._clock().timestamp() < self._down_until_s:
            raise unavailable()
        try:
            metadata = await self._discovery.metadata()
            uri, headers, body = self._client(metadata).refresh_token(
                metadata.token_endpoint, refresh_token=issued.refresh, headers=form_headers()
            )
            return await self._issued(await self._http.post(uri, headers, body), "", issued)
        except Unavailable:
            self._down_until_s = self._clock().timestamp() + RETRY_S
            raise

    def valid(self, issued: Issued) -> bool:
        """Whether the access token has not ended."""
        return self._clock().timestamp() < issued.ends_s

    async def log_out_address(self, issued: Issued) -> str:
        """The page of the issuer that logs a person out there; empty if it has none, or does not answer."""
        try:
            endpoint = (await self._discovery.metadata()).end_session_endpoint
        except VestibuleError:
            return ""
        if not endpoint:
            return ""
        query = {
            "id_token_hint": issued.id_token,
            "client_id": self._settings.oidc_client_id,
            "post_logout_redirect_uri": f"{self._place.url}/login",
        }
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    async def _issued(self, answer: Answer, nonce: str, before: Issued | None = None) -> Issued:
        """What the issuer gave, verified. A renewal may leave the id token and the next refresh token out."""
        status, given = answer
        if status != 200:
            raise login_failed("The issuer did not log you in.")
        access, refresh, id_token = (_text(given, name) for name in ("access_token", "refresh_token", "id_token"))
        if not access or _text(given, "token_type").lower() != "bearer" or not (id_token or before):
            raise login_failed("The issuer gave no tokens.")
        holder = await self._holder(id_token, access, nonce) if id_token else ""
        try:
            verified = await self._verifier.verify(access)
        except Unauthenticated:
            raise login_failed(
                "The access token of the issuer is not for this server.",
                hint="It must be a JSON Web Token with the audience VESTIBULE_AUTH__AUDIENCE and our scopes.",
            ) from None
        made = Issued(access, refresh, id_token, holder, verified.subject, verified.expires_s)
        if before is None:
            return made
        if holder not in ("", before.holder) or made.subject != before.subject:
            raise login_failed("The issuer renewed the login of somebody else.")
        return replace(
            made, refresh=refresh or before.refresh, id_token=id_token or before.id_token, holder=before.holder
        )

    async def _holder(self, id_token: str, access: str, nonce: str) -> str:
        """The ``sub`` of an id token, after all of it was checked. A renewal's need not repeat the nonce."""
        try:
            signed = await self._verifier.signed(id_token)
            algorithm = "EdDSA" if signed.header["alg"] == "Ed25519" else signed.header["alg"]
            claims = CodeIDToken(
                signed.claims,
                {**signed.header, "alg": algorithm},
                {"iss": {"value": self._auth.issuer}, "aud": {"value": self._settings.oidc_client_id}},
                {"nonce": nonce, "client_id": self._settings.oidc_client_id, "access_token": access},
            )
            claims.validate(self._now(), self._auth.leeway_s)
            return str(claims["sub"])
        except (Unauthenticated, JoseError, ValueError, TypeError, AttributeError):
            raise login_failed(
                "The id token of the issuer is not valid.", hint="Compare the clocks of the server and of the issuer."
            ) from None

    def _use(self, state: str) -> None:
        """Remember that a login has ended."""
        digest = hashlib.sha256(state.encode()).digest()
        if digest in self._used:
            raise login_failed("This login has ended already.")
        self._used[digest] = None
        if len(self._used) > MOST_USED:
            self._used.popitem(last=False)

    def _client(self, metadata: IssuerMetadata) -> IssuerClient:
        return client_for(self._settings, metadata, self._place.url + RETURN_PATH)

    def _now(self) -> int:
        return int(self._clock().timestamp())


def login_failed(message: str, hint: str = "Log in again, or use an API key.") -> Unauthenticated:
    """A login at the issuer that was not completed."""
    return Unauthenticated(message, reason=Reason.LOGIN_FAILED, hint=hint)


def _text(given: Mapping[str, Any], name: str) -> str:
    """A text of an answer; empty if there is none, or it is too long to keep."""
    found = given.get(name)
    return found if isinstance(found, str) and len(found) <= LONGEST else ""
