"""A real port with every method of ours, by the descriptors of the protos. Handlers note that they ran."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from server.access.caller import Caller, current_caller
from server.observability.metrics import Metrics
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.base import CallHook
from server.runtime.lifecycle import Lifecycle
from server.services import SERVICE_NAMES
from server.setting_groups import LimitSettings

Metadata = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Method:
    """A method of one of our services."""

    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """Full name as in the path, ``vestibule.v1.SessionService/GetSession``."""
        return f"{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def request(self) -> Any:
        """Class of its requests."""
        return message_factory.GetMessageClass(self.descriptor.input_type)

    @property
    def response(self) -> Any:
        """Class of its responses."""
        return message_factory.GetMessageClass(self.descriptor.output_type)


def every_method() -> list[Method]:
    """All methods of all our services."""
    pool = descriptor_pool.Default()
    return [Method(method) for name in SERVICE_NAMES for method in pool.FindServiceByName(name).methods]


@dataclass(slots=True)
class Port:
    """The running server.

    Attributes:
        ran: The handlers that ran, each with its caller.
    """

    channel: grpc.aio.Channel
    address: str
    ran: list[tuple[str, Caller]] = field(default_factory=list)

    async def call(self, method: Method, metadata: Metadata = ()) -> grpc.StatusCode:
        """Call a method with an empty request; returns the status."""
        return (await self.outcome(method, metadata))[0]

    async def outcome(self, method: Method, metadata: Metadata = ()) -> tuple[grpc.StatusCode, Any]:
        """The status, and the error if there is one."""
        descriptor = method.descriptor
        kind = "_".join(
            "stream" if streams else "unary" for streams in (descriptor.client_streaming, descriptor.server_streaming)
        )
        make = getattr(self.channel, kind)
        stub = make(
            f"/{method.name}",
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
        # A stream of requests is empty: a message on its way when the refusal comes is an error of gRPC's own.
        request = iter(()) if descriptor.client_streaming else method.request()
        call = stub(request, metadata=metadata, timeout=10)
        try:
            if descriptor.server_streaming:
                async for _ in call:
                    pass
            else:
                await call
        except grpc.aio.AioRpcError as error:
            return error.code(), error
        return grpc.StatusCode.OK, None


@asynccontextmanager
async def serving(authenticate: CallHook) -> AsyncIterator[Port]:
    """The port, with health and reflection."""
    server = grpc.aio.server(
        interceptors=interceptors(
            Lifecycle(), Metrics(), authenticate, LimitSettings(client_calls_per_s=10_000, client_calls_burst=10_000)
        )
    )
    ran: list[tuple[str, Caller]] = []
    for service in SERVICE_NAMES:
        handlers = {m.descriptor.name: _handler(m, ran) for m in every_method() if m.name.startswith(f"{service}/")}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)  # type: ignore[attr-defined]
    reflection.enable_server_reflection((*SERVICE_NAMES, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Port(channel, f"127.0.0.1:{port}", ran)
    finally:
        await server.stop(None)


def _handler(method: Method, ran: list[tuple[str, Caller]]) -> Any:
    descriptor = method.descriptor

    async def single(request: Any, context: Any) -> Any:
        ran.append((method.name, current_caller()))
        return method.response()

    async def several(request: Any, context: Any) -> AsyncIterator[Any]:
        ran.append((method.name, current_caller()))
        yield method.response()

    kind = "_".join(
        "stream" if streams else "unary" for streams in (descriptor.client_streaming, descriptor.server_streaming)
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(
        several if descriptor.server_streaming else single,
        request_deserializer=method.request.FromString,
        response_serializer=method.response.SerializeToString,
    )
