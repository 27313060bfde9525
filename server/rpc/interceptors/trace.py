"""One span a call, below the span that the caller names in ``traceparent``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import NamedTuple

import grpc
from google.protobuf import descriptor_pool
from opentelemetry.trace import SpanKind

from models.tracing.attributes import CORRELATION_ID, RPC_METHOD, RPC_SERVICE, RPC_STATUS, RPC_SYSTEM, Configured
from models.tracing.spans import Tracer
from server.observability.log import correlation_id
from server.rpc.interceptors.base import Call, CallHook
from server.rpc.interceptors.telemetry import code_name

TRACE_KEY = "traceparent"
"""The key of W3C Trace Context. Its flag can leave a call out; it cannot have a call recorded that our ratio leaves
out, as that is decided by chance alone. ``tracestate`` and ``baggage`` may hold any text, so nobody reads them."""


class MethodName(NamedTuple):
    """A method as its proto names it."""

    service: Configured
    method: Configured

    @property
    def full(self) -> Configured:
        """The name of the span."""
        return Configured(f"{self.service}/{self.method}")


@lru_cache(1024)
def _method(name: str) -> MethodName | None:
    """The names in the proto; None for health checks and reflection."""
    service, _, method = name.partition("/")
    if not service.startswith("vestibule."):
        return None
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return None
    known = found.methods_by_name.get(method)
    return MethodName(Configured(found.full_name), Configured(known.name)) if known else None


class Trace(CallHook):
    """Stands between the telemetry, which has the correlation id, and the errors, which set the status."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Make the call's span the current one."""
        method = _method(call.method)
        if method is None:
            yield
            return
        with self._tracer.root(method.full, SpanKind.SERVER, traceparent=call.metadata(TRACE_KEY)) as span:
            span.set(RPC_SYSTEM, "grpc")
            span.set(RPC_SERVICE, method.service)
            span.set(RPC_METHOD, method.method)
            span.set(CORRELATION_ID, correlation_id())
            code = ""
            try:
                yield
            except (asyncio.CancelledError, GeneratorExit):
                code = "CANCELLED"
                raise
            finally:
                span.set(RPC_STATUS, grpc.StatusCode[code or code_name(call)].value[0])
