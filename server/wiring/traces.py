"""Builds the tracer of the server."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack

from models.tracing.spans import NO_TRACER, Tracer
from ray_tasks.tracing import build_traces
from server.cluster_config import trace_export
from server.settings import Settings

SERVICE = "vestibule-server"


def build_tracer(settings: Settings, stack: AsyncExitStack) -> Tracer:
    """The tracer; the stack sends its last spans when all else has stopped."""
    ratio = settings.traces.ratio
    traces = build_traces(trace_export(settings), SERVICE, lambda: random.random() < ratio)  # noqa: S311 - no secret
    if traces is None:
        return NO_TRACER
    stack.push_async_callback(asyncio.to_thread, traces.close)
    return traces.tracer
