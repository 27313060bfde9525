"""Calls of the services on behalf of a browser. The credential, its scopes and the request are checked as over gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final

from google.protobuf.message import Message

from models.errors import DeadlineExceeded
from models.reasons import Reason
from server.access.authenticator import Authenticator
from server.access.caller import Caller
from server.access.peer import Peer
from server.access.scopes import allows
from server.observability.log import new_correlation
from server.observability.metrics import Metrics
from server.rpc.interceptors.authenticate import AccessCheck, AccessDecision, AccessObserver, Authenticate
from server.rpc.interceptors.base import HookInterceptor
from server.rpc.interceptors.call_limits import CallLimits
from server.rpc.interceptors.deadline import ClientDeadline
from server.rpc.interceptors.disk_room import NeedsRoom
from server.rpc.interceptors.drain import Drain
from server.rpc.interceptors.first_message import FirstMessage
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.rpc.interceptors.validate import Validate
from server.rpc.local_calls import PACKAGE, LocalCalls, LocalContext, peer_of
from server.runtime.disk_room import DiskRoom
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.setting_groups import LimitSettings

LOGIN: Final = "console/login"
"""What the audit names when a browser shows a credential."""
DEADLINE_S: Final = 15.0
"""Of a call, the same as in the service config beside the protos."""


class Calls:
    """Calls services as the owner of a credential, past the interceptors of the port.

    Args:
        services: What is called.
        authenticator: Verifies the credential of each call, so that a revoked one ends at once.
        observe: Called with each decision about access; it must not block.
        limits: Bounds on refused credentials, and on how many calls a caller makes.
        monotonic: Clock of the rates, in seconds.
        lifecycle: Whether the server stops; None for one that never does.
        metrics: Count refused calls; None for nobody.
        room: Refuses calls that bring new work while a disk lacks room; None refuses none.
    """

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        observe: AccessObserver,
        limits: LimitSettings,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        lifecycle: Lifecycle | None = None,
        metrics: Metrics | None = None,
        room: DiskRoom | None = None,
    ) -> None:
        self._observe = observe
        # All browsers of this machine have one address. A flood of wrong keys from it must not keep the owner of a
        # real key out, so the key of a known id is always compared: that costs no more than to count it.
        self._refusals = RefusalLimits(limits, monotonic, authenticator.knows)
        self._check = AccessCheck(authenticator, observe, self._refusals)
        self._local = LocalCalls(
            services,
            (
                HookInterceptor(Drain(lifecycle or Lifecycle())),
                HookInterceptor(Authenticate(authenticator, observe, self._refusals, peer_of=peer_of)),
                HookInterceptor(CallLimits(limits, metrics or Metrics(), monotonic)),
                *((HookInterceptor(NeedsRoom(room)),) if room else ()),
                HookInterceptor(ClientDeadline()),
                FirstMessage(limits.first_message_s),
                HookInterceptor(Validate()),
            ),
        )

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
        request: Message | AsyncIterator[Message],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> Any:
        """Call a method that has one reply.

        Args:
            credential: API key or token of the browser.
            peer: Where the browser is.
            service: Name without the package, ``AdminService``.
            method: ``GetStatus``.
            request: Its message, or several for a method that takes a stream.
            deadline_s: How long it may take.

        Returns:
            The reply.

        Raises:
            VestibuleError: As the method and the interceptors do.
            DeadlineExceeded: It took too long.
        """
        context = LocalContext(credential, peer, deadline_s)
        try:
            async with asyncio.timeout(deadline_s):  # a task of its own, for its caller and deadline are of this call
                return await asyncio.create_task(self._one(service, method, request, context))
        except TimeoutError as exc:
            raise _too_late(deadline_s) from exc

    async def all(
        self,
        credential: str,
        peer: Peer,
        service: str,
        method: str,
        request: Message | AsyncIterator[Message],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> list[Any]:
        """The replies of a method that has a stream of them, once it has ended.

        Args and errors are those of ``call``.
        """

        async def taken() -> list[Any]:
            return [reply async for reply in self.follow(credential, peer, service, method, request)]

        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.create_task(taken())
        except TimeoutError as exc:
            raise _too_late(deadline_s) from exc

    async def _one(
        self, service: str, method: str, request: Message | AsyncIterator[Message], context: LocalContext
    ) -> Any:
        with new_correlation():
            return await self._local.one(service, method, _stream(request), context)

    async def follow(
        self, credential: str, peer: Peer, service: str, method: str, request: Message | AsyncIterator[Message]
    ) -> AsyncGenerator[Any, None]:
        """The replies of a method that has a stream of them. They must all be taken in one task, made for them.

        Args:
            credential: API key or token of the browser.
            peer: Where the browser is.
            service: Name without the package, ``ConversationService``.
            method: ``Converse``.
            request: Its message, or several for a method that takes a stream.

        Raises:
            VestibuleError: As the method and the interceptors do.
        """
        with new_correlation():
            replies = self._local.many(service, method, _stream(request), LocalContext(credential, peer, None))
            async with aclosing(replies):
                async for reply in replies:
                    yield reply

    def allowed(self, caller: Caller, service: str, method: str) -> bool:
        """Whether the scopes of the caller open the method."""
        return allows(caller, f"{PACKAGE}.{service}/{method}")


async def _stream(request: Message | AsyncIterator[Message]) -> AsyncIterator[Message]:
    if isinstance(request, Message):
        yield request
        return
    async for message in request:
        yield message


def _too_late(deadline_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"The server did not answer within {deadline_s:g} s.")


def _sent(credential: str) -> list[str]:
    """The credential as the metadata of a call has it."""
    return [f"Bearer {credential}"]
