"""Exports spans to a collector by OTLP over HTTP. The server and each worker has an exporter of its own.

Nothing waits for the collector: spans wait in a bounded queue, and are dropped when it is full. What the environment
says about OpenTelemetry is for other programs: ``build_traces`` removes it, so settings decide alone where spans go.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from http import HTTPStatus
from importlib import metadata
from typing import Final

import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from models.tracing.spans import SpanTracer, Tracer
from ray_tasks.types import TraceExport

log = logging.getLogger(__name__)

QUEUE: Final = 4096
"""Spans that may wait; about 4 MiB."""
BATCH: Final = 512
EVERY_S: Final = 1.0
"""How often what waits is sent. A worker that is killed loses what it has not sent yet."""
REQUEST_S: Final = 5.0
"""How long a request waits for a connection, and then for each piece of the answer."""
FLUSH_S: Final = 1.0
"""How long the end of the server waits for the last spans."""
TELL_EVERY_S: Final = 60.0
"""Least time between two lines of the log that say that spans cannot be sent."""
_PATH: Final = "/v1/traces"
_LIBRARIES: Final = ("opentelemetry.exporter", "opentelemetry.sdk")


class Traces:
    """A tracer with its exporter.

    Args:
        exporter: Sends spans.
        service: What the spans are shown under.
        sampled: See ``SpanTracer``.
    """

    def __init__(self, exporter: SpanExporter, service: str, sampled: Callable[[], bool] = lambda: True) -> None:
        resource = Resource(
            {
                "service.name": service,
                "service.version": metadata.version("vestibule"),
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        self._processor = BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE,
            schedule_delay_millis=1000 * EVERY_S,
            max_export_batch_size=BATCH,
            export_timeout_millis=1000 * REQUEST_S,
        )
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False, span_limits=SpanLimits(max_events=0)
        )
        self._provider.add_span_processor(self._processor)
        self.tracer: Tracer = SpanTracer(self._provider.get_tracer("vestibule"), sampled)

    def close(self, within_s: float = FLUSH_S) -> None:
        """Send what waits; give up after a while, for a collector that does not answer."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces-close", daemon=True)
        closing.start()
        closing.join(within_s)


class QuietExporter(SpanExporter):
    """An exporter that says from time to time that it fails, without what the collector answered.

    Args:
        exporter: Sends spans.
        say: Gets the number of spans that were not sent since it was called last.
        clock: Seconds, never going back.
    """

    def __init__(
        self, exporter: SpanExporter, say: Callable[[int], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._exporter = exporter
        self._say = say
        self._clock = clock
        self._lost = 0
        self._told_at: float | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """See ``SpanExporter``."""
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            now = self._clock()
            if self._told_at is None or now - self._told_at >= TELL_EVERY_S:
                self._say(self._lost)
                self._lost, self._told_at = 0, now
        return result

    def shutdown(self) -> None:
        """See ``SpanExporter``."""
        self._exporter.shutdown()


def _not_sent(spans: int) -> None:
    log.warning("traces_not_sent", extra={"values": {"spans": spans}})


def otlp_exporter(export: TraceExport) -> SpanExporter:
    """Sends spans to the endpoint."""
    for library in _LIBRARIES:  # they log each failure, with what the collector answered
        logging.getLogger(library).setLevel(logging.CRITICAL)
    session = requests.Session()
    session.trust_env = False  # a proxy or a .netrc of the environment is not for spans
    session.hooks["response"].append(_redirects_fail)
    exporter = OTLPSpanExporter(
        endpoint=traces_url(export.endpoint),
        headers=dict(export.headers),
        timeout=REQUEST_S,
        compression=Compression.Gzip,
        session=session,
    )
    return QuietExporter(exporter, _not_sent)


def _redirects_fail(response: requests.Response, *_: object, **__: object) -> None:
    """A redirect is not followed, so the spans are lost. The library would count it as a success."""
    if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
        response.status_code = HTTPStatus.MISDIRECTED_REQUEST


def traces_url(endpoint: str) -> str:
    """The address to which spans are posted; the endpoint may have its path already."""
    base = endpoint.rstrip("/")
    return base if base.endswith(_PATH) else base + _PATH
