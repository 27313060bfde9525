"""Runs hooks around all four kinds of RPC, so that each hook is written once.

grpc.aio gives an interceptor a handler with one of four signatures. ``HookInterceptor`` wraps each of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from models.errors import VestibuleError


@dataclass(slots=True)
class Call:
    """One RPC.

    Attributes:
        method: Full name without the leading slash, for example ``vestibule.v1.SessionService/GetSession``.
        streaming: Whether the requests or the replies are a stream, so that the call may last.
        request_streaming: Whether the requests are one.
        sending: Whether the handler waits until gRPC has taken a reply.
        ended: Set by a hook to end the call with this error as soon as the handler goes on.
    """

    method: str
    context: grpc.aio.ServicerContext[Any, Any]
    streaming: bool = False
    request_streaming: bool = False
    sending: bool = False
    ended: VestibuleError | None = None

    def metadata(self, key: str) -> str:
        """First value of a metadata key, or an empty string."""
        for value in self.all_metadata(key):
            return value if isinstance(value, str) else value.decode("ascii", "replace")
        return ""

    def all_metadata(self, key: str) -> list[str | bytes]:
        """Every value of a metadata key."""
        return [value for name, value in self.context.invocation_metadata() or () if name == key]


class CallHook(ABC):
    """Code that runs around every RPC.

    Attributes:
        checks_messages: Whether ``check_message`` does anything; otherwise the incoming messages are not wrapped.
    """

    checks_messages: ClassVar[bool] = False

    @abstractmethod
    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Entered before the handler and left after its last message. It may raise, or translate errors."""

    def check_message(self, message: Message) -> None:  # noqa: B027 - most hooks check no messages
        """Called with each incoming message."""


if TYPE_CHECKING:  # generic in the type stubs, plain classes at run time
    Handler = grpc.RpcMethodHandler[Any, Any]
    Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
    Interceptor = grpc.aio.ServerInterceptor
Behavior = Callable[..., Any]


class HookInterceptor(Interceptor):
    """Runs one hook around every handler."""

    def __init__(self, hook: CallHook) -> None:
        self._hook = hook

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
        make, behavior = factory_and_behavior(handler)
        wrap = self._streaming if handler.response_streaming else self._single
        wrapped: Handler = make(
            wrap(method, behavior, handler.request_streaming),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _single(self, method: str, behavior: Behavior, request_streaming: bool) -> Behavior:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Message:
            call = Call(method, context, streaming=request_streaming, request_streaming=request_streaming)
            async with self._hook.around(call):
                reply: Message = await behavior(self._checked(request, request_streaming), context)
                return reply

        return run

    def _streaming(self, method: str, behavior: Behavior, request_streaming: bool) -> Behavior:
        async def run(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Message]:
            call = Call(method, context, streaming=True, request_streaming=request_streaming)
            async with self._hook.around(call):
                replies = behavior(self._checked(request, request_streaming), context)
                if hasattr(replies, "__aiter__"):
                    async for reply in replies:
                        call.sending = True
                        yield reply
                        call.sending = False
                        if call.ended is not None:
                            await replies.aclose()
                            raise call.ended
                else:  # the reflection and health servicers write to the context
                    await replies

        return run

    def _checked(self, request: Any, request_streaming: bool) -> Any:
        if not self._hook.checks_messages:
            return request
        return _check_each(request, self._hook) if request_streaming else _check_now(request, self._hook)


def factory_and_behavior(handler: Handler) -> tuple[Any, Any]:
    """How a handler of this kind is made, and the function that it calls."""
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, handler.unary_unary


def _check_now(message: Message, hook: CallHook) -> Message:
    hook.check_message(message)
    return message


async def _check_each(messages: AsyncIterator[Message], hook: CallHook) -> AsyncIterator[Message]:
    async for message in messages:
        hook.check_message(message)
        yield message
