"""Calls of the services on behalf of a browser, with the checks that a call over gRPC passes."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import Message

from models.errors import NotFound, Overloaded, PermissionDenied, Unauthenticated
from server.access.authenticator import Authenticator
from server.access.caller import Caller, acting_as
from server.access.peer import Peer
from server.access.scopes import allows, check_scope
from server.rpc.interceptors.authenticate import AccessDecision, AccessObserver
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.rpc.interceptors.validate import Validate
from server.services import Services

Reply = TypeVar("Reply", bound=Message)

_PACKAGE = "vestibule.v1"


class Calls:
    """Calls services as the owner of a credential.

    Args:
        services: What is called.
        authenticator: Verifies the credential of each call, so that a revoked one ends at once.
        observe: Called with each decision about access; it must not block.
        limits: Bounds on refused credentials.
    """

    def __init__(
        self, services: Services, authenticator: Authenticator, observe: AccessObserver, limits: RefusalLimits
    ) -> None:
        self._services = services
        self._authenticator = authenticator
        self._observe = observe
        self._limits = limits
        self._validate = Validate()

    async def caller(self, credential: str, peer: Peer) -> Caller:
        """Whoever the credential belongs to.

        Raises:
            Unauthenticated: It is not valid, or not any more.
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
            Unavailable: ISSUER_UNAVAILABLE.
        """
        return await self._checked(credential, peer, "")

    async def call(self, credential: str, peer: Peer, service: str, method: str, request: Message) -> Any:
        """Call a method that has one request and one reply.

        Args:
            credential: API key or token of the browser.
            peer: Where the browser is.
            service: Name without the package, ``AdminService``.
            method: ``GetStatus``.
            request: Its message.

        Returns:
            The reply.

        Raises:
            VestibuleError: As the method does, and as ``caller`` does.
            PermissionDenied: The scopes of the credential do not open the method.
        """
        full_name = f"{_PACKAGE}.{service}/{method}"
        caller = await self._checked(credential, peer, full_name)
        self._validate.check_message(request)
        servicer = getattr(self._services, service.removesuffix("Service").lower())
        try:
            with acting_as(caller):
                return await getattr(servicer, method)(request, None)
        except (PermissionDenied, NotFound) as error:
            self._observe(AccessDecision(caller, full_name, error.reason))
            raise

    def allowed(self, caller: Caller, service: str, method: str) -> bool:
        """Whether the scopes of the caller open the method."""
        return allows(caller, f"{_PACKAGE}.{service}/{method}")

    async def _checked(self, credential: str, peer: Peer, method: str) -> Caller:
        caller = Caller("", "", frozenset(), peer)
        authorization = [f"Bearer {credential}"]
        try:
            with self._limits.checking(peer.network, authorization):
                caller = (await self._authenticator.authenticate(authorization, peer)).caller
                if method:
                    check_scope(caller, method)
        except (Unauthenticated, PermissionDenied, Overloaded) as error:
            self._observe(AccessDecision(caller, method or LOGIN, error.reason))
            raise
        if method:
            self._observe(AccessDecision(caller, method))
        return caller


LOGIN = "console/login"
"""What the audit names when a browser shows a credential."""
