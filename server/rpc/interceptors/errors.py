"""The edge at which errors become gRPC statuses.

Every status carries google.rpc.ErrorInfo with the stable reason and the domain ``vestibule``; RetryInfo when waiting
helps, BadRequest when fields are to blame, QuotaFailure when a bound was hit. No trace and no input text goes out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, NoReturn

import grpc
import structlog
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from models import errors
from server.observability.log import describe, get_logger
from server.rpc.interceptors.base import Call

DOMAIN = "vestibule"

log = get_logger("errors")


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
        delay.FromMilliseconds(int(error.retry_after_s * 1000))
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


class MapErrors:
    """Second step, inside ``observe``."""

    checks: ClassVar[bool] = False

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Translate what the handler raises."""
        try:
            yield
        except errors.VestibuleError as error:
            if isinstance(error, errors.InternalError):
                log.error("internal_error", method=call.method, **describe(error))
            await _abort(call, error)
        except grpc.RpcError:
            raise  # already a status: grpc's own abort
        except Exception as error:  # the one edge where a defect becomes INTERNAL
            if isinstance(error, grpc.aio.AbortError):
                raise
            log.error("unexpected_error", method=call.method, **describe(error))
            await _abort(call, errors.InternalError("Something went wrong inside the server."))

    def check(self, message: Message) -> None:
        """Nothing to check."""


async def _abort(call: Call, error: errors.VestibuleError) -> NoReturn:
    correlation_id = str(structlog.contextvars.get_contextvars().get("correlation_id", ""))
    status = rpc_status.to_status(to_status(error, correlation_id))
    # What ``observe`` set would be replaced, so it is handed on.
    trailing = (*(call.context.trailing_metadata() or ()), *(status.trailing_metadata or ()))
    await call.context.abort(status.code, status.details, trailing)
