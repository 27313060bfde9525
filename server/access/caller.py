"""The caller of an RPC, known after its credential was verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a credential allows; one may carry several."""

    APP = "app"
    REVIEWER = "reviewer"
    ANALYST = "analyst"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever made a call.

    Attributes:
        subject: Who it is, for the audit: ``key:<id>`` of an API key, or ``jwt:<sub>`` of a token.
        client_id: The app or site that the credential belongs to. Empty means every client, which only an operator,
            a reviewer or an analyst may have.
        scopes: What the credential allows.
        peer: Network address of the caller as gRPC reports it.
    """

    subject: str
    client_id: str
    scopes: frozenset[Scope]
    peer: str = ""

    def may_see(self, client_id: str) -> bool:
        """Whether what belongs to this client may be shown to the caller."""
        return not self.client_id or self.client_id == client_id


INTERNAL = Caller("server", "", frozenset(Scope))
"""The server itself: housekeeping, jobs, and tests of parts that no RPC reaches."""

OFFLINE = Caller("offline", "", frozenset(Scope))
"""Whoever runs a command on the files of a stopped server."""

_current: ContextVar[Caller] = ContextVar("caller", default=INTERNAL)


def current_caller() -> Caller:
    """The caller of the RPC that runs now; ``INTERNAL`` outside an RPC."""
    return _current.get()


@contextmanager
def acting_as(caller: Caller) -> Iterator[None]:
    """Make this the current caller."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
