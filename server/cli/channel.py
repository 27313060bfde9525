"""The channels of every client of ours: the commands, the demo, the end-to-end tests and the benchmarks.

A server is reached in one way, so what a connection needs, such as TLS or a credential, is added here alone. Unit tests
that build a bare gRPC server open channels themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from server.cli.credentials import configured_credential, metadata_of

if TYPE_CHECKING:
    import grpc
    import grpc.aio

    from server.cli.client_tls import ClientTls

Options = Sequence[tuple[str, object]]
Metadata = tuple[tuple[str, str], ...]
_KINDS_OF_CALL = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


def open_channel(
    target: str, options: Options = (), *, tls: ClientTls | None = None, credential: str | None = None
) -> grpc.Channel:
    """A channel for blocking calls, to be closed by ``with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
        tls: Whom to trust; None speaks plain text.
        credential: API key or token. None takes the configured one; empty sends none.
    """
    import grpc  # deferred: `vestibule --help` must not wait for it

    if tls is None:
        channel = grpc.insecure_channel(target, options=options)
    else:
        channel = grpc.secure_channel(target, _credentials(tls), options=(*options, *_name(tls)))
    _send_credential(channel, target, credential)
    return channel


def open_aio_channel(
    target: str, options: Options = (), *, tls: ClientTls | None = None, credential: str | None = None
) -> grpc.aio.Channel:
    """A channel for asyncio, to be closed by ``async with``.

    Args:
        target: Host and port of the server.
        options: Options of gRPC, such as those of its keepalive.
        tls: Whom to trust; None speaks plain text.
        credential: API key or token. None takes the configured one; empty sends none.
    """
    import grpc.aio

    if tls is None:
        channel = grpc.aio.insecure_channel(target, options=options)
    else:
        channel = grpc.aio.secure_channel(target, _credentials(tls), options=(*options, *_name(tls)))
    _send_credential(channel, target, credential)
    return channel


def _credentials(tls: ClientTls) -> grpc.ChannelCredentials:
    import grpc

    return grpc.ssl_channel_credentials(tls.roots, tls.key, tls.certificate)


def _name(tls: ClientTls) -> Options:
    return (("grpc.ssl_target_name_override", tls.server_name),) if tls.server_name else ()


def _send_credential(channel: grpc.Channel | grpc.aio.Channel, target: str, credential: str | None) -> None:
    """Let the calls of all four kinds carry the credential.

    gRPC's own call credentials need TLS, and its interceptors for asyncio change how streams are written and ended.
    """
    metadata = metadata_of(configured_credential(target) if credential is None else credential)
    if metadata:
        for kind in _KINDS_OF_CALL:
            setattr(channel, kind, _wrapped(getattr(channel, kind), metadata))


def _wrapped(method: Callable[..., Any], metadata: Metadata) -> Callable[..., Any]:
    def make(*args: Any, **kwargs: Any) -> _CallWithMetadata:
        return _CallWithMetadata(method(*args, **kwargs), metadata)

    return make


class _CallWithMetadata:
    """A method of a stub that sends metadata with each call."""

    def __init__(self, method: Any, metadata: Metadata) -> None:
        self._method = method
        self._metadata = metadata

    def __call__(self, *args: Any, metadata: Any = None, **kwargs: Any) -> Any:
        """Call it; the arguments are those of gRPC."""
        return self._method(*args, metadata=(*(metadata or ()), *self._metadata), **kwargs)
