"""What every RPC passes through, outermost first.

1. ``observe``   correlation id, one log line and the metrics of every call
2. ``errors``    our errors become statuses with details; anything else becomes INTERNAL without a trace
3. ``drain``     new calls are refused while the server ends
4. ``validate``  messages are checked against the rules in the protos

The list is built by ``interceptors``; access control will be the step between ``drain`` and ``validate``.
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
    """The steps above, in their order."""
    steps: list[CallHook] = [Telemetry(metrics), MapErrors(), Drain(lifecycle), Validate()]
    return [HookInterceptor(step) for step in steps]
