"""Correlation id, one log line and the metrics of every call."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import grpc
import structlog
from google.protobuf.message import Message

from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import Call

CORRELATION_KEY = "x-correlation-id"
_GIVEN = re.compile(r"[0-9a-fA-F-]{8,64}\Z")
_QUIET = ("grpc.health.", "grpc.reflection.")

log = get_logger("rpc")


class Telemetry:
    """Outermost step. The id comes from the caller's metadata or is made here; it goes back in the trailing metadata.

    Not in the initial metadata: a client that has those holds the call for answered, and the retries of the service
    config never happen.
    """

    checks: ClassVar[bool] = False

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Time the call and log how it ended."""
        given = call.metadata(CORRELATION_KEY)
        correlation_id = given if _GIVEN.match(given) else uuid.uuid4().hex
        began = time.perf_counter()
        with structlog.contextvars.bound_contextvars(correlation_id=correlation_id):
            call.context.set_trailing_metadata(((CORRELATION_KEY, correlation_id),))
            gone = False
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                gone = True
                raise
            finally:
                self._record(call, "CANCELLED" if gone else _code(call), time.perf_counter() - began)

    def check(self, message: Message) -> None:
        """Nothing to check."""

    def _record(self, call: Call, code: str, took_s: float) -> None:
        self._metrics.rpcs.labels(call.method, code).inc()
        self._metrics.rpc_seconds.labels(call.method).observe(took_s)
        if not call.method.startswith(_QUIET):
            log.info("rpc", method=call.method, code=code, took_ms=round(took_s * 1000, 1))


def _code(call: Call) -> str:
    if call.context.cancelled():
        return "CANCELLED"
    code: object = call.context.code()
    if isinstance(code, grpc.StatusCode):
        return code.name
    # grpc.aio gives the bare number of a code that was set, and 0 or None when none was.
    return next((c.name for c in grpc.StatusCode if c.value[0] == code), "OK")
