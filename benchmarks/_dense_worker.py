"""``benchmarks.dense_pages`` with a Vision worker and a redactor in this process, without a server and Ray."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence

import psutil

from benchmarks._dense_pages import columns
from models.errors import VestibuleError
from models.media.clean import MediaLimits, clean
from models.redaction.redactor import build_redactor
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from ray_tasks.engine_info import fingerprint
from ray_tasks.freed_memory import give_back_large_blocks_at_once
from ray_tasks.types import ClusterConfig, WorkerConfig
from ray_tasks.vision_worker import VisionWorker
from server.cli.config import load_settings

AT_ONCE = (1, 3)
HEAD_START_S = 3.0
PAUSE_S = 0.5
MOST_PICTURES = 15
TIMEOUT_S = 900.0
SAMPLE_S = 0.2


class Pages:
    """A worker that reads pages, and the memory of this process meanwhile."""

    def __init__(self, folder: str) -> None:
        weights = load_settings().weights_dir
        redactor = build_redactor(weights)

        async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
            return await asyncio.to_thread(redactor.redact_many, texts, context)

        give_back_large_blocks_at_once()
        none, vision = WorkerConfig(), WorkerConfig(device="cpu")
        config = ClusterConfig(none, vision, none, str(weights), f"{folder}/carry.key", "0123456789ab", folder)
        self._worker = VisionWorker(config, ask)
        self._expected = fingerprint(config)
        self.most = 0

    async def read(self, data: bytes) -> tuple[float, str]:
        """Seconds, and what became of it."""
        began, became = time.monotonic(), "read"
        try:
            await self._worker.picture(self._expected, TIMEOUT_S, data, "")
        except VestibuleError as error:
            became = error.reason
        return time.monotonic() - began, became

    async def watch(self) -> None:
        """Note the memory until it is cancelled."""
        while True:
            self.most = max(self.most, psutil.Process().memory_info().rss)
            await asyncio.sleep(SAMPLE_S)


async def measure(small: bytes, pictures: int) -> bool:
    """Print the figures; returns whether everything was read and the worker grew by 300 MB at most."""
    with tempfile.TemporaryDirectory() as folder:
        pages = Pages(folder)
        small = clean(small, MediaLimits()).content
        await pages.read(small)
        rest = psutil.Process().memory_info().rss
        watching = asyncio.create_task(pages.watch())
        ends = [await pages.read(small) for _ in range(pictures)]
        _print("alone", ends)
        for number in AT_ONCE:
            dense = [clean(columns(4, points=6.0, seed=n), MediaLimits()).content for n in range(number)]
            tasks = [asyncio.create_task(pages.read(page)) for page in dense]
            await asyncio.sleep(HEAD_START_S)
            beside: list[tuple[float, str]] = []
            while not all(task.done() for task in tasks) and len(beside) < MOST_PICTURES:
                beside.append(await pages.read(small))
                await asyncio.sleep(PAUSE_S)
            ends += beside
            _print(f"beside {number} dense", beside)
            took = [await task for task in tasks]
            ends += took
            print("  dense pages: " + ", ".join(f"{became} after {seconds:.0f} s" for seconds, became in took))
        watching.cancel()
    growth = pages.most - rest
    print(f"the worker: {rest / 1e6:.0f} MB at rest, grew by {growth / 1e6:.0f} MB")
    return growth <= 300_000_000 and all(became == "read" for _, became in ends)


def _print(name: str, ends: Sequence[tuple[float, str]]) -> None:
    times = [seconds for seconds, _ in ends]
    middle, longest = statistics.median(times), max(times)
    print(f"a small picture {name}: median {middle:.2f} s, longest {longest:.2f} s, {len(times)} of them")
