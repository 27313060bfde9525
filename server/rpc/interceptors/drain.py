"""New calls are refused while the server stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.errors import ShuttingDown
from server.rpc.interceptors.base import Call, CallHook
from server.runtime.lifecycle import Lifecycle


class Drain(CallHook):
    """Refuses calls while the server stops. Health checks pass: a load balancer reads the state there."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or let it pass.

        Raises:
            ShuttingDown: With RetryInfo.
        """
        if self._lifecycle.draining and not call.method.startswith("grpc.health."):
            raise ShuttingDown("The server is shutting down.", retry_after_s=5.0)
        yield
