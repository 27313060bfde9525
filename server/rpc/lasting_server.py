"""A grpc.aio server that the path of a call cannot end.

grpc.aio 1.85 decodes the path of each call in the loop that accepts calls. A path that is not UTF-8 raises an exception
there, which ends the loop and the whole server with it, whoever sent the call. ``test_lasting_server`` shows it.

The generated code registers all methods with gRPC's core, which hands their calls over apart from all others. So a call
among the others is always one of an unknown method. Here it is refused before its path is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import grpc
import grpc.aio

cygrpc: Any = import_module("grpc._cython.cygrpc")  # compiled; it has no types


class _LastingAioServer(cygrpc.AioServer):  # type: ignore[misc]
    """The part of a server that accepts calls. The loop of the base class awaits ``_request_call`` again and again."""

    async def _request_call(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        refusals: set[asyncio.Task[None]] = set()
        while True:
            state = await super()._request_call()
            task = loop.create_task(_refuse(state, loop))
            refusals.add(task)
            task.add_done_callback(refusals.discard)


async def _refuse(state: Any, loop: asyncio.AbstractEventLoop) -> None:
    context = cygrpc._ServicerContext(state, None, None, loop)
    with suppress(grpc.aio.AbortError, cygrpc.ExecuteBatchError):  # the second one means that the client has left
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")  # the words of grpc.aio


def lasting_server(interceptors: Sequence[Any], options: Sequence[tuple[str, Any]]) -> grpc.aio.Server:
    """A server like that of ``grpc.aio.server``."""
    usual = cygrpc.AioServer
    cygrpc.AioServer = _LastingAioServer  # the class that grpc.aio makes its server of
    try:
        return grpc.aio.server(interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = usual
