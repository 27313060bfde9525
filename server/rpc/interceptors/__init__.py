"""The interceptors of every RPC, outermost first.

1. ``flood_accounts`` calls and bytes are counted, so that what belongs to no call is noticed
2. ``telemetry`` correlation id, one log line and the metrics of every call
3. ``trace``     one span a call, where traces are on
4. ``errors``    our errors become statuses with details; any other error becomes INTERNAL without a trace
5. ``drain``     new calls are refused while the server stops, and calls that need the workers while it starts
6. ``authenticate`` the credential becomes the current caller, and its scopes are checked, with bounds on refusals
7. ``limits``    calls over a bound of the caller or the server are refused
8. ``disk_room`` calls that bring new work are refused while a disk lacks room
9. ``deadline``  the time that the client waits bounds the attempts at the workers and the remote LLM
10. ``first_message`` the first message must come in time, and every message must be readable
11. ``validate``  messages are checked against the rules in the protos

``interceptors`` builds the list. The package grpc-interceptor does not fit: there one interceptor cannot serve RPCs
with and without a response stream.
"""

from __future__ import annotations

from models.tracing.spans import NO_TRACER, Tracer
from server.observability.metrics import Metrics
from server.rpc.flood_guard import FloodGuard
from server.rpc.interceptors.base import CallHook, HookInterceptor, Interceptor
from server.rpc.interceptors.call_limits import CallLimits
from server.rpc.interceptors.deadline import ClientDeadline
from server.rpc.interceptors.disk_room import NeedsRoom
from server.rpc.interceptors.drain import Drain
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.first_message import FirstMessage
from server.rpc.interceptors.flood_accounts import FloodAccounts
from server.rpc.interceptors.telemetry import Telemetry
from server.rpc.interceptors.trace import Trace
from server.rpc.interceptors.validate import Validate
from server.runtime.disk_room import DiskRoom
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings


def interceptors(
    lifecycle: Lifecycle,
    metrics: Metrics,
    authenticate: CallHook,
    limits: LimitSettings,
    guard: FloodGuard | None = None,
    room: DiskRoom | None = None,
    tracer: Tracer = NO_TRACER,
) -> list[Interceptor]:
    """The list above, in its order. Without a guard, a room or a tracer theirs is left out."""
    return [
        *((FloodAccounts(guard),) if guard else ()),
        HookInterceptor(Telemetry(metrics)),
        *(() if tracer is NO_TRACER else (HookInterceptor(Trace(tracer)),)),
        HookInterceptor(MapErrors(metrics)),
        HookInterceptor(Drain(lifecycle)),
        HookInterceptor(authenticate),
        HookInterceptor(CallLimits(limits, metrics)),
        *((HookInterceptor(NeedsRoom(room)),) if room else ()),
        HookInterceptor(ClientDeadline()),
        FirstMessage(limits.first_message_s),
        HookInterceptor(Validate()),
    ]
