"""The caller of an RPC, known after its credential was verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from models.errors import PermissionDenied
from models.reasons import Reason
from server.access.peer import UNKNOWN_PEER, Peer


class Scope(StrEnum):
    """What a credential allows; one may carry several."""

    APP = "app"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    OPERATOR = "operator"
    SEALED_RELEASE = "sealed_release"


UNBOUND_CLIENT: Final = "operator"
"""Client of a session that a caller of every client opens without naming one."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever made a call.

    Attributes:
        subject: Who it is, for the audit: ``key:<id>`` of an API key, which a rotated key keeps, ``key:operator`` of
            the generated one, or ``jwt:<pseudonym>`` of a token.
        client_id: The app or site that the credential belongs to. Empty means every client, which only an operator,
            a reviewer or an analyst may have.
        scopes: What the credential allows.
        peer: Where the call comes from.
    """

    subject: str
    client_id: str
    scopes: frozenset[Scope]
    peer: Peer = UNKNOWN_PEER

    def may_see(self, client_id: str) -> bool:
        """Whether what belongs to this client may be shown to the caller."""
        return not self.client_id or self.client_id == client_id

    def client_for(self, named: str) -> str:
        """The client of something that the caller makes: that of the credential, or the named one if it has none.

        Args:
            named: From the request; empty leaves it to the credential.

        Raises:
            PermissionDenied: CLIENT_MISMATCH, the credential belongs to another client.
        """
        if not self.client_id:
            return named or UNBOUND_CLIENT
        if named not in ("", self.client_id):
            raise PermissionDenied(
                "The credential belongs to another client.",
                reason=Reason.CLIENT_MISMATCH,
                hint="Leave client_id empty: it comes from the credential.",
            )
        return self.client_id


INTERNAL = Caller("server", "", frozenset(Scope))
"""The server itself: housekeeping, jobs, and tests of parts that no RPC reaches."""

OFFLINE = Caller("offline", "", frozenset(Scope))
"""Whoever runs a command on the files of a stopped server."""

ANONYMOUS = Caller("anonymous", "", frozenset())
"""A call without a credential; it reaches the health service only."""

_current: ContextVar[Caller] = ContextVar("caller", default=INTERNAL)


def current_caller() -> Caller:
    """The caller of the RPC that runs now; ``INTERNAL`` outside an RPC.

    Functions that ``Ledger.write`` and ``Ledger.read`` run in their threads see the caller of whoever gave them.
    """
    return _current.get()


def set_caller(caller: Caller) -> None:
    """Make this the current caller for the rest of the task: gRPC runs every RPC in a task of its own.

    Unlike ``acting_as`` nothing is reset, because a stream that its client left may be closed in another context.
    """
    _current.set(caller)


@contextmanager
def acting_as(caller: Caller) -> Iterator[None]:
    """Make this the current caller within the block."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
