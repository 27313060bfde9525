"""A picture of one client beside four long recordings of another, on a real server.

    python -m benchmarks.shared_decoders

Prints how long it takes until the picture is accepted, alone and beside the recordings that are decoded; until it is
read, alone and beside those that are read; what became of the recordings; and by how much the server's own process and
the workers grew: until the first recording was decoded, and until two of them are being read. Ends with 1 if a picture
was accepted after more than 10 s or read after more than a minute, or the server's process grew by more than 150 MB
while decoding or 300 MB in all.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
import time
from pathlib import Path

import av
import grpc.aio
import numpy as np
from vestibule.v1 import media_pb2

from benchmarks._running import running
from benchmarks._watched_processes import WatchedProcesses
from models.media.audio_decoder import decode
from models.media.samples import SAMPLE_RATE_HZ
from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, reason

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
RECORDINGS = 4
MINUTES = 59
BITS_PER_S = 20_000
HEAD_START_S = 3.0
MOST_WAIT_S = 10.0
MOST_READ_S = 60.0
MOST_GROWTH = 150_000_000
MOST_GROWTH_IN_ALL = 300_000_000
READING = 2
BEING_READ = 0.5


def long_recording() -> bytes:
    """Opus of speech that repeats."""
    speech = (decode((DATA / "visit.wav").read_bytes()) * 32_767).astype(np.int16)
    minute = np.resize(speech, 60 * SAMPLE_RATE_HZ)[None, :]
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=SAMPLE_RATE_HZ, layout="mono", options={"compression_level": "0"})
        stream.bit_rate = BITS_PER_S
        for _ in range(MINUTES):
            frame = av.AudioFrame.from_ndarray(minute, format="s16", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


async def seconds_of_picture(app: App, *, read: bool = False) -> float:
    """How long the upload of a photograph takes, until it is accepted or also read."""
    session = await app.open_session(client_id="with-a-picture")
    began = time.monotonic()
    upload = await app.upload(session, (DATA / "register.jpg").read_bytes(), media_pb2.MEDIA_KIND_UNSPECIFIED)
    if read:
        await app.finished(upload.id)
    return time.monotonic() - began


async def outcome(app: App, recording: bytes, accepted: list[str]) -> str:
    """What becomes of a recording, and when."""
    session = await app.open_session(client_id="with-recordings")
    began, became = time.monotonic(), "accepted"
    try:
        upload = await app.upload(session, recording, media_pb2.MEDIA_KIND_RECORDING, "audio/ogg")
        accepted.append(upload.id)
    except grpc.aio.AioRpcError as error:
        became = reason(error)
    return f"{became} after {time.monotonic() - began:.0f} s"


async def until_read_by_workers(app: App, upload_ids: list[str]) -> None:
    """Wait until so many recordings are in the workers as may be there at a time."""
    begun = 0
    while begun < READING:
        await asyncio.sleep(1)
        begun = 0
        for upload_id in upload_ids:
            state = await anext(aiter(app.media.WatchUpload(media_pb2.WatchUploadRequest(upload_id=upload_id))))
            begun += state.upload.progress >= BEING_READ


async def measure(address: str, key: str, pid: int, recording: bytes) -> bool:
    """Print the figures; returns whether they are within the bounds."""
    async with open_aio_channel(address, credential=key) as channel:
        app = App(channel)
        await seconds_of_picture(app)  # the first one loads what is loaded once
        alone, read_alone = await seconds_of_picture(app), await seconds_of_picture(app, read=True)
        accepted: list[str] = []
        with WatchedProcesses(pid) as watched:
            sent = [asyncio.create_task(outcome(app, recording, accepted)) for _ in range(RECORDINGS)]
            await asyncio.sleep(HEAD_START_S)
            beside = [await seconds_of_picture(app) for _ in range(3)]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            decoding = watched.growth[pid].bytes
            recordings = await asyncio.gather(*sent)
            await until_read_by_workers(app, accepted)
            read_beside = await seconds_of_picture(app, read=True)
    growth = watched.growth[pid].bytes
    print(f"a picture alone: {alone:.2f} s; beside the recordings: {', '.join(f'{one:.2f}' for one in beside)} s")
    print(f"until it is read: {read_alone:.2f} s; beside recordings that are read: {read_beside:.2f} s")
    print(f"recordings of {MINUTES} minutes and {len(recording) / 1e6:.1f} MB: {', '.join(recordings)}")
    print(f"growth of the server's process: {decoding / 1e6:.0f} MB while decoding, {growth / 1e6:.0f} MB in all")
    largest = watched.largest()
    print(f"largest growth of any process: {largest.bytes / 1e6:.0f} MB, {largest.name}")
    quick = max(beside) <= MOST_WAIT_S and read_beside <= MOST_READ_S
    return quick and decoding <= MOST_GROWTH and growth <= MOST_GROWTH_IN_ALL


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    recording = long_recording()
    with tempfile.TemporaryDirectory() as home, running(Path(home), ready_s=240.0) as server:
        fine = asyncio.run(measure(server.address, server.operator_key, server.pid, recording))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
