"""Bounds on calls: how many run at a time, and how many each caller may begin.

A caller is whoever the credential names. Without a credential it is the network address.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from models.errors import Overloaded, TooLarge
from models.reasons import Reason
from server.access.caller import ANONYMOUS, INTERNAL, current_caller
from server.access.peer import parse_peer
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import Call, CallHook
from server.rpc.interceptors.flood_accounts import credential_is_good
from server.runtime.token_bucket import Rate, TokenBuckets
from server.setting_groups import LimitSettings

ALWAYS_ADMITTED: Final = "grpc.health.v1.Health/Check"
"""An overloaded server is not a dead one: load balancers always get an answer."""

WATCHES: Final = frozenset(
    {
        "vestibule.v1.SessionService/WatchSession",
        "vestibule.v1.MediaService/WatchUpload",
        "grpc.health.v1.Health/Watch",
    }
)
"""Methods whose calls stay open and send nothing most of the time."""

LARGEST_METADATA_BYTES: Final = 16 * 1024
"""Room for a credential, a correlation id, and what gRPC and proxies add."""

RETRY_AFTER_S: Final = 2.0
"""When a place may be free again. Nobody knows when a call ends."""


class CallLimits(CallHook):
    """Refuses calls over a bound. A refused call costs no more than this hook.

    Args:
        monotonic: Clock of the rate.
    """

    def __init__(
        self, limits: LimitSettings, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._metrics = metrics
        self._rate = TokenBuckets(Rate(limits.client_calls_per_s, limits.client_calls_burst), monotonic)
        self._calls: Counter[str] = Counter()
        self._watches: Counter[str] = Counter()
        self._total = 0
        metrics.show(metrics.refused_calls, _REASONS)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or count it as open while it runs.

        Raises:
            Overloaded: CALLS_TOO_FAST, TOO_MANY_CALLS, TOO_MANY_CLIENT_CALLS, TOO_MANY_WATCHES.
            TooLarge: METADATA_TOO_LARGE.
        """
        metadata_bytes = _check_metadata(call)
        if current_caller() is not ANONYMOUS:
            credential_is_good(current_caller().subject, metadata_bytes)
        if call.method == ALWAYS_ADMITTED:
            yield
            return
        caller = _caller(call)
        self._check(caller, call.method in WATCHES)
        self._total += 1
        try:
            with counted(self._calls, caller):
                if call.method in WATCHES:
                    with counted(self._watches, caller):
                        yield
                else:
                    yield
        finally:
            self._total -= 1

    def _check(self, caller: str, watch: bool) -> None:
        limits = self._limits
        if self._total >= limits.calls:
            raise self._refusal(Reason.TOO_MANY_CALLS, "Too many calls are open.")
        if self._calls[caller] >= limits.client_calls:
            raise self._refusal(Reason.TOO_MANY_CLIENT_CALLS, "This client has too many calls open.")
        if watch and self._watches[caller] >= limits.client_watches:
            raise self._refusal(Reason.TOO_MANY_WATCHES, "This client watches too many things at a time.")
        wait_s = self._rate.take(caller)
        if wait_s:
            raise self._refusal(Reason.CALLS_TOO_FAST, "This client makes too many calls.", wait_s)

    def _refusal(self, reason: Reason, message: str, retry_after_s: float = RETRY_AFTER_S) -> Overloaded:
        self._metrics.refused_calls.labels(reason).inc()
        return Overloaded(message, reason=reason, retry_after_s=retry_after_s)


_REASONS: Final = (
    Reason.TOO_MANY_CALLS,
    Reason.TOO_MANY_CLIENT_CALLS,
    Reason.TOO_MANY_WATCHES,
    Reason.CALLS_TOO_FAST,
)


@contextmanager
def counted(counts: Counter[str], key: str) -> Iterator[None]:
    """Count the key while this is held. A key with nothing to count is forgotten."""
    counts[key] += 1
    try:
        yield
    finally:
        counts[key] -= 1
        if not counts[key]:
            del counts[key]


def _check_metadata(call: Call) -> int:
    """Needed because gRPC tells its bound to clients and trusts them; it takes hundreds of kilobytes from any other."""
    size_bytes = sum(len(key) + len(value) for key, value in call.context.invocation_metadata() or ())
    if size_bytes > LARGEST_METADATA_BYTES:
        raise TooLarge(
            f"The metadata of the call have more than {LARGEST_METADATA_BYTES} bytes.", reason=Reason.METADATA_TOO_LARGE
        )
    return size_bytes


def _caller(call: Call) -> str:
    caller = current_caller()
    return parse_peer(call.context.peer()).network if caller in (INTERNAL, ANONYMOUS) else caller.subject
