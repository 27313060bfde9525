"""How much a client may upload: files and bytes in a moving window, and what counts."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from google.rpc import error_details_pb2
from pydantic import ValidationError

from models.errors import Overloaded, Unavailable
from models.reasons import Reason
from server.access.caller import Caller, Scope, acting_as
from server.ledger import sessions
from server.ledger.columns import count
from server.ledger.types import SessionRow, SessionState
from server.rpc.interceptors.errors import to_status
from server.setting_groups import MEBIBYTE, LimitSettings
from tests.unit.ledger.migrated import open_ledger
from tests.unit.uploads.upload_harness import JPEG, KIB, UploadHarness, pieces, reason_of

MILLISECOND = 0.001
LITTLE = JPEG[: 5 * KIB]


@pytest.fixture
def client(harness: UploadHarness) -> UploadHarness:
    """A client with the quota of the defaults, on a server with room."""
    return replace(harness, limits=LimitSettings())


async def refusal(harness: UploadHarness, content: bytes = LITTLE, **described: Any) -> Overloaded:
    with pytest.raises(Overloaded) as caught:
        await harness.accept(content, **described)
    return caught.value


async def attempts(harness: UploadHarness) -> int:
    return await harness.ledger.read(lambda cursor: count(cursor, "SELECT count(*) FROM upload_attempts"))


def test_the_defaults_are_those_that_were_asked_for() -> None:
    limits = LimitSettings()
    assert limits.upload_bytes == 10 * MEBIBYTE
    assert (limits.client_uploads, limits.client_upload_window_s) == (10, 300.0)
    assert limits.client_upload_bytes == 50 * MEBIBYTE


async def test_the_eleventh_upload_is_refused(client: UploadHarness) -> None:
    for _ in range(10):
        await client.accept(LITTLE)
        client.clock.advance(7)
    error = await refusal(client)
    assert (error.reason, error.retry_after_s) == ("UPLOAD_QUOTA", 300 - 70)
    assert len(client.files()) == 10


@pytest.mark.parametrize(("step_s", "wait_s"), [(-3600, None), (-60, 360), (3600, None)])
async def test_a_clock_that_is_set_holds_nobody_for_long(
    client: UploadHarness, step_s: float, wait_s: float | None
) -> None:
    for _ in range(10):
        await client.accept(LITTLE)
    client.clock.advance(step_s)
    if wait_s is None:
        await client.accept(LITTLE)
        return
    error = await refusal(client)
    assert (error.reason, error.retry_after_s) == ("UPLOAD_QUOTA", wait_s)


async def test_the_retry_info_is_true_to_the_millisecond(client: UploadHarness) -> None:
    for _ in range(10):
        await client.accept(LITTLE)
        client.clock.advance(7.000437)
    error = await refusal(client)
    details = {detail.type_url.rpartition(".")[2]: detail for detail in to_status(error).details}
    told, quota = error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    details["RetryInfo"].Unpack(told)
    details["QuotaFailure"].Unpack(quota)
    assert len(quota.violations) == 1
    wait_s = told.retry_delay.ToMicroseconds() / 1e6
    client.clock.advance(wait_s - MILLISECOND)
    assert (await refusal(client)).retry_after_s == pytest.approx(MILLISECOND)
    client.clock.advance(MILLISECOND)
    await client.accept(LITTLE)


async def test_the_bytes_of_a_client_are_bounded(client: UploadHarness) -> None:
    half = client.with_limits(upload_bytes=700 * KIB, client_upload_bytes=700 * KIB)
    await half.accept(JPEG)  # 300 KiB
    half.clock.advance(100)
    await half.accept(JPEG)
    half.clock.advance(1)
    assert (await refusal(half, JPEG)).retry_after_s == 199
    await half.accept(LITTLE)  # fits beside the two
    half.clock.advance(199)
    await half.accept(JPEG)


async def test_a_large_upload_may_have_to_wait_for_several_to_leave(client: UploadHarness) -> None:
    small = client.with_limits(upload_bytes=700 * KIB, client_upload_bytes=700 * KIB)
    await small.accept(JPEG)
    small.clock.advance(10)
    await small.accept(JPEG)
    error = await refusal(small, JPEG + JPEG)
    assert error.retry_after_s == 300, "only the younger one's leaving makes room"
    small.clock.advance(300)
    await small.accept(JPEG + JPEG)


async def test_a_restart_forgets_no_upload(client: UploadHarness) -> None:
    for _ in range(10):
        await client.accept(LITTLE)
    path, now = client.ledger.path, client.clock
    client.ledger.close()
    reopened = open_ledger(path, memory_bytes=128 * MEBIBYTE)
    try:
        again = replace(client, ledger=reopened, clock=now)
        assert (await refusal(again)).reason == "UPLOAD_QUOTA"
    finally:
        reopened.close()


async def test_uploads_at_the_same_time_count_before_they_end(client: UploadHarness) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield LITTLE[:1000]
        await go_on.wait()
        yield LITTLE[1000:]

    calls = [asyncio.create_task(client.intake.accept(client.describe(LITTLE), slow())) for _ in range(15)]
    while len([call for call in calls if call.done()]) < 5:
        await asyncio.wait([call for call in calls if not call.done()], return_when=asyncio.FIRST_COMPLETED)
    go_on.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, Overloaded) for result in results) == 5
    assert len(client.files()) == 10


async def test_a_refused_content_counts_and_a_cheap_refusal_does_not(client: UploadHarness) -> None:
    for _ in range(5):
        assert await reason_of(lambda: client.accept(b"MZ" + bytes(9000))) == "UNSUPPORTED_MEDIA"
    assert await attempts(client) == 5
    for changes in ({"size_bytes": 11 * MEBIBYTE}, {"session_id": str(uuid4())}):
        for _ in range(20):
            await reason_of(lambda given=changes: client.accept(LITTLE, **given))  # type: ignore[misc]
    for _ in range(5):
        await client.accept(LITTLE)
    assert (await refusal(client)).reason == "UPLOAD_QUOTA"


async def test_a_repeated_upload_without_its_hash_is_received_and_counts(client: UploadHarness) -> None:
    described = client.describe(LITTLE, sha256=b"")
    for _ in range(10):
        await client.intake.accept(described, pieces(LITTLE))
    assert await attempts(client) == 10
    taken = 0

    async def noted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for piece in pieces(LITTLE):
            taken += len(piece)
            yield piece

    assert await reason_of(lambda: client.intake.accept(described, noted())) == "UPLOAD_QUOTA"
    assert taken == 0, "nothing is read beyond the quota"
    hashed = replace(described, sha256=hashlib.sha256(LITTLE).digest())
    await client.intake.accept(hashed, noted())
    assert taken == 0, "the hash says what it is"


async def test_a_repeated_upload_does_not_count(client: UploadHarness) -> None:
    described = client.describe(LITTLE)
    for _ in range(30):
        await client.intake.accept(described, pieces(LITTLE))
    assert await attempts(client) == 1


@pytest.mark.parametrize(
    ("reason", "counted"),
    [(Reason.SPOOL_FAILED, 0), (Reason.SCANNER_UNREACHABLE, 0), (Reason.SCAN_FAILED, 1), (Reason.SPOOL_FULL, 1)],
)
async def test_only_a_failure_that_no_content_can_cause_does_not_count(
    client: UploadHarness, monkeypatch: pytest.MonkeyPatch, reason: Reason, counted: int
) -> None:
    def fail(_spool_id: str) -> None:
        raise Unavailable("It failed.", reason=reason)

    monkeypatch.setattr(client.spool, "writer", fail)
    assert await reason_of(lambda: client.accept(LITTLE)) == reason
    assert await attempts(client) == counted


async def test_an_upload_that_breaks_off_counts_with_the_bytes_that_came(client: UploadHarness) -> None:
    begun = asyncio.Event()

    async def breaks_off() -> AsyncIterator[bytes]:
        yield JPEG[:1000]
        begun.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(client.intake.accept(client.describe(JPEG), breaks_off()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await client.intake.drain()
    sql = "SELECT sum(size_bytes) FROM upload_attempts"
    assert await client.ledger.read(lambda cursor: count(cursor, sql)) == 1000


async def test_each_client_has_a_quota_of_its_own(client: UploadHarness) -> None:
    now = client.clock()
    other = SessionRow(str(uuid4()), "another-app", str(uuid4()), SessionState.STARTED, now, now)
    await client.ledger.write(lambda cursor: sessions.insert_or_get(cursor, other))
    for _ in range(10):
        await client.accept(LITTLE)
    await client.accept(LITTLE, session_id=other.id)
    # Uploads of the session count for its client, whoever sent them.
    with acting_as(Caller("key:1", "another-app", frozenset({Scope.APP}))):
        for _ in range(9):
            await client.accept(LITTLE, session_id=other.id)
        assert (await refusal(client, session_id=other.id)).reason == "UPLOAD_QUOTA"


async def test_attempts_that_no_window_holds_are_deleted(client: UploadHarness) -> None:
    await client.accept(LITTLE)
    client.clock.advance(299)
    await client.accept(LITTLE)
    await client.intake.sweep()
    assert await attempts(client) == 2
    client.clock.advance(1)
    await client.intake.sweep()
    assert await attempts(client) == 1


@pytest.mark.parametrize("name", ["client_upload_bytes", "arriving_bytes", "spool_bytes", "session_spool_bytes"])
def test_a_bound_below_the_largest_upload_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        LimitSettings.model_validate({name: 10 * MEBIBYTE - 1})
