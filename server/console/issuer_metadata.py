"""What the issuer says of itself (OpenID Connect Discovery): where its pages and its tokens are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from models.errors import InvalidInput, Unavailable, VestibuleError
from server.console.issuer_http import RETRY_S, IssuerHttp, unavailable
from server.observability.log import describe, get_logger
from server.validators import check_http_url, is_private_url

KEPT_S: Final = 600.0
"""How old it may become before it is read again."""
DOCUMENT: Final = "/.well-known/openid-configuration"

log = get_logger("console")


@dataclass(frozen=True, slots=True)
class IssuerMetadata:
    """What the login needs of it.

    Attributes:
        authorization_endpoint: Page where people log in.
        token_endpoint: Gives tokens for a code.
        end_session_endpoint: Page that logs people out; empty where there is none.
        names_itself: Whether the issuer names itself when it sends a browser back (RFC 9207).
        secret_in_form: Whether the secret of a client may stand in the form.
    """

    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str
    names_itself: bool
    secret_in_form: bool


class Discovery:
    """The metadata that was read last.

    Args:
        issuer: As the settings name it.
        monotonic: Clock in seconds.
    """

    def __init__(self, http: IssuerHttp, issuer: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._issuer = issuer
        self._monotonic = monotonic
        self._known: IssuerMetadata | None = None
        self._again_at = 0.0
        self._reading = asyncio.Lock()

    async def metadata(self) -> IssuerMetadata:
        """The metadata. While the issuer is down, what was read last stays.

        Raises:
            Unavailable: ISSUER_UNAVAILABLE, nothing could be read yet.
        """
        async with self._reading:
            if self._monotonic() >= self._again_at:
                await self._read()
        if self._known is None:
            raise unavailable()
        return self._known

    async def _read(self) -> None:
        try:
            status, found = await self._http.get(self._issuer.rstrip("/") + DOCUMENT)
            self._known = parse(found, self._issuer) if status == 200 else _refuse()
            self._again_at = self._monotonic() + KEPT_S
        except VestibuleError as error:
            self._again_at = self._monotonic() + RETRY_S
            log.warning("issuer_not_read", **describe(error))


def parse(found: Mapping[str, Any], issuer: str) -> IssuerMetadata:
    """The metadata in a document.

    Raises:
        Unavailable: It is of another issuer, or lacks an endpoint that nobody on the way can read.
    """
    if found.get("issuer") != issuer:
        raise Unavailable("The metadata of the issuer name another one.", reason=unavailable().reason)
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return IssuerMetadata(
        authorization_endpoint=_endpoint(found, "authorization_endpoint") or _refuse(),
        token_endpoint=_endpoint(found, "token_endpoint") or _refuse(),
        end_session_endpoint=_endpoint(found, "end_session_endpoint"),
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
        secret_in_form=isinstance(methods, list) and "client_secret_post" in methods,
    )


def _endpoint(found: Mapping[str, Any], name: str) -> str:
    """An address that the document names; empty if it names none that can be used."""
    url = found.get(name)
    if not isinstance(url, str) or not url:
        return ""
    try:
        check_http_url(url)
    except InvalidInput:
        return ""
    return url if is_private_url(url) else ""


def _refuse() -> Any:
    raise Unavailable("The metadata of the issuer cannot be used.", reason=unavailable().reason)
