"""The channels of every client of ours: the commands, the demo, the end-to-end tests and the benchmarks.

A server is reached in one way, so what a connection needs, such as TLS or a credential, is added here alone. Unit tests
that build a bare gRPC server open channels themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import grpc
    import grpc.aio

Options = Sequence[tuple[str, object]]


def open_channel(target: str, options: Options = ()) -> grpc.Channel:
    """A channel for blocking calls, to be closed by ``with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
    """
    import grpc  # deferred: `vestibule --help` must not wait for it

    return grpc.insecure_channel(target, options=options)


def open_aio_channel(target: str, options: Options = ()) -> grpc.aio.Channel:
    """A channel for asyncio, to be closed by ``async with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
    """
    import grpc.aio

    return grpc.aio.insecure_channel(target, options=options)
