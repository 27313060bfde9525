"""A picture of one client beside four long recordings of another, on a real server.

    python -m benchmarks.shared_decoders

Prints how long the picture takes alone and beside the recordings, what became of the recordings, and by how much the
server's own process grew: until the first recording was decoded, and in all, when recordings are also read from the
spool and handed to the workers. Ends with 1 if a picture took over 10 s, or the decoding made the process grow by more
than 150 MB.
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
MOST_GROWTH = 150_000_000


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


async def seconds_of_picture(app: App) -> float:
    """How long the upload of a photograph takes, until it is accepted."""
    session = await app.open_session(client_id="with-a-picture")
    began = time.monotonic()
    await app.upload(session, (DATA / "register.jpg").read_bytes(), media_pb2.MEDIA_KIND_UNSPECIFIED)
    return time.monotonic() - began


async def outcome(app: App, recording: bytes) -> str:
    """What becomes of a recording, and when."""
    session = await app.open_session(client_id="with-recordings")
    began, became = time.monotonic(), "accepted"
    try:
        await app.upload(session, recording, media_pb2.MEDIA_KIND_RECORDING, "audio/ogg")
    except grpc.aio.AioRpcError as error:
        became = reason(error)
    return f"{became} after {time.monotonic() - began:.0f} s"


async def measure(address: str, key: str, pid: int, recording: bytes) -> bool:
    """Print the figures; returns whether they are within the bounds."""
    async with open_aio_channel(address, credential=key) as channel:
        app = App(channel)
        await seconds_of_picture(app)  # the first one loads what is loaded once
        alone = await seconds_of_picture(app)
        with WatchedProcesses(pid) as watched:
            sent = [asyncio.create_task(outcome(app, recording)) for _ in range(RECORDINGS)]
            await asyncio.sleep(HEAD_START_S)
            beside = [await seconds_of_picture(app) for _ in range(3)]
            await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
            decoding = watched.growth[pid].bytes
            recordings = await asyncio.gather(*sent)
    growth = watched.growth[pid].bytes
    print(f"a picture alone: {alone:.2f} s; beside the recordings: {', '.join(f'{one:.2f}' for one in beside)} s")
    print(f"recordings of {MINUTES} minutes and {len(recording) / 1e6:.1f} MB: {', '.join(recordings)}")
    print(f"growth of the server's process: {decoding / 1e6:.0f} MB while decoding, {growth / 1e6:.0f} MB in all")
    return max(beside) <= MOST_WAIT_S and decoding <= MOST_GROWTH


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    recording = long_recording()
    with tempfile.TemporaryDirectory() as home, running(Path(home), ready_s=240.0) as server:
        fine = asyncio.run(measure(server.address, server.operator_key, server.pid, recording))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
