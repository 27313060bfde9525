"""Bounds on credentials that are refused, for each network address, looked at before a credential is.

Only refused calls use up the bound, so clients with good credentials may share an address. While it is used up, a
credential that was accepted lately is still looked at: a stranger behind the same proxy does not lock its owner out.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from models.errors import Overloaded, PermissionDenied, Unauthenticated
from models.reasons import Reason
from server.access.authenticator import LONGEST_CREDENTIAL
from server.access.jwks import WAIT_S
from server.rpc.interceptors.call_limits import counted
from server.runtime.token_bucket import Rate, TokenBuckets
from server.setting_groups import LimitSettings

MOST_ACCEPTED: Final = 10_000
"""Credentials that are remembered as accepted, by their hash."""


class RefusalLimits:
    """Refuses calls from a network address whose calls were refused too often.

    Args:
        monotonic: Clock of the rate.
        known: Whether a credential is looked at even while the bound is used up. It must be as cheap to check as to
            count, and impossible to guess.
    """

    def __init__(
        self,
        limits: LimitSettings,
        monotonic: Callable[[], float] = time.monotonic,
        known: Callable[[Sequence[str | bytes]], bool] = lambda authorization: False,
    ) -> None:
        self._known = known
        self._at_once = limits.network_checks
        self._refused = TokenBuckets(Rate(limits.network_refused_per_s, limits.network_refused_burst), monotonic)
        self._checking: Counter[str] = Counter()
        self._accepted: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        """Network addresses and credentials that are remembered."""
        return len(self._refused) + len(self._checking) + len(self._accepted)

    @contextmanager
    def checking(self, network: str, authorization: Sequence[str | bytes]) -> Iterator[None]:
        """Hold this while the credential and its scopes are checked. What is refused inside is counted.

        Args:
            network: Of the caller, see ``Peer``.
            authorization: Every value of the metadata key ``authorization``.

        Raises:
            Overloaded: REFUSALS_TOO_FAST, TOO_MANY_CREDENTIAL_CHECKS.
        """
        digest = _digest(authorization)
        self._check(network, digest, authorization)
        try:
            with counted(self._checking, network):
                yield
        except (Unauthenticated, PermissionDenied):
            self._refused.take(network)
            self._accepted.pop(digest, None)
            raise
        if digest:
            self._remember(digest)

    def accept(self, authorization: Sequence[str | bytes]) -> None:
        """Look at this credential whatever was refused before: whoever issued it just gave it to us."""
        if digest := _digest(authorization):
            self._remember(digest)

    def _remember(self, digest: bytes) -> None:
        self._accepted[digest] = None
        self._accepted.move_to_end(digest)
        if len(self._accepted) > MOST_ACCEPTED:
            self._accepted.popitem(last=False)

    def _check(self, network: str, digest: bytes, authorization: Sequence[str | bytes]) -> None:
        wait_s = self._refused.wait_s(network)
        if wait_s and digest not in self._accepted and not self._known(authorization):
            raise Overloaded(
                "Too many calls of this network address were refused for their credential or its scopes.",
                reason=Reason.REFUSALS_TOO_FAST,
                retry_after_s=wait_s,
            )
        if self._checking[network] >= self._at_once:
            raise Overloaded(
                "Too many credentials of this network address are being checked.",
                reason=Reason.TOO_MANY_CREDENTIAL_CHECKS,
                retry_after_s=WAIT_S,
            )


def _digest(authorization: Sequence[str | bytes]) -> bytes:
    """The hash of a credential; empty for what is never accepted."""
    if len(authorization) != 1 or not isinstance(authorization[0], str) or len(authorization[0]) > LONGEST_CREDENTIAL:
        return b""
    return hashlib.sha256(authorization[0].encode("utf-8", "replace")).digest()
