"""Errors become gRPC statuses.

Every status carries google.rpc.ErrorInfo with the stable reason and the domain ``vestibule``. It also carries RetryInfo
if waiting helps, BadRequest if fields are wrong, and QuotaFailure if a limit was reached. It carries no trace and no
input text.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, NoReturn

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from models import errors
from models.tracing.spans import current_span
from server.observability.log import correlation_id, describe, get_logger
from server.observability.metrics import Metrics
from server.rpc.interceptors.base import Call, CallHook

DOMAIN = "vestibule"

log = get_logger("errors")


SERVER_FAULTS: Final = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes with which a call's span counts as failed, by the semantic conventions of OpenTelemetry."""


def status_code(error: errors.VestibuleError) -> grpc.StatusCode:
    """The gRPC code of an error: its reason's."""
    return grpc.StatusCode[error.reason.status]


def to_status(error: errors.VestibuleError, correlation_id: str = "") -> status_pb2.Status:
    """The rich status of an error."""
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata={"hint": error.hint})
    if correlation_id:
        info.metadata["correlation_id"] = correlation_id
    details: list[Message] = [info]
    if error.retry_after_s is not None:
        delay = Duration()
        delay.FromTimedelta(timedelta(seconds=error.retry_after_s))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    if error.violations:
        fields = [
            error_details_pb2.BadRequest.FieldViolation(field=v.field, description=v.description)
            for v in error.violations
        ]
        details.append(error_details_pb2.BadRequest(field_violations=fields))
    if isinstance(error, errors.Overloaded):
        violation = error_details_pb2.QuotaFailure.Violation(subject=DOMAIN, description=error.message)
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    status = status_pb2.Status(code=status_code(error).value[0], message=error.message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


class MapErrors(CallHook):
    """Translates errors. It runs inside ``Telemetry``, so that the status is logged and counted."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self._metrics = metrics or Metrics()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Translate what the handler raises."""
        try:
            yield
        except errors.VestibuleError as error:
            if isinstance(error, errors.InternalError):
                log.error("internal_error", method=call.method, **describe(error))
            await self._abort(call, error)
        except grpc.RpcError:
            raise  # already a status: grpc's own abort
        except Exception as error:  # every defect becomes INTERNAL here, and nowhere else
            if isinstance(error, grpc.aio.AbortError):
                raise
            log.error("unexpected_error", method=call.method, **describe(error))
            await self._abort(call, errors.InternalError("The server has an internal error."))

    async def _abort(self, call: Call, error: errors.VestibuleError) -> NoReturn:
        self._metrics.rpc_errors.labels(call.method, error.reason.value).inc()
        await _abort(call, error)


async def _abort(call: Call, error: errors.VestibuleError) -> NoReturn:
    current_span().fail(error, fault=status_code(error) in SERVER_FAULTS)
    status = rpc_status.to_status(to_status(error, correlation_id()))
    # Trailing metadata that ``Telemetry`` set would be replaced, so it is sent too.
    trailing = (*(call.context.trailing_metadata() or ()), *(status.trailing_metadata or ()))
    await call.context.abort(status.code, status.details, trailing)
