"""Tells the flood guard what the calls of each connection account for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final

import grpc

from server.rpc.call_accounts import OpenCall
from server.rpc.flood_guard import FloodGuard
from server.rpc.interceptors.base import Call, CallHook, Handler, HookInterceptor, factory_and_behavior

_REFUSALS: Final = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
    )
)


_open_call: ContextVar[OpenCall] = ContextVar("open_call")


def credential_is_good(caller: str, metadata_bytes: int) -> None:
    """Tell the guard, if there is one, that the credential of the current call is good."""
    with suppress(LookupError):
        _open_call.get().known(caller, metadata_bytes)


class _CountCalls(CallHook):
    def __init__(self, guard: FloodGuard) -> None:
        self._guard = guard

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Say how the call ends."""
        counted = self._guard.call(call.context.peer(), streams=call.request_streaming)
        _open_call.set(counted)
        refused = left = False
        try:
            yield
        except asyncio.CancelledError:
            left = True
            raise
        except grpc.aio.AbortError:
            refused = _number(call.context.code()) in _REFUSALS
            raise
        finally:
            counted.end(time.monotonic(), refused=refused, left=left)


class FloodAccounts(HookInterceptor):
    """Counts the calls and the bytes of their messages. It is the outermost interceptor, so it sees every one."""

    def __init__(self, guard: FloodGuard) -> None:
        super().__init__(_CountCalls(guard))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handler that the next interceptor returns, and the function that reads its messages."""
        handler = await super().intercept_service(continuation, handler_call_details)
        if handler is None:
            return handler
        make, behavior = factory_and_behavior(handler)
        wrapped: Handler = make(
            behavior,
            request_deserializer=_counting(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )
        return wrapped


def _counting(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any]:
    def count(data: bytes) -> Any:
        _open_call.get().message(len(data))
        return data if deserialize is None else deserialize(data)

    return count


def _number(code: Any) -> int:
    """grpc.aio returns the number of a code that was set, or the code itself."""
    return int(code.value[0]) if isinstance(code, grpc.StatusCode) else int(code or 0)
