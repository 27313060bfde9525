"""Hands the client's deadline to whatever works on the call, so that no attempt is begun that it cannot wait for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.deadline import end_in
from server.rpc.interceptors.base import Call, CallHook


class ClientDeadline(CallHook):
    """Sets the deadline of the current task, and of those that it starts."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Set it where the client gave one."""
        left_s = call.context.time_remaining()
        if left_s is not None:
            end_in(left_s)
        yield
