"""Calls that nobody waits for any more stop in the real workers, and a dense page holds up no small picture."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import psutil
import pytest

from models.errors import DeadlineExceeded, Overloaded
from models.media.audio_decoder import decode
from models.speech.muting.timeline import encode_flac
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from tests.eventually import eventually
from tests.fakes.gateway import recording_source
from tests.ray.conftest import DATA, replica

METER = (DATA / "meter.jpg").read_bytes()
IDLE_SHARE = 0.2
"""CPUs that a worker takes which does nothing but report its health, at most."""
STOPS_S = 6.0
"""CPU that the two threads of a worker take until they stop, at most; the work itself takes several times as long."""


@pytest.fixture(scope="module")
def recording() -> bytes:
    """A minute of speech."""
    visit = decode((DATA / "visit.flac").read_bytes())
    return encode_flac(np.resize(visit, 60 * 16_000))


def cpu_s(worker: psutil.Process) -> float:
    times = worker.cpu_times()
    return float(times.user + times.system)


async def works(worker: psutil.Process) -> None:
    """Wait until a worker has taken a second of CPU."""
    before = cpu_s(worker)
    await eventually(lambda: cpu_s(worker) > before + 1.0, timeout_s=120)


async def rests(worker: psutil.Process) -> float:
    """Wait until a worker takes no CPU; returns the CPU that it took until then."""
    first = before = cpu_s(worker)
    async with asyncio.timeout(120):
        while True:
            began = time.monotonic()
            await asyncio.sleep(1.0)
            now = cpu_s(worker)
            if now - before < IDLE_SHARE * (time.monotonic() - began):
                return before - first
            before = now


def calls(gateway: RayGateway, kind: str, data: bytes, timeout_s: float) -> Coroutine[Any, Any, object]:
    if kind == "vision":
        return gateway.read_picture(data, document_type="", timeout_s=timeout_s)
    return gateway.read_recording(recording_source(data), language="en", timeout_s=timeout_s, keep_redacted=True)


@pytest.mark.parametrize("kind", ["vision", "speech"])
async def test_work_stops_when_its_caller_gives_up(
    cluster: Cluster, gateway: RayGateway, dense: bytes, recording: bytes, kind: str
) -> None:
    worker = replica(cluster, kind)
    call = asyncio.create_task(calls(gateway, kind, dense if kind == "vision" else recording, 300))
    await works(worker)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await rests(worker) < STOPS_S


@pytest.mark.parametrize("kind", ["vision", "speech"])
async def test_work_stops_when_the_time_of_its_caller_is_over(
    cluster: Cluster, gateway: RayGateway, dense: bytes, recording: bytes, kind: str
) -> None:
    with pytest.raises(DeadlineExceeded):
        await calls(gateway, kind, dense if kind == "vision" else recording, 3.0)
    assert await rests(replica(cluster, kind)) < STOPS_S


async def once_there_is_room(gateway: RayGateway, data: bytes) -> object:
    """Have a picture read. On a busy machine calls of tests before may still hold their places."""
    while True:
        try:
            return await calls(gateway, "vision", data, 600)
        except Overloaded:
            await asyncio.sleep(1.0)


async def test_small_pictures_are_read_while_a_dense_page_is(
    cluster: Cluster, gateway: RayGateway, dense: bytes
) -> None:
    page = asyncio.create_task(once_there_is_room(gateway, dense))
    await works(replica(cluster, "vision"))
    alone = await gateway.read_picture(METER, document_type="meter", timeout_s=120)
    again = await gateway.read_picture(METER, document_type="meter", timeout_s=120)
    assert not page.done(), "it takes longer than both"
    page.cancel()
    await asyncio.gather(page, return_exceptions=True)
    assert again.text.value == alone.text.value
