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

    from server.cli.client_tls import ClientTls

Options = Sequence[tuple[str, object]]


def open_channel(target: str, options: Options = (), *, tls: ClientTls | None = None) -> grpc.Channel:
    """A channel for blocking calls, to be closed by ``with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
        tls: Whom to trust; None speaks plain text.
    """
    import grpc  # deferred: `vestibule --help` must not wait for it

    if tls is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, _credentials(tls), options=(*options, *_name(tls)))


def open_aio_channel(target: str, options: Options = (), *, tls: ClientTls | None = None) -> grpc.aio.Channel:
    """A channel for asyncio, to be closed by ``async with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
        tls: Whom to trust; None speaks plain text.
    """
    import grpc.aio

    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, _credentials(tls), options=(*options, *_name(tls)))


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    import grpc

    return grpc.ssl_channel_credentials(tls.roots, tls.key, tls.certificate)


def _name(tls: ClientTls) -> Options:
    return (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()
