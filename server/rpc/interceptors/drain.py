"""New calls are refused while the server stops, and calls that need the workers while it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from models.errors import ShuttingDown, Unavailable
from models.reasons import Reason
from server.rpc.interceptors.base import Call, CallHook
from server.runtime.lifecycle import Lifecycle

NEED_WORKERS: Final = frozenset({"vestibule.v1.ConversationService/Converse"})
"""Methods that need the workers at once. The others store what they get, or report the state of the workers."""
START_RETRY_AFTER_S: Final = 5.0
"""Workers start within 10 to 60 s."""


class Drain(CallHook):
    """Refuses calls while the server stops or starts. Health checks pass: a load balancer reads the state there."""

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Refuse the call, or let it pass.

        Raises:
            ShuttingDown, Unavailable: With RetryInfo.
        """
        if self._lifecycle.draining and not call.method.startswith("grpc.health."):
            raise ShuttingDown("The server is shutting down.", retry_after_s=5.0)
        if self._lifecycle.starting and call.method in NEED_WORKERS:
            raise Unavailable(
                "The workers are not up yet.", reason=Reason.WORKERS_NOT_READY, retry_after_s=START_RETRY_AFTER_S
            )
        yield
