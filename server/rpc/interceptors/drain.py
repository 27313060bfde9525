"""New calls are refused while the server ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from google.protobuf.message import Message

from models.errors import ShuttingDown
from server.rpc.interceptors.base import Call
from server.runtime.lifecycle import Lifecycle


class Drain:
    """Lets health checks through, so that a load balancer sees the end coming."""

    checks: ClassVar[bool] = False

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse, or go on."""
        if self._lifecycle.draining and not call.method.startswith("grpc.health."):
            raise ShuttingDown("The server is shutting down.", retry_after_s=5.0)
        yield

    def check(self, message: Message) -> None:
        """Nothing to check."""
