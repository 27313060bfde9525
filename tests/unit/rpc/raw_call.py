"""A gRPC call written as HTTP/2 frames, with headers that no gRPC client would send."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import h2.config
import h2.connection
import h2.events

Headers = Sequence[tuple[str, str]]


async def raw_call(address: str, path: str, headers: Headers) -> str:
    """Send an empty message; returns the grpc-status, or what happened to the stream or the connection instead."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    config = h2.config.H2Configuration(
        client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding="latin-1"
    )
    connection = h2.connection.H2Connection(config)
    connection.initiate_connection()
    base = (
        *((":method", "POST"), (":scheme", "http"), (":path", f"/{path}"), (":authority", address)),
        *(("content-type", "application/grpc"), ("te", "trailers")),
    )
    connection.send_headers(1, [*base, *headers])
    connection.send_data(1, bytes(5), end_stream=True)
    try:
        async with asyncio.timeout(60):
            writer.write(connection.data_to_send())
            return await _outcome(connection, reader, writer)
    finally:
        writer.close()


async def _outcome(
    connection: h2.connection.H2Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> str:
    while True:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            return "connection closed"
        if not data:
            return "connection closed"
        for event in connection.receive_data(data):
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    found = [str(value) for name, value in event.headers or () if str(name) == "grpc-status"]
                    if found:
                        return found[0]
                case h2.events.StreamReset():
                    return "stream reset"
                case h2.events.ConnectionTerminated():
                    return "connection closed"
        writer.write(connection.data_to_send())
