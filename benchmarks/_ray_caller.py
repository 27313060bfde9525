"""A process of ``benchmarks.ray_limits`` that calls workers, as a server does."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
from pathlib import Path
from typing import Final

import ray

from models.retry import RetryPolicy
from ray_tasks.deployments import handle_of
from ray_tasks.serve_client import call

KIND: Final = "speech"
POLICY: Final = RetryPolicy("benchmark", 3, 0.1, 1.0, 2.0, 10.0)
CALL_S: Final = 30.0
STOP: Final = "stop"


def drive(address: str, name: str, payload: int, at_once: int, rate: float, folder: Path) -> tuple[int, float, float]:
    """Call the deployment of an application until the folder has a file ``stop``.

    Args:
        address: Of the head of the cluster.
        name: Of the application.
        payload: Bytes of each call.
        at_once: Calls that are open at the same time.
        rate: Calls a second; 0 calls as often as it can.
        folder: Gets a file when the first calls were answered.

    Returns:
        Calls that were answered since then, seconds on the clock, and seconds of CPU of this process meanwhile.
    """
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        return asyncio.run(_drive(name, payload, at_once, rate, folder))
    finally:
        ray.shutdown()


async def _drive(name: str, payload: int, at_once: int, rate: float, folder: Path) -> tuple[int, float, float]:
    handle = handle_of(name, KIND)
    audio, stop = bytes(payload), folder / STOP

    async def one() -> None:
        await call(lambda _left_s: handle.work.remote(audio), timeout_s=CALL_S, policy=POLICY)

    for _ in range(at_once):
        await one()
    (folder / str(os.getpid())).touch()
    began, spent, numbers, done = time.monotonic(), time.process_time(), itertools.count(), 0

    async def caller() -> None:
        nonlocal done
        while not stop.exists():
            if rate:
                await asyncio.sleep(began + next(numbers) / rate - time.monotonic())
            await one()
            done += 1

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return done, time.monotonic() - began, time.process_time() - spent
