"""New calls are refused while the server ends, and those that need the workers while it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from google.protobuf.message import Message

from models.errors import ShuttingDown, Unavailable
from models.reasons import Reason
from server.rpc.interceptors.base import Call
from server.runtime.lifecycle import Lifecycle

NEED_WORKERS: Final = frozenset({"vestibule.v1.ConversationService/Converse"})
"""Methods that can do nothing without the workers. The others store what they get, or report the workers' state."""
START_RETRY_AFTER_S: Final = 5.0
"""Workers take 10 to 60 seconds to come up."""


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
        if self._lifecycle.starting and call.method in NEED_WORKERS:
            raise Unavailable(
                "The workers are not up yet.", reason=Reason.WORKERS_NOT_READY, retry_after_s=START_RETRY_AFTER_S
            )
        yield

    def check(self, message: Message) -> None:
        """Nothing to check."""
