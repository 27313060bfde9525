"""How many bytes of a connection its calls account for."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

GOOD_CALL_BYTES: Final = 4096
"""Frames of a call whose credential is good, without its metadata and messages."""
WASTED_CALL_BYTES: Final = 8192
"""What a call adds to the debt that its client leaves at once, or that is refused soon after another, or that is a
refused upload: 32 a second are no flood."""
STRANGERS_CALL_BYTES: Final = 1024
"""What a call without a good credential adds to the debt, refused or not. It brings 57 bytes and takes a quarter of a
millisecond. It is little, because phones whose key has expired may share an address with good ones, and load balancers
check the health: 200 calls a second are no flood."""
SOON_S: Final = 0.02
"""After another refused call of the same connection. Made-up credentials come so; a phone that retries is slower."""
LEFT_AT_ONCE_S: Final = 1.0
UNREAD_BYTES: Final = 8 * 1024 * 1024
"""What may have come of a stream of messages when the server ends it, and is never read. A file is refused at its first
bytes or before them, when gRPC has taken in a window of several MiB."""
MESSAGE_BYTES: Final = 256
"""What a message takes besides its own bytes: prefixes of gRPC, HTTP/2 and TLS, and the answers to them."""
MESSAGE_SHARE: Final = 1.05
"""The same for a long message, for each of its bytes."""
STRANGERS_MESSAGE_BYTES: Final = 1024
"""What a message accounts for at most without a good credential. A health check has the name of a service; gRPC takes
8 MiB, and no other bound holds for one."""
CALLERS_OF_A_PROXY: Final = 3
"""Different callers on one connection. An app has one, so it is the connection of a proxy."""


class OpenCall:
    """A call that has not ended, which adds to the account of its connection.

    Args:
        streams: Whether its client sends a stream of messages.
    """

    __slots__ = ("_account", "_began_s", "_has_message", "_known", "_streams")

    def __init__(self, account: Account, began_s: float, *, streams: bool) -> None:
        self._account = account
        self._began_s = began_s
        self._streams = streams
        self._has_message = self._known = False
        account.calls.add(self)

    def known(self, caller: str, metadata_bytes: int) -> None:
        """Its credential is good, so its bytes count as accounted for."""
        self._known = True
        self._account.bytes += metadata_bytes
        if len(self._account.callers) < CALLERS_OF_A_PROXY:
            self._account.callers.add(caller)

    def message(self, size_bytes: int) -> None:
        """A message came."""
        self._has_message = True
        if self._known:
            self._account.bytes += MESSAGE_SHARE * size_bytes + MESSAGE_BYTES
        else:
            self._account.bytes += min(size_bytes, STRANGERS_MESSAGE_BYTES)

    def end(self, now_s: float, *, refused: bool, left: bool) -> None:
        """The call has ended: with an answer, with a refusal, or because its client left it."""
        account = self._account
        if left and now_s - self._began_s < LEFT_AT_ONCE_S:
            account.bytes -= WASTED_CALL_BYTES
        elif self._known:
            account.bytes += 0 if refused else GOOD_CALL_BYTES
            if self._streams and not left and (refused or self._has_message):
                account.bytes += UNREAD_BYTES
                account.cost += WASTED_CALL_BYTES if refused else 0
        elif refused:
            soon = now_s - account.refused_s < SOON_S
            account.bytes -= WASTED_CALL_BYTES if soon else STRANGERS_CALL_BYTES
            account.refused_s = now_s
        else:
            account.bytes -= STRANGERS_CALL_BYTES
        account.calls.discard(self)

    def may_owe(self, now_s: float) -> bool:
        """Whether bytes for it may be on their way. A call that is left at once soon ends, and gets nothing for it."""
        return self._known and (self._has_message or now_s - self._began_s > LEFT_AT_ONCE_S)


class Sums(NamedTuple):
    """What an account says at one moment, see there."""

    bytes: float = 0.0
    cost: float = 0.0
    open_calls: int = 0


NOTHING: Final = Sums()


class Account:
    """What the calls of one connection account for. The event loop adds to it; the guard's thread only reads.

    Attributes:
        bytes: All bytes that were accounted for so far.
        cost: What was added to the debt and no bytes pay for: uploads that were refused.
        calls: Those that have not ended.
        callers: Whose they were, up to ``CALLERS_OF_A_PROXY`` of them.
        refused_s: When the last call without a good credential was refused.
    """

    __slots__ = ("bytes", "callers", "calls", "cost", "refused_s")

    def __init__(self) -> None:
        self.bytes = 0.0
        self.cost = 0.0
        self.calls: set[OpenCall] = set()
        self.callers: set[str] = set()
        self.refused_s = -math.inf

    def sums(self, now_s: float) -> Sums:
        """Its sums, and the number of calls for which bytes may be on their way."""
        return Sums(self.bytes, self.cost, sum(call.may_owe(now_s) for call in self.calls.copy()))
