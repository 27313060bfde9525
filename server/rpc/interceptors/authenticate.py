"""Every call gets its caller from its credential, or is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from models.errors import NotFound, Overloaded, PermissionDenied, Unauthenticated, Unavailable
from models.reasons import Reason
from server.access.access_log import AccessLog
from server.access.authenticator import Authenticator, Grant
from server.access.caller import ANONYMOUS, Caller, set_caller
from server.access.peer import Peer, parse_peer
from server.access.scopes import NO_CREDENTIAL, check_scope
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import Call, CallHook
from server.rpc.interceptors.refusal_limits import RefusalLimits

CREDENTIAL_KEY: Final = "authorization"
RECHECK_S: Final = 20.0
"""How often the credential of an open stream is checked again. Twice this is less than a minute."""

REFUSAL_REASONS: Final = (
    Reason.CREDENTIALS_MISSING,
    Reason.CREDENTIALS_INVALID,
    Reason.CREDENTIALS_EXPIRED,
    Reason.CREDENTIALS_REVOKED,
    Reason.LOGIN_FAILED,
    Reason.SCOPE_MISSING,
    Reason.METHOD_CLOSED,
    Reason.CLIENT_MISMATCH,
    Reason.OWN_SESSION,
    Reason.REFUSALS_TOO_FAST,
    Reason.TOO_MANY_CREDENTIAL_CHECKS,
)


@dataclass(frozen=True, slots=True)
class AccessDecision:
    """Whether a call may go on.

    Attributes:
        caller: Who made it; with an empty subject if nobody is known.
        denied: Why it may not; None if it may.
    """

    caller: Caller
    method: str
    denied: Reason | None = None


AccessObserver = Callable[[AccessDecision], None]


def observer(metrics: Metrics, access: AccessLog) -> AccessObserver:
    """Counts refused calls by reason, and gives every decision to the audit."""
    metrics.show(metrics.refused_calls, REFUSAL_REASONS)

    def observe(decision: AccessDecision) -> None:
        if decision.denied in REFUSAL_REASONS:
            metrics.refused_calls.labels(decision.denied).inc()
        access.record(decision.caller, decision.method, denied=decision.denied or "")

    return observe


class AccessCheck:
    """Verifies credentials and scopes, for calls over gRPC and for those of the console.

    Args:
        authenticator: Verifies credentials.
        observe: Called with each decision; it must not block.
        limits: Bounds on refused credentials.
    """

    def __init__(self, authenticator: Authenticator, observe: AccessObserver, limits: RefusalLimits) -> None:
        self._authenticator = authenticator
        self._observe = observe
        self._limits = limits

    async def grant(
        self, authorization: Sequence[str | bytes], peer: Peer, method: str, *, scoped: bool = True, record: bool = True
    ) -> Grant:
        """Who calls.

        Args:
            authorization: Every value of the metadata key ``authorization``.
            peer: Where the call comes from.
            method: Full name without the leading slash.
            scoped: Whether the scopes must open the method.
            record: Whether the observer is told that the call may go on; it is always told that one may not.

        Raises:
            Unauthenticated: There is no valid credential.
            PermissionDenied: The scopes do not allow the method.
            Unavailable: ISSUER_UNAVAILABLE.
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
        """
        caller = Caller("", "", frozenset(), peer)
        try:
            with self._limits.checking(peer.network, authorization):
                grant = await self._authenticator.authenticate(authorization, peer)
                caller = grant.caller
                if scoped:
                    check_scope(caller, method)
        except (Unauthenticated, PermissionDenied, Overloaded) as error:
            self._observe(AccessDecision(caller, method, error.reason))
            raise
        if record:
            self._observe(AccessDecision(caller, method))
        return grant


class Authenticate(CallHook):
    """Verifies the credential, checks the scope, and sets the current caller.

    Args:
        authenticator: Verifies credentials.
        observe: Called with each decision; it must not block.
        limits: Bounds on refused calls.
        recheck_s: Seconds between two checks of the credential of an open stream.
        peer_of: Says where a call comes from.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        observe: AccessObserver,
        limits: RefusalLimits,
        recheck_s: float = RECHECK_S,
        peer_of: Callable[[Call], Peer] = lambda call: parse_peer(call.context.peer()),
    ) -> None:
        self._peer_of = peer_of
        self._observe = observe
        self._check = AccessCheck(authenticator, observe, limits)
        self._recheck_s = recheck_s

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or set its caller. A stream ends when its credential does.

        Raises:
            Unauthenticated: There is no valid credential, or not any more.
            PermissionDenied: The scopes do not allow the method.
            Unavailable: ISSUER_UNAVAILABLE.
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
        """
        if call.method.startswith(NO_CREDENTIAL):
            set_caller(ANONYMOUS)
            yield
            return
        peer = self._peer_of(call)
        grant = await self._check.grant(call.all_metadata(CREDENTIAL_KEY), peer, call.method)
        set_caller(grant.caller)
        try:
            if call.streaming:
                async with self._watched(call, grant):
                    yield
            else:
                yield
        # Of the handler: CLIENT_MISMATCH and the like, or an id that does not exist or is another client's. The caller
        # is not told which of the two; whoever tries ids is seen in the audit.
        except (PermissionDenied, NotFound) as error:
            self._observe(AccessDecision(grant.caller, call.method, error.reason))
            raise

    @asynccontextmanager
    async def _watched(self, call: Call, grant: Grant) -> AsyncIterator[None]:
        """End the call once its credential is not valid any more."""
        running = asyncio.current_task()
        assert running is not None
        watching = asyncio.create_task(self._watch(call, grant, running))
        try:
            yield
        except asyncio.CancelledError:
            if call.ended is None:
                raise
            running.uncancel()
            raise call.ended from None
        finally:
            watching.cancel()

    async def _watch(self, call: Call, grant: Grant, running: asyncio.Task[Any]) -> None:
        """Check the credential from time to time. Once it is not valid, end the call."""
        while call.ended is None:
            await asyncio.sleep(self._recheck_s)
            try:
                with suppress(Unavailable):  # while the issuer is down, what is open goes on
                    await grant.recheck()
            except Unauthenticated as error:
                self._observe(AccessDecision(grant.caller, call.method, error.reason))
                call.ended = error
        if call.sending:  # the stream ends after this message, see ``HookInterceptor``
            await asyncio.sleep(self._recheck_s)
        running.cancel()
