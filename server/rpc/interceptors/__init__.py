"""The interceptors of every RPC, outermost first.

1. ``telemetry`` correlation id, one log line and the metrics of every call
2. ``errors``    our errors become statuses with details; any other error becomes INTERNAL without a trace
3. ``drain``     new calls are refused while the server stops, and calls that need the workers while it starts
4. ``validate``  messages are checked against the rules in the protos

``interceptors`` builds the list. Access control belongs between ``drain`` and ``validate``. The package
grpc-interceptor does not fit: there one interceptor cannot serve RPCs with and without a response stream.
"""

from __future__ import annotations

from server.observability.metrics import Metrics
from server.rpc.interceptors.base import CallHook, HookInterceptor
from server.rpc.interceptors.drain import Drain
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.telemetry import Telemetry
from server.rpc.interceptors.validate import Validate
from server.runtime.lifecycle import Lifecycle


def interceptors(lifecycle: Lifecycle, metrics: Metrics) -> list[HookInterceptor]:
    """The hooks above, in their order."""
    hooks: list[CallHook] = [Telemetry(metrics), MapErrors(), Drain(lifecycle), Validate()]
    return [HookInterceptor(hook) for hook in hooks]
