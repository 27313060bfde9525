"""Correlation id, one log line and the metrics of every call."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import structlog

from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import Call, CallHook

CORRELATION_KEY = "x-correlation-id"
_CORRELATION_ID = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)
"""A UUID, or 32 hexadecimal digits as trace ids have. It is logged, so no shorter number may pass for one."""

_NOT_LOGGED = ("grpc.health.", "grpc.reflection.")

log = get_logger("rpc")


class Telemetry(CallHook):
    """Outermost hook. The id comes from the caller's metadata or is made here; it is sent in the trailing metadata.

    It is not sent in the initial metadata: a client that received those counts the call as answered, and makes none of
    the retries of its service config.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Time the call and log how it ended."""
        received = call.metadata(CORRELATION_KEY)
        correlation_id = received if _CORRELATION_ID.fullmatch(received) else uuid.uuid4().hex
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            call.context.set_trailing_metadata(((CORRELATION_KEY, correlation_id),))
            cancelled = False
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                cancelled = True
                raise
            finally:
                self._record(call, "CANCELLED" if cancelled else code_name(call), time.perf_counter() - started)

    def _record(self, call: Call, code: str, took_s: float) -> None:
        self._metrics.rpcs.labels(call.method, code).inc()
        self._metrics.rpc_seconds.labels(call.method).observe(took_s)
        if not call.method.startswith(_NOT_LOGGED):
            log.info("rpc", method=call.method, code=code, took_ms=round(took_s * 1000, 1))


def code_name(call: Call) -> str:
    """The name of the status with which a call ended."""
    if call.context.cancelled():
        return "CANCELLED"
    code: object = call.context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    # grpc.aio returns the number of a code that was set, and 0 or None when none was.
    return next((c.name for c in grpc.StatusCode if c.value[0] == code), "OK")
