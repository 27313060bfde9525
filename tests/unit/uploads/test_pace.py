"""How slowly an upload may come: the meter with times by hand, and chunks that never come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from models.errors import DeadlineExceeded, InvalidInput
from server.uploads.pace import FREE_CHUNKS, LEAST_CHUNK_BYTES, PaceMeter, UploadPace, paced
from tests.unit.uploads.upload_harness import JPEG, UploadHarness, pieces, reason_of

PACE = UploadPace(bytes_per_s=1000.0, stall_s=30.0, longest_s=600.0)


def seconds_until_cut(chunk_bytes: int, every_s: float) -> tuple[float, str]:
    """How long a client lasts that sends such chunks evenly, and the reason."""
    meter, elapsed_s = PaceMeter(PACE), 0.0
    while meter.patience_s >= every_s:
        meter.waited(every_s)
        meter.received(chunk_bytes)
        elapsed_s += every_s
    elapsed_s += meter.patience_s
    meter.waited(meter.patience_s)
    return elapsed_s, meter.refusal().reason


@pytest.mark.parametrize(
    ("chunk_bytes", "every_s", "lasts_s", "reason"),
    [
        (0, 31.0, 30.0, "UPLOAD_STALLED"),  # nothing at all
        (1, 1.0, 30.03, "UPLOAD_STALLED"),  # a byte a second
        (500, 1.0, 60.0, "UPLOAD_STALLED"),  # half of the least rate
        (29_000, 29.0, 600.0, "UPLOAD_TOO_SLOW"),  # as fast as must be, with pauses
        (1000, 0.5, 600.0, "UPLOAD_TOO_SLOW"),
    ],
)
def test_slow_uploads_are_cut_in_time(chunk_bytes: int, every_s: float, lasts_s: float, reason: str) -> None:
    lasted_s, found = seconds_until_cut(chunk_bytes, every_s)
    assert found == reason
    assert lasted_s == pytest.approx(lasts_s, abs=1.0)


def test_a_fast_start_buys_no_more_than_the_longest_stall() -> None:
    meter = PaceMeter(PACE)
    meter.received(10_000_000)
    assert meter.patience_s == PACE.stall_s


def test_tiny_chunks_are_refused_but_a_few_are_not() -> None:
    meter = PaceMeter(PACE)
    for _ in range(FREE_CHUNKS):
        meter.received(1)
    for _ in range(100):
        meter.received(LEAST_CHUNK_BYTES)
    with pytest.raises(InvalidInput) as caught:
        for _ in range(FREE_CHUNKS):
            meter.received(1)
    assert caught.value.reason == "UPLOAD_CHUNKS_TOO_SMALL"


async def test_all_chunks_of_a_client_that_keeps_up_pass() -> None:
    assert b"".join([chunk async for chunk in paced(pieces(JPEG), UploadPace())]) == JPEG


async def test_a_client_that_stops_is_cut() -> None:
    async def stops() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded) as caught:
        _ = [chunk async for chunk in paced(stops(), UploadPace(stall_s=0.02))]
    assert caught.value.reason == "UPLOAD_STALLED"


async def test_a_cut_upload_leaves_nothing(harness: UploadHarness) -> None:
    async def trickles() -> AsyncIterator[bytes]:
        for byte in JPEG:
            yield bytes((byte,))
            await asyncio.sleep(0)

    call = harness.intake.accept(harness.describe(), trickles())
    assert await reason_of(lambda: call) == "UPLOAD_CHUNKS_TOO_SMALL"
    assert harness.files() == []
    assert harness.intake._arriving.size_bytes == 0
