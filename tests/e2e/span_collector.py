"""A small real collector: takes OTLP over HTTP, keeps every byte, and reads it with the official messages."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Received:
    """One span, and the service that sent it."""

    service: str
    span: Span

    @property
    def values(self) -> dict[str, object]:
        """The attributes by name."""
        return {one.key: getattr(one.value, one.value.WhichOneof("value") or "") for one in self.span.attributes}


@dataclass(slots=True)
class Collector:
    """What arrived."""

    url: str
    bodies: list[bytes] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    @property
    def spans(self) -> list[Received]:
        """Every span."""
        return [received for body in tuple(self.bodies) for received in _spans(body)]

    def names(self) -> set[str]:
        """The names of all spans."""
        return {received.span.name for received in self.spans}

    def ancestors(self, received: Received) -> list[str]:
        """The names of a span and of the spans above it, up to one whose parent did not arrive."""
        known = {each.span.span_id: each for each in self.spans}
        above: list[str] = []
        here: Received | None = received
        while here is not None:
            above.append(here.span.name)
            here = known.get(here.span.parent_span_id)
        return above


def _spans(body: bytes) -> Iterator[Received]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = next(one.value.string_value for one in group.resource.attributes if one.key == "service.name")
        for scope in group.scope_spans:
            yield from (Received(service, span) for span in scope.spans)


@contextmanager
def collecting(status: int = 200) -> Iterator[Collector]:
    """Listen on loopback until the end of the block.

    Args:
        status: What is answered.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                collector.bodies.append(body)
                collector.keys.append(self.headers.get("x-key", ""))
            self.send_response(status if self.path == "/v1/traces" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written to the output of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
