"""Small pictures of one client beside pages of dense print of another, on a real server.

    python -m benchmarks.dense_pages [--pictures 8] [--seconds 600] [--worker]

Prints how long a small picture takes, from its upload until it is read: alone, and while the other client's pages are
read. Then what became of these pages, after how many attempts, and by how much the Vision worker grew over its rest.
Ends with 1 if a small picture failed, a page was tried twice, or the worker grew by more than 300 MB. With `--worker`
there is no server: a Vision worker in this process reads one page of dense print, then three at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc.aio
import psutil
from PIL import Image, ImageDraw, ImageFont
from vestibule.v1 import media_pb2

from benchmarks import _dense_worker
from benchmarks._dense_pages import columns, words
from benchmarks._drawn_pages import FONTS
from benchmarks._running import running
from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, reason

PAGES: dict[str, Callable[[], bytes]] = {
    "8 points, 3 columns": lambda: columns(3),
    "6 points, 4 columns": lambda: columns(4, points=6.0),
    "4,000 words": lambda: words(4_000),
    "20,000 words": lambda: words(20_000, points=3.4),
}
MOST_GROWTH = 300_000_000
SAMPLE_S = 0.2
PAUSE_S = 1.0
READ = "read"


def small_picture() -> bytes:
    """Two words, less than a kilobyte."""
    picture = Image.new("L", (240, 60), 255)
    ImageDraw.Draw(picture).text((10, 15), "Pump 7", fill=0, font=ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 24))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def read(app: App, session: str, content: bytes) -> tuple[float, str]:
    """How long an upload takes until it is read or has failed, and what became of it."""
    began = time.monotonic()
    try:
        accepted = await app.upload(session, content, media_pb2.MEDIA_KIND_UNSPECIFIED, "image/png")
        upload = await app.finished(accepted.id)
    except grpc.aio.AioRpcError as error:
        return time.monotonic() - began, reason(error)
    became = READ if upload.state == media_pb2.UPLOAD_STATE_DONE else upload.failure_reason
    return time.monotonic() - began, f"{became}{f', {upload.attempts} attempts' if upload.attempts > 1 else ''}"


async def read_dense(app: App) -> list[str]:
    """The pages one after the other, as they wait in one session. Prints what becomes of each."""
    session = await app.open_session(client_id="dense")

    async def read_one(name: str, page: bytes) -> str:
        took_s, became = await read(app, session, page)
        print(f"{name}: {became} after {took_s:.0f} s", flush=True)
        return became

    return await asyncio.gather(*(read_one(name, make()) for name, make in PAGES.items()))


async def read_small(app: App, number: int) -> list[tuple[float, str]]:
    session = await app.open_session(client_id="small")
    return [await read(app, session, small_picture()) for _ in range(number)]


@dataclass
class Worker:
    """The Vision worker of a server: the memory and the CPU that it takes."""

    process: psutil.Process
    rest: int = 0
    most: int = 0

    @classmethod
    def of(cls, server: int) -> Worker:
        """The one of a server, by its process id."""
        children = psutil.Process(server).children(recursive=True)
        return cls(next(child for child in children if "vision" in " ".join(child.cmdline()).lower()))

    async def watch(self) -> None:
        """Note the memory until it is cancelled."""
        while True:
            self.most = max(self.most, self.process.memory_info().rss)
            await asyncio.sleep(SAMPLE_S)


async def measure(address: str, key: str, pid: int, pictures: int, seconds: float) -> bool:
    """Print the figures; returns whether they are within the bounds."""
    async with open_aio_channel(address, credential=key) as channel:
        app = App(channel)
        await read_small(app, 2)  # the first one loads what is loaded once
        worker = Worker.of(pid)
        worker.rest = worker.process.memory_info().rss
        alone = await read_small(app, pictures)
        watching = asyncio.create_task(worker.watch())
        pages = asyncio.create_task(read_dense(app))
        beside: list[tuple[float, str]] = []
        give_up_at = time.monotonic() + seconds
        while not pages.done() and time.monotonic() < give_up_at:
            beside += await read_small(app, 1)
            await asyncio.sleep(PAUSE_S)
        watching.cancel()
        dense = await pages if pages.done() else ["not read yet"]
        pages.cancel()
    growth = worker.most - worker.rest
    for name, figures in (("alone", alone), ("beside dense pages", beside)):
        times = [took_s for took_s, _ in figures]
        failed = [became for _, became in figures if became != READ]
        print(
            f"a small picture {name}: median {statistics.median(times):.2f} s, longest {max(times):.2f} s, "
            f"{len(times)} pictures, {len(failed)} failed {sorted(set(failed)) or ''}"
        )
    print(f"the Vision worker: {worker.rest / 1e6:.0f} MB at rest, grew by {growth / 1e6:.0f} MB")
    again = any("attempts" in became or became == "not read yet" for became in dense)
    return not again and growth <= MOST_GROWTH and all(became == READ for _, became in beside)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=8, help="small pictures that are read alone")
    parser.add_argument("--seconds", type=float, default=600.0, help="after which pages that are not read are left")
    parser.add_argument("--worker", action="store_true", help="a worker in this process in place of a server")
    arguments = parser.parse_args()
    if arguments.worker:
        sys.exit(0 if asyncio.run(_dense_worker.measure(small_picture(), arguments.pictures)) else 1)
    bounds = ("limits.client_uploads=100000", "limits.client_upload_bytes=1000000000")
    with tempfile.TemporaryDirectory() as home, running(Path(home), *bounds, ready_s=300.0) as server:
        fine = asyncio.run(
            measure(server.address, server.operator_key, server.pid, arguments.pictures, arguments.seconds)
        )
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
