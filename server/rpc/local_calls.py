"""Calls of the services from within this process, past the same interceptors as calls at the port."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message

from server.access.peer import Peer
from server.rpc.interceptors.authenticate import CREDENTIAL_KEY
from server.rpc.interceptors.base import Behavior, Call, Handler, Interceptor, factory_and_behavior

PACKAGE: Final = "vestibule.v1"
_MAKE: Final[dict[tuple[bool, bool], Callable[..., Handler]]] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class LocalContext:
    """What interceptors ask of the context of a call; nothing is sent over a network.

    Args:
        credential: API key or token.
        peer: Where the call comes from.
        deadline_s: How long whoever calls waits; None for a call without an end.
    """

    def __init__(self, credential: str, peer: Peer, deadline_s: float | None) -> None:
        self._metadata = ((CREDENTIAL_KEY, f"Bearer {credential}"),)
        self._end = None if deadline_s is None else time.monotonic() + deadline_s
        self.caller_at = peer

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata: the credential alone."""
        return self._metadata

    def peer(self) -> str:
        """Where the call comes from, as text."""
        return self.caller_at.network

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())


def peer_of(call: Call) -> Peer:
    """Where a local call comes from."""
    assert isinstance(call.context, LocalContext)
    return call.context.caller_at


class LocalCalls:
    """Calls the services.

    Args:
        services: Has a servicer for each service, as ``server.services.Services`` does.
        interceptors: Outermost first. ``FirstMessage`` is one of them: it takes each request from a stream.
    """

    def __init__(self, services: object, interceptors: Sequence[Interceptor]) -> None:
        self._services = services
        self._interceptors = interceptors
        self._behaviors: dict[tuple[str, str], Behavior] = {}

    async def one(self, service: str, method: str, requests: AsyncIterator[Message], context: LocalContext) -> Any:
        """The reply of a method that has one.

        Args:
            service: Name without the package, ``MediaService``.
            method: ``Upload``.
            requests: One, or a stream, as the method takes them.
            context: Of this call.
        """
        return await (await self._behavior(service, method))(requests, context)

    async def many(
        self, service: str, method: str, requests: AsyncIterator[Message], context: LocalContext
    ) -> AsyncGenerator[Any, None]:
        """The replies of a method that has a stream of them. Take them all in one task."""
        replies = (await self._behavior(service, method))(requests, context)
        try:
            async for reply in replies:
                yield reply
        finally:
            await replies.aclose()

    async def _behavior(self, service: str, method: str) -> Behavior:
        if (service, method) not in self._behaviors:
            details = _Details(f"/{PACKAGE}.{service}/{method}")
            ask: Callable[[Any], Awaitable[Handler]] = partial(self._handler, service, method)
            for interceptor in reversed(self._interceptors):
                ask = partial(interceptor.intercept_service, ask)
            self._behaviors[service, method] = factory_and_behavior(await ask(details))[1]
        return self._behaviors[service, method]

    async def _handler(self, service: str, method: str, _details: object) -> Handler:
        found: MethodDescriptor = Default().FindMethodByName(f"{PACKAGE}.{service}.{method}")
        servicer = getattr(self._services, service.removesuffix("Service").lower())
        return _MAKE[found.client_streaming, found.server_streaming](getattr(servicer, method))


class _Details:
    """Of a call, as interceptors get them."""

    invocation_metadata: tuple[tuple[str, str], ...] = ()

    def __init__(self, method: str) -> None:
        self.method = method
