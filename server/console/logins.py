"""Which browsers are logged in. It is kept in memory only: a restart of the server logs everybody out."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.console.issuer_login import Issued

MOST: Final = 1000
"""Logins that are kept; beyond, the one that was idle for longest ends."""
TICKET_S: Final = 60.0
"""How long a link that logs a browser in is good."""


@dataclass(slots=True, repr=False)
class Login:
    """One browser that is logged in.

    Attributes:
        credential: API key or token.
        issued: The tokens of the issuer; None for a login with a credential.
        renewal: Renews them. It is shared by all requests, and outlives a browser that leaves: a refresh token is good
            once.
    """

    credential: str
    began: float
    used: float
    issued: Issued | None = None
    renewal: asyncio.Task[None] | None = None


class Logins:
    """Credentials by the secret in a browser's cookie. The secret itself is not kept, only its hash.

    Args:
        idle_s: Time without a request after which a login ends.
        longest_s: Time after which it ends in any case.
        monotonic: Clock in seconds.
    """

    def __init__(self, idle_s: float, longest_s: float, monotonic: Callable[[], float]) -> None:
        self._idle_s = idle_s
        self._longest_s = longest_s
        self._monotonic = monotonic
        self._logins: OrderedDict[bytes, Login] = OrderedDict()
        self._tickets: OrderedDict[bytes, Login] = OrderedDict()

    def __len__(self) -> int:
        """Logins that are kept."""
        return len(self._logins)

    def begin(self, credential: str, issued: Issued | None = None) -> str:
        """Log a browser in; returns the secret of its cookie."""
        return self._add(self._logins, credential, issued)

    def find(self, secret: str, *, renews: bool = True) -> Login | None:
        """The login of a browser; None when it is not logged in, or not any more.

        Args:
            secret: Of its cookie.
            renews: Whether a person asked; what a page asks for by itself does not keep the login alive.
        """
        login = self._logins.get(_hash(secret))
        if login is None:
            return None
        now = self._monotonic()
        if now - login.used > self._idle_s or now - login.began > self._longest_s:
            self.end(secret)
            return None
        if renews:
            login.used = now
            self._logins.move_to_end(_hash(secret))
        return login

    def end(self, secret: str) -> None:
        """Log a browser out."""
        self._logins.pop(_hash(secret), None)

    def ticket(self, credential: str) -> str:
        """A secret that logs one browser in, once and for a minute."""
        for old in [key for key, found in self._tickets.items() if self._monotonic() - found.began > TICKET_S]:
            del self._tickets[old]
        return self._add(self._tickets, credential)

    def redeem(self, ticket: str) -> str | None:
        """The credential of a ticket, which is good no more then; None when it never was, or is too old."""
        found = self._tickets.pop(_hash(ticket), None)
        if found is None or self._monotonic() - found.began > TICKET_S:
            return None
        return found.credential

    def _add(self, where: OrderedDict[bytes, Login], credential: str, issued: Issued | None = None) -> str:
        secret, now = secrets.token_urlsafe(32), self._monotonic()
        where[_hash(secret)] = Login(credential, now, now, issued)
        if len(where) > MOST:
            where.popitem(last=False)
        return secret


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
