"""The first message of every call must arrive in time and be readable.

grpc.aio reads and parses the request of a unary call before it calls any handler: a request that never comes would hold
the call for ever, and one that is no protobuf would be answered with UNKNOWN and logged with a trace. Therefore a
handler of a unary request becomes one of a request stream here, which reads one message. Nothing changes on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError, Message

from models.errors import DeadlineExceeded, InvalidInput
from models.reasons import Reason
from server.rpc.interceptors.base import Behavior, Handler, Interceptor, factory_and_behavior

_UNREADABLE: Final = object()


class FirstMessage(Interceptor):
    """Bounds the time until the first message, and refuses messages that do not parse.

    Args:
        first_message_s: Seconds from the headers of a call to the end of its first message.
    """

    def __init__(self, first_message_s: float) -> None:
        self._first_message_s = first_message_s

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Wrap the handler that the next interceptor returns."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return handler
        _, behavior = factory_and_behavior(handler)
        many = handler.response_streaming
        make: Any = grpc.stream_stream_rpc_method_handler if many else grpc.stream_unary_rpc_method_handler
        if not handler.request_streaming:
            behavior = self._with_request(behavior, many)
        wrapped: Handler = make(
            self._streaming(behavior) if many else self._single(behavior),
            request_deserializer=_tolerant(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )
        return wrapped

    def _single(self, behavior: Behavior) -> Behavior:
        async def run(messages: AsyncIterator[Any], context: Any) -> Message:
            reply: Message = await behavior(self._arriving(messages), context)
            return reply

        return run

    def _streaming(self, behavior: Behavior) -> Behavior:
        async def run(messages: AsyncIterator[Any], context: Any) -> AsyncIterator[Message]:
            async for reply in behavior(self._arriving(messages), context):
                yield reply

        return run

    def _with_request(self, behavior: Behavior, many: bool) -> Behavior:
        async def one(messages: AsyncIterator[Any], context: Any) -> Message:
            reply: Message = await behavior(await _only(messages), context)
            return reply

        async def several(messages: AsyncIterator[Any], context: Any) -> AsyncIterator[Message]:
            async for reply in behavior(await _only(messages), context):
                yield reply

        return several if many else one

    async def _arriving(self, messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        source = aiter(messages)
        try:
            async with asyncio.timeout(self._first_message_s):
                first = await anext(source, None)
        except TimeoutError as exc:
            raise DeadlineExceeded(
                f"The first message of the call did not arrive within {self._first_message_s:g} s.",
                reason=Reason.REQUEST_STALLED,
                hint="Send the first message right after the call was opened.",
            ) from exc
        if first is None:
            return
        yield _readable(first)
        async for message in source:
            yield _readable(message)


async def _only(messages: AsyncIterator[Any]) -> Any:
    request = await anext(messages, None)
    if request is None:
        raise InvalidInput("The call has no request message.", reason=Reason.REQUEST_MISSING)
    return request


def _tolerant(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Returns a mark instead of raising, because grpc.aio would answer the error with the text of the exception."""
    if deserialize is None:
        return None

    def parse(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return _UNREADABLE

    return parse


def _readable(message: Any) -> Any:
    if message is _UNREADABLE:
        raise InvalidInput(
            "A message is not of the type that the method takes.",
            reason=Reason.REQUEST_UNREADABLE,
            hint="Generate the client from the protos of this release.",
        )
    return message
