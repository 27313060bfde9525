"""The interceptors, as a real client on loopback sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from vestibule.v1 import media_pb2, media_pb2_grpc, session_pb2, session_pb2_grpc

from models import errors
from models.reasons import Reason
from server.observability.metrics import Metrics
from server.rpc.interceptors import interceptors
from server.rpc.interceptors.errors import status_code
from server.runtime.lifecycle import Lifecycle
from server.setting_groups import LimitSettings
from tests.fakes.access import OpenAccess

SECRET = "Maria Lopez, 212-555-0187"
SERVICE_CONFIG = Path(__file__).parents[3] / "protos/vestibule/v1/service_config.json"
UUID = "3b1f8f2e-7d43-4e8e-9d1f-0a2b6a4f9f10"


class Sessions(session_pb2_grpc.SessionServiceServicer):
    """Raises what the test wants."""

    def __init__(self, error: BaseException | None, closed: asyncio.Event | None) -> None:
        self.error = error
        self.closed = closed

    async def StartSession(self, request: Any, context: Any) -> session_pb2.StartSessionResponse:
        return session_pb2.StartSessionResponse()

    async def AbandonSession(self, request: Any, context: Any) -> session_pb2.AbandonSessionResponse:
        return session_pb2.AbandonSessionResponse()

    async def ListSessions(self, request: Any, context: Any) -> session_pb2.ListSessionsResponse:
        return session_pb2.ListSessionsResponse()

    async def ListTurns(self, request: Any, context: Any) -> session_pb2.ListTurnsResponse:
        return session_pb2.ListTurnsResponse()

    async def GetSession(self, request: Any, context: Any) -> session_pb2.GetSessionResponse:
        if self.error:
            raise self.error
        return session_pb2.GetSessionResponse(session=session_pb2.Session(id=request.session_id))

    async def WatchSession(self, request: Any, context: Any) -> AsyncIterator[session_pb2.WatchSessionResponse]:
        try:
            yield session_pb2.WatchSessionResponse(session=session_pb2.Session(id=request.session_id))
            while self.closed is not None:  # more than the client's window holds
                yield session_pb2.WatchSessionResponse(session=session_pb2.Session(client_id="x" * 100_000))
        finally:
            if self.closed is not None:
                self.closed.set()
        if self.error:
            raise self.error


class Media(media_pb2_grpc.MediaServiceServicer):
    """Counts what arrives."""

    async def Upload(self, request_iterator: Any, context: Any) -> media_pb2.UploadResponse:
        count = 0
        async for _ in request_iterator:
            count += 1
        return media_pb2.UploadResponse(upload=media_pb2.Upload(attempts=count))

    async def GetUpload(self, request: Any, context: Any) -> media_pb2.GetUploadResponse:
        return media_pb2.GetUploadResponse()

    async def WatchUpload(self, request: Any, context: Any) -> AsyncIterator[media_pb2.WatchUploadResponse]:
        yield media_pb2.WatchUploadResponse()

    async def DownloadRedacted(self, request: Any, context: Any) -> AsyncIterator[media_pb2.DownloadRedactedResponse]:
        yield media_pb2.DownloadRedactedResponse()


@asynccontextmanager
async def serving(
    error: BaseException | None = None,
    lifecycle: Lifecycle | None = None,
    metrics: Metrics | None = None,
    options: Sequence[tuple[str, str]] = (),
    closed: asyncio.Event | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    hooks = interceptors(lifecycle or Lifecycle(), metrics or Metrics(), OpenAccess(), LimitSettings())
    server = grpc.aio.server(interceptors=hooks)
    session_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(error, closed), server)
    media_pb2_grpc.add_MediaServiceServicer_to_server(Media(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
            yield channel
    finally:
        await server.stop(None)


async def failure(channel: grpc.aio.Channel) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await session_pb2_grpc.SessionServiceStub(channel).GetSession(session_pb2.GetSessionRequest(session_id=UUID))
    return caught.value


def details(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None
    found: dict[str, Any] = {}
    for packed in status.details:
        for kind in (
            error_details_pb2.ErrorInfo,
            error_details_pb2.RetryInfo,
            error_details_pb2.BadRequest,
            error_details_pb2.QuotaFailure,
        ):
            if packed.Is(kind.DESCRIPTOR):
                message = kind()
                packed.Unpack(message)
                found[kind.__name__] = message
    return found


@pytest.mark.parametrize(
    ("error", "code", "extra"),
    [
        (errors.NotFound("No.", reason=Reason.SESSION_NOT_FOUND), grpc.StatusCode.NOT_FOUND, set()),
        (errors.Conflict("No."), grpc.StatusCode.FAILED_PRECONDITION, set()),
        (errors.TooLarge("No."), grpc.StatusCode.INVALID_ARGUMENT, set()),
        (errors.NoSpeech("No."), grpc.StatusCode.INVALID_ARGUMENT, set()),
        (errors.Overloaded("No.", retry_after_s=2), grpc.StatusCode.RESOURCE_EXHAUSTED, {"RetryInfo", "QuotaFailure"}),
        (errors.WorkerLost("No.", retry_after_s=1.5), grpc.StatusCode.UNAVAILABLE, {"RetryInfo"}),
        (errors.DeadlineExceeded("No."), grpc.StatusCode.DEADLINE_EXCEEDED, set()),
        (errors.InvalidInput("No.", reason=Reason.OFFSET_GAP), grpc.StatusCode.OUT_OF_RANGE, set()),
        (errors.InternalError("No."), grpc.StatusCode.INTERNAL, set()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
async def test_every_error_has_its_status_a_stable_reason_and_a_hint(
    error: errors.VestibuleError, code: grpc.StatusCode, extra: set[str]
) -> None:
    async with serving(error) as channel:
        seen = await failure(channel)
    assert seen.code() is code is status_code(error)
    found = details(seen)
    assert set(found) == {"ErrorInfo"} | extra
    info = found["ErrorInfo"]
    assert (info.reason, info.domain, info.metadata["hint"]) == (error.reason, "vestibule", error.hint)
    assert info.metadata["correlation_id"]
    if "RetryInfo" in extra:
        assert found["RetryInfo"].retry_delay.ToMilliseconds() == int((error.retry_after_s or 0) * 1000)


async def test_a_defect_becomes_internal_without_details(capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(ValueError(f"could not parse {SECRET}")) as channel:
        seen = await failure(channel)
    assert seen.code() is grpc.StatusCode.INTERNAL
    assert details(seen)["ErrorInfo"].reason == "INTERNAL"
    told = f"{seen.details()}{seen.debug_error_string()}{capfd.readouterr()}"
    assert "Maria" not in told
    assert "Traceback" not in told


async def test_a_stream_that_fails_in_the_middle_ends_with_the_same_details() -> None:
    async with serving(errors.ShuttingDown("Ends.", retry_after_s=5)) as channel:
        call = session_pb2_grpc.SessionServiceStub(channel).WatchSession(
            session_pb2.WatchSessionRequest(session_id=UUID)
        )
        seen = []
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for message in call:
                seen.append(message)
    assert len(seen) == 1
    assert details(caught.value)["ErrorInfo"].reason == "SHUTTING_DOWN"


async def test_rules_of_the_proto_are_checked_and_values_not_repeated() -> None:
    async with serving() as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.StartSession(session_pb2.StartSessionRequest(client_id=SECRET, request_id="x"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    fields = [v.field for v in details(caught.value)["BadRequest"].field_violations]
    assert sorted(fields) == ["client_id", "request_id"]
    assert "Maria" not in str(caught.value)


async def test_a_broken_rule_is_told_with_its_field_and_with_what_is_allowed() -> None:
    async with serving() as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as one:
            await stub.GetSession(session_pb2.GetSessionRequest(session_id="x"))
        with pytest.raises(grpc.aio.AioRpcError) as two:
            await stub.StartSession(session_pb2.StartSessionRequest(client_id=SECRET, request_id=UUID, language="EN"))
    told = [(v.field, v.description) for v in details(one.value)["BadRequest"].field_violations]
    assert told == [("session_id", "must be a UUID, such as 3f0f6f0e-2f55-4c9e-9d0a-0f6f2b8c1d11")]
    assert details(one.value)["ErrorInfo"].metadata["hint"] == ".".join(map(" ".join, told)) + "."
    told = [(v.field, v.description) for v in details(two.value)["BadRequest"].field_violations]
    assert told == [
        ("client_id", "must be up to 64 letters, digits, dots, dashes and underscores"),
        ("language", "must be a language code of two small letters such as en, or left out"),
    ]
    assert details(two.value)["ErrorInfo"].metadata["hint"].startswith("client_id must be up to 64 letters")


async def test_every_message_of_a_stream_is_checked() -> None:
    async with serving() as channel:
        stub = media_pb2_grpc.MediaServiceStub(channel)

        def messages(*sizes: int) -> list[media_pb2.UploadRequest]:
            return [media_pb2.UploadRequest(data=b"x" * size) for size in sizes]

        assert (await stub.Upload(iter(messages(1, 262144)))).upload.attempts == 2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Upload(iter(messages(1, 262145)))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_correlation_id_is_kept_if_well_formed_or_made() -> None:
    async with serving() as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        for given, kept in (
            (UUID, True),
            ("4bf92f3577b34da6a3ce929d0e0e4736", True),
            ("Maria Lopez", False),
            ("555-123-4567", False),
            ("4111111111111111", False),
        ):
            call = stub.GetSession(
                session_pb2.GetSessionRequest(session_id=UUID), metadata=(("x-correlation-id", given),)
            )
            await call
            returned = dict(await call.trailing_metadata())["x-correlation-id"]
            assert (returned == given) is kept
            assert returned


async def test_clients_retry_as_the_service_config_says() -> None:
    """They do only while the server has sent nothing, not even metadata, before the error."""
    metrics = Metrics()
    config = (("grpc.service_config", SERVICE_CONFIG.read_text()),)
    async with serving(errors.WorkerLost("No."), metrics=metrics, options=config) as channel:
        seen = await failure(channel)
    labels = {"method": "vestibule.v1.SessionService/GetSession", "code": "UNAVAILABLE"}
    assert metrics.registry.get_sample_value("vestibule_rpcs_total", labels) == 4
    assert details(seen)["ErrorInfo"].reason == "WORKER_LOST"
    assert "x-correlation-id" in dict(cast("Any", seen.trailing_metadata()))


async def test_a_client_that_leaves_a_full_stream_is_counted_and_its_handler_is_closed() -> None:
    metrics, closed = Metrics(), asyncio.Event()
    async with serving(metrics=metrics, closed=closed) as channel:
        stub = session_pb2_grpc.SessionServiceStub(channel)
        call = stub.WatchSession(session_pb2.WatchSessionRequest(session_id=UUID))
        await call.read()
        call.cancel()
        await asyncio.wait_for(closed.wait(), 60)
    labels = {"method": "vestibule.v1.SessionService/WatchSession", "code": "CANCELLED"}
    assert metrics.registry.get_sample_value("vestibule_rpcs_total", labels) == 1


async def test_calls_are_counted_by_method_and_code() -> None:
    metrics = Metrics()
    async with serving(errors.NotFound("No."), metrics=metrics) as channel:
        await failure(channel)
    labels = {"method": "vestibule.v1.SessionService/GetSession", "code": "NOT_FOUND"}
    assert metrics.registry.get_sample_value("vestibule_rpcs_total", labels) == 1


async def test_errors_are_counted_by_method_and_reason() -> None:
    metrics = Metrics()
    for error in (errors.NotFound("No."), errors.RedactionFailed(SECRET), KeyError(SECRET)):
        async with serving(error, metrics=metrics) as channel:
            await failure(channel)
    (family,) = metrics.rpc_errors.collect()
    counted = {sample.labels["reason"]: sample.value for sample in family.samples if sample.name.endswith("_total")}
    assert counted == {"NOT_FOUND": 1, "REDACTION_FAILED": 1, "INTERNAL": 1}
    assert SECRET not in repr(family)


async def test_new_calls_are_refused_while_the_server_stops() -> None:
    lifecycle = Lifecycle()
    lifecycle.begin_drain()
    async with serving(lifecycle=lifecycle) as channel:
        seen = await failure(channel)
    assert seen.code() is grpc.StatusCode.UNAVAILABLE
    assert details(seen)["ErrorInfo"].reason == "SHUTTING_DOWN"


async def test_waiting_ends_when_the_server_stops() -> None:
    lifecycle = Lifecycle()
    waiting = asyncio.ensure_future(lifecycle.or_drain(asyncio.Event().wait()))
    await asyncio.sleep(0)
    lifecycle.begin_drain()
    with pytest.raises(errors.ShuttingDown):
        await waiting
    assert await Lifecycle().or_drain(asyncio.sleep(0, result=7)) == 7
