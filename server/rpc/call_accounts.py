"""How many bytes of a connection its calls account for."""

from __future__ import annotations

import math
from typing import Final

GOOD_CALL_BYTES: Final = 4096
"""Frames of a call whose credential is good, without its metadata and messages."""
WASTED_CALL_BYTES: Final = 8192
"""What a call adds to the debt that its client leaves at once, or that is refused soon after another."""
REFUSED_CALL_BYTES: Final = 1024
"""Little, because phones whose key has expired may share an address with good ones: 200 calls a second are no flood."""
SOON_S: Final = 0.02
"""After another refused call of the same connection. Made-up credentials come so; a phone that retries is slower."""
LEFT_AT_ONCE_S: Final = 1.0
UNREAD_BYTES: Final = 8 * 1024 * 1024
"""What may have come of a stream of messages when the server ends it, and is never read. A file is refused at its first
bytes, when gRPC has taken in a window of several MiB."""
MESSAGE_BYTES: Final = 256
"""What a message takes besides its own bytes: prefixes of gRPC, HTTP/2 and TLS, and the answers to them."""
MESSAGE_SHARE: Final = 1.05
"""The same for a long message, for each of its bytes."""


class OpenCall:
    """A call that has not ended, which adds to the account of its connection."""

    __slots__ = ("_account", "_began_s", "_has_message", "_known", "_streams")

    def __init__(self, account: Account, began_s: float) -> None:
        self._account = account
        self._began_s = began_s
        self._has_message = self._known = self._streams = False
        account.calls.add(self)

    def known(self, metadata_bytes: int) -> None:
        """Its credential is good, so its bytes count as accounted for."""
        self._known = True
        self._account.bytes += metadata_bytes

    def message(self, size_bytes: int, *, of_stream: bool = False) -> None:
        """A message came, which may be one of several."""
        self._has_message = True
        self._streams = of_stream
        self._account.bytes += MESSAGE_SHARE * size_bytes + MESSAGE_BYTES if self._known else size_bytes

    def end(self, now_s: float, *, refused: bool, left: bool) -> None:
        """The call has ended: with an answer, with a refusal, or because its client left it."""
        if left and now_s - self._began_s < LEFT_AT_ONCE_S:
            self._account.bytes -= WASTED_CALL_BYTES
        elif self._known:
            self._account.bytes += 0 if refused else GOOD_CALL_BYTES
            self._account.bytes += UNREAD_BYTES if self._streams and not left else 0
        elif refused:
            soon = now_s - self._account.refused_s < SOON_S
            self._account.bytes -= WASTED_CALL_BYTES if soon else REFUSED_CALL_BYTES
            self._account.refused_s = now_s
        self._account.calls.discard(self)

    def may_owe(self, now_s: float) -> bool:
        """Whether bytes for it may be on their way. A call that is left at once soon ends, and gets nothing for it."""
        return self._known and (self._has_message or now_s - self._began_s > LEFT_AT_ONCE_S)


class Account:
    """What the calls of one connection account for. The event loop adds to it; the guard's thread only reads.

    Attributes:
        bytes: All bytes that were accounted for so far.
        calls: Those that have not ended.
        refused_s: When the last call without a good credential was refused.
    """

    __slots__ = ("bytes", "calls", "refused_s")

    def __init__(self) -> None:
        self.bytes = 0.0
        self.calls: set[OpenCall] = set()
        self.refused_s = -math.inf

    def owing(self, now_s: float) -> int:
        """Calls for which bytes may be on their way."""
        return sum(call.may_owe(now_s) for call in self.calls.copy())
