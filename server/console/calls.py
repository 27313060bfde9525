"""Calls of the services on behalf of a browser. The credential, its scopes and the request are checked as over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from models.errors import DeadlineExceeded, NotFound, Overloaded, PermissionDenied
from models.reasons import Reason
from server.access.authenticator import Authenticator
from server.access.caller import Caller, acting_as
from server.access.peer import Peer
from server.access.scopes import allows
from server.rpc.interceptors.authenticate import AccessCheck, AccessDecision, AccessObserver
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.rpc.interceptors.validate import Validate
from server.runtime.token_bucket import Rate, TokenBuckets
from server.services import Services
from server.setting_groups import LimitSettings

Reply = TypeVar("Reply", bound=Message)

_PACKAGE = "vestibule.v1"
LOGIN: Final = "console/login"
"""What the audit names when a browser shows a credential."""
DEADLINE_S: Final = 15.0
"""Of a call, the same as in the service config beside the protos."""


class Calls:
    """Calls services as the owner of a credential.

    Args:
        services: What is called.
        authenticator: Verifies the credential of each call, so that a revoked one ends at once.
        observe: Called with each decision about access; it must not block.
        limits: Bounds on refused credentials, and on how many calls a caller makes.
        monotonic: Clock of the rates, in seconds.
    """

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        observe: AccessObserver,
        limits: LimitSettings,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._services = services
        self._observe = observe
        # All browsers of this machine have one address. A flood of wrong keys from it must not keep the owner of a
        # real key out, so the key of a known id is always compared: that costs no more than to count it.
        self._refusals = RefusalLimits(limits, monotonic, authenticator.knows)
        self._check = AccessCheck(authenticator, observe, self._refusals)
        self._rate = TokenBuckets(Rate(limits.client_calls_per_s, limits.client_calls_burst), monotonic)
        self._validate = Validate()

    async def log_in(self, credential: str, peer: Peer, *, from_issuer: bool = False) -> Caller:
        """Whoever the credential belongs to; the audit gets it.

        Args:
            credential: API key or token.
            peer: Where the browser is.
            from_issuer: Whether the issuer itself just gave it to the server.

        Raises:
            Unauthenticated: It is not valid.
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        if from_issuer:
            self._refusals.accept(_sent(credential))
        return (await self._check.grant(_sent(credential), peer, LOGIN, scoped=False)).caller

    def keep(self, credential: str) -> None:
        """Take a token that the issuer just gave in place of one that is about to end."""
        self._refusals.accept(_sent(credential))

    def refused(self, peer: Peer, reason: Reason) -> None:
        """Tell the audit of a login that was refused before there was a credential."""
        self._observe(AccessDecision(Caller("", "", frozenset(), peer), LOGIN, reason))

    async def caller(self, credential: str, peer: Peer) -> Caller:
        """Whoever the credential of a browser that is logged in belongs to.

        Raises:
            Unauthenticated: It is not valid, or not any more.
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        return (await self._check.grant(_sent(credential), peer, LOGIN, scoped=False, record=False)).caller

    async def call(
        self,
        credential: str,
        peer: Peer,
        service: str,
        method: str,
        request: Message,
        *,
        deadline_s: float = DEADLINE_S,
    ) -> Any:
        """Call a method that has one request and one reply.

        Args:
            credential: API key or token of the browser.
            peer: Where the browser is.
            service: Name without the package, ``AdminService``.
            method: ``GetStatus``.
            request: Its message.
            deadline_s: How long it may take.

        Returns:
            The reply.

        Raises:
            VestibuleError: As the method does, and as ``caller`` does.
            PermissionDenied: The scopes of the credential do not open the method.
            Overloaded: CALLS_TOO_FAST.
            DeadlineExceeded: It took too long.
        """
        full_name = f"{_PACKAGE}.{service}/{method}"
        caller = (await self._check.grant(_sent(credential), peer, full_name)).caller
        if wait_s := self._rate.take(caller.subject):
            raise Overloaded("This client makes too many calls.", reason=Reason.CALLS_TOO_FAST, retry_after_s=wait_s)
        self._validate.check_message(request)
        servicer = getattr(self._services, service.removesuffix("Service").lower())
        try:
            with acting_as(caller):
                async with asyncio.timeout(deadline_s):
                    return await getattr(servicer, method)(request, None)
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The server did not answer within {deadline_s:g} s.") from exc
        except (PermissionDenied, NotFound) as error:
            self._observe(AccessDecision(caller, full_name, error.reason))
            raise

    def allowed(self, caller: Caller, service: str, method: str) -> bool:
        """Whether the scopes of the caller open the method."""
        return allows(caller, f"{_PACKAGE}.{service}/{method}")


def _sent(credential: str) -> list[str]:
    """The credential as the metadata of a call has it."""
    return [f"Bearer {credential}"]
