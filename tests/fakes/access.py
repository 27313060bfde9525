"""A server without access control."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server.access.caller import INTERNAL, Caller, set_caller
from server.rpc.interceptors.base import Call, CallHook


class OpenAccess(CallHook):
    """Lets every call pass as one caller, in the place of ``Authenticate``."""

    def __init__(self, caller: Caller = INTERNAL) -> None:
        self.caller = caller

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Set the caller."""
        set_caller(self.caller)
        yield
