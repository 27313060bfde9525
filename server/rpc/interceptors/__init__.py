"""The interceptors of every RPC, outermost first.

1. ``telemetry`` correlation id, one log line and the metrics of every call
2. ``errors``    our errors become statuses with details; any other error becomes INTERNAL without a trace
3. ``drain``     new calls are refused while the server stops, and calls that need the workers while it starts
4. ``authenticate`` the credential becomes the current caller, and its scopes are checked, with bounds on refusals
5. ``limits``    calls over a bound of the caller or the server are refused
6. ``first_message`` the first message must come in time, and every message must be readable
7. ``validate``  messages are checked against the rules in the protos

``interceptors`` builds the list. The package grpc-interceptor does not fit: there one interceptor cannot serve RPCs
with and without a response stream.
"""

from __future__ import annotations

from server.observability.metrics import Metrics
from server.rpc.interceptors.base import CallHook, HookInterceptor, Interceptor
from server.rpc.interceptors.call_limits import CallLimits
from server.rpc.interceptors.drain import Drain
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.first_message import FirstMessage
from server.rpc.interceptors.telemetry import Telemetry
from server.rpc.interceptors.validate import Validate
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings


def interceptors(
    lifecycle: Lifecycle, metrics: Metrics, authenticate: CallHook, limits: LimitSettings
) -> list[Interceptor]:
    """The list above, in its order."""
    return [
        HookInterceptor(Telemetry(metrics)),
        HookInterceptor(MapErrors()),
        HookInterceptor(Drain(lifecycle)),
        HookInterceptor(authenticate),
        HookInterceptor(CallLimits(limits, metrics)),
        FirstMessage(limits.first_message_s),
        HookInterceptor(Validate()),
    ]
