"""One shape for all four kinds of RPC, so that a step is written once.

grpc.aio hands an interceptor a handler with one of four signatures. Here each becomes the same thing: a call with
incoming messages and outgoing messages, around which a step runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import grpc
import grpc.aio
from google.protobuf.message import Message


@dataclass(slots=True)
class Call:
    """One RPC. ``method`` is its full name without the leading slash, for example
    ``vestibule.v1.SessionService/GetSession``.
    """

    method: str
    context: grpc.aio.ServicerContext[Any, Any]

    def metadata(self, key: str) -> str:
        """First value of a metadata key, or an empty string."""
        for name, value in self.context.invocation_metadata() or ():
            if name == key:
                return value if isinstance(value, str) else value.decode("ascii", "replace")
        return ""


class CallHook(Protocol):
    """A step that runs around every RPC.

    Attributes:
        checks: Whether ``check`` does anything; a stream is not wrapped for nothing.
    """

    checks: ClassVar[bool]

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Entered before the handler, left after its last message; may raise or translate errors."""
        ...

    def check(self, message: Message) -> None:
        """Called with every incoming message."""
        ...


if TYPE_CHECKING:  # generic in the type stubs, plain classes at run time
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
    Interceptor = grpc.aio.ServerInterceptor
Behaviour = Callable[..., Any]


class HookInterceptor(Interceptor):
    """Applies one step to every handler."""

    def __init__(self, step: CallHook) -> None:
        self._step = step

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handler that the next interceptor returns."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        method = str(handler_call_details.method).lstrip("/")
        make, behaviour = _kind(handler)
        wrap = self._streaming if handler.response_streaming else self._single
        wrapped: Handler = make(
            wrap(method, behaviour, handler.request_streaming),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _single(self, method: str, behaviour: Behaviour, streams_in: bool) -> Behaviour:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            async with self._step.around(Call(method, context)):
                reply: Message = await behaviour(self._checked(request, streams_in), context)
                return reply

        return run

    def _streaming(self, method: str, behaviour: Behaviour, streams_in: bool) -> Behaviour:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            async with self._step.around(Call(method, context)):
                replies = behaviour(self._checked(request, streams_in), context)
                if hasattr(replies, "__aiter__"):
                    async for reply in replies:
                        yield reply
                else:  # the reflection and health servicers write to the context themselves
                    await replies

        return run

    def _checked(self, request: Any, streams_in: bool) -> Any:
        if not self._step.checks:
            return request
        return _check_each(request, self._step) if streams_in else _check_now(request, self._step)


def _kind(handler: Handler) -> tuple[Any, Any]:
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary


def _check_now(message: Message, step: CallHook) -> Message:
    step.check(message)
    return message


async def _check_each(messages: AsyncIterator[Message], step: CallHook) -> AsyncIterator[Message]:
    async for message in messages:
        step.check(message)
        yield message
