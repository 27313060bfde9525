"""What gRPC, Ray and durability cost on top of the plain computation.

    python -m benchmarks.overhead [--rounds 30]

Printed, each with its peer from the same run and the ratio or the difference:

utterance   a five-second utterance, from the client's end mark to the redacted final over gRPC and Ray, against the
            same recognition and redaction as plain calls in this process; medians
upload      10 MB over loopback, checked, decoded, encoded anew, encrypted and durable, against a bare grpc.aio server
            that counts the bytes and then decodes and encodes them in one process, in messages of three sizes
start       from `vestibule serve` to health SERVING, with warm weights
memory      the server and everything that it started, shared pages counted once (PSS)

What was predicted: docs/evaluation/constants/benchmarks.md, overhead.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import hashlib
import io
import os
import statistics
import tempfile
import time
import uuid
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import duckdb
import grpc.aio
import numpy as np
import numpy.typing as npt
from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import (
    conversation_pb2,
    conversation_pb2_grpc,
    media_pb2,
    media_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
)

from benchmarks._running import Running, bare_server, pss_bytes, running
from models.media.clean import MediaLimits, clean
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.redactor import build_redactor
from models.redaction.types import RedactionContext
from models.speech.engines import build_engine
from models.speech.types import SpeechOptions
from models.text import TextSource
from server.cli.channel import open_aio_channel
from server.settings import Settings

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
UTTERANCE_S = 5
UPLOAD_BYTES = 10 * 1024 * 1024
WAV_HEADER_BYTES = 44
KIBIBYTE = 1024
MESSAGE_BYTES = (16 * KIBIBYTE, 64 * KIBIBYTE, 256 * KIBIBYTE)
"""Message sizes: from those that gRPC advises for streams, 16 to 64 KiB, to the largest that the server takes."""

MEBIBYTE = 1024 * 1024
LEAST_SHARE = 0.7

NO_QUOTA = ("limits.client_uploads=1000000", "limits.client_upload_bytes=1000000000000")
"""One client uploads far more here than an app may."""

Pcm = npt.NDArray[np.int16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--uploads", type=int, default=10)
    arguments = parser.parse_args()
    print(f"{'what':9s} {'case':22s} {'median':>8s}")
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        with running(Path(home), *NO_QUOTA) as server:
            start_s = time.perf_counter() - began
            asyncio.run(measure(server, utterance(), arguments.rounds, arguments.uploads))
            memory = pss_bytes(server.pid)
        inside_ms = engine_ms(Path(home) / "data" / "ledger.duckdb")
    print(f"utterance engine in the worker  {inside_ms:8.1f} ms     (part of the above)")
    print(f"start     serve to SERVING      {start_s:8.1f} s      (at most 25)")
    print(f"memory    everything, PSS       {memory / 1e9:8.2f} GB     (at most 5)")


async def measure(server: Running, pcm: Pcm, rounds: int, uploads: int) -> None:
    """Both sides take turns, so that a slower machine slows both."""
    call = in_process(pcm)
    local, remote = [], []
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        for _ in range(rounds + 1):
            local.append(timed(call))
            remote.append(await over_the_wire(channel, pcm.tobytes()))
        once, wired = statistics.median(local[1:]), statistics.median(remote[1:])
        print(f"utterance in one process      {once * 1000:8.1f} ms")
        print(f"utterance gRPC + Ray          {wired * 1000:8.1f} ms     {(wired - once) * 1000:+.1f} ms (at most +30)")
        with bare_server() as peer:
            async with grpc.aio.insecure_channel(peer.address) as bare:
                for message_bytes in MESSAGE_BYTES:
                    await compare_uploads(channel, bare, message_bytes, uploads)


async def compare_uploads(channel: grpc.aio.Channel, bare: grpc.aio.Channel, message_bytes: int, uploads: int) -> None:
    """Compare uploads; both sides take turns."""
    ours, counted, decoded = [], [], []
    for _ in range(uploads + 1):
        ours.append(await upload(channel, message_bytes))
        counted.append(await bare_upload(bare, message_bytes))
        decoded.append(timed(functools.partial(clean, faint_noise(), MediaLimits())))
    once, bare_s, decode_s = (statistics.median(values[1:]) for values in (ours, counted, decoded))
    size, case = UPLOAD_BYTES / MEBIBYTE, f"upload    {message_bytes // KIBIBYTE:3d} KiB,"
    print(f"{case} bare server   {size / bare_s:8.0f} MiB/s")
    print(f"{case} and decoding  {size / (bare_s + decode_s):8.0f} MiB/s")
    share = (bare_s + decode_s) / once
    print(f"{case} Vestibule     {size / once:8.0f} MiB/s  {share:.2f} of it (at least {LEAST_SHARE:.2f})")


def engine_ms(ledger: Path) -> float:
    """Median milliseconds that the engine itself took in the worker, as stored in the ledger."""
    with duckdb.connect(str(ledger), read_only=True) as connection:
        row = connection.execute("SELECT median(compute_s) * 1000 FROM turns").fetchone()
    assert row is not None
    return float(row[0])


def utterance() -> Pcm:
    """Five seconds from the middle of the spoken visit."""
    with wave.open(str(DATA / "visit.wav")) as clip:
        clip.setpos(SAMPLE_RATE_HZ // 4)
        return np.frombuffer(clip.readframes(UTTERANCE_S * SAMPLE_RATE_HZ), "<i2")


def in_process(pcm: Pcm) -> Callable[[], object]:
    """The plain computation: recognise, then redact."""
    settings = Settings()
    engine = build_engine(settings.speech.engine, settings.weights_dir, device="cpu", threads=settings.speech.threads)
    redactor = build_redactor(settings.weights_dir, threads=settings.redaction.threads)
    samples: Samples = pcm.astype(np.float32) / 32768.0
    context = RedactionContext(TextSource.SPEECH, "en")
    return lambda: redactor.redact(engine.transcribe(samples, SpeechOptions(language="en")).text, context)


def timed(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


async def over_the_wire(channel: grpc.aio.Channel, pcm: bytes) -> float:
    """Seconds from the client's end mark to the final, once the partials have caught up."""
    session_id = await new_session(channel)
    caught_up, ended_at = asyncio.Event(), 0.0

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        nonlocal ended_at
        yield conversation_pb2.ConverseRequest(
            config=conversation_pb2.ConverseConfig(
                session_id=session_id,
                encoding=conversation_pb2.AUDIO_ENCODING_PCM_S16LE,
                sample_rate_hz=SAMPLE_RATE_HZ,
                channels=1,
                language="en",
                end_silence=Duration(seconds=3),  # the client's end mark ends it, no pause between words does
            )
        )
        for at in range(0, len(pcm), 32000):
            chunk = conversation_pb2.AudioChunk(offset=at, data=pcm[at : at + 32000])
            yield conversation_pb2.ConverseRequest(audio=chunk)
        await caught_up.wait()
        await asyncio.sleep(1.0)  # whatever partial is still being made
        ended_at = time.perf_counter()
        yield conversation_pb2.ConverseRequest(end_of_utterance=conversation_pb2.EndOfUtterance())

    took = 0.0
    async for message in conversation_pb2_grpc.ConversationServiceStub(channel).Converse(talk()):
        if message.HasField("acknowledged") and message.acknowledged.offset == len(pcm):
            caught_up.set()
        if message.HasField("final") and not took:
            took = time.perf_counter() - ended_at
    return took


async def new_session(channel: grpc.aio.Channel) -> str:
    request = session_pb2.StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language="en")
    return (await session_pb2_grpc.SessionServiceStub(channel).StartSession(request)).session.id


async def upload(channel: grpc.aio.Channel, message_bytes: int) -> float:
    """Seconds of one upload: a recording of faint noise, which is accepted, and in which a worker finds no speech."""
    content = faint_noise()
    description = media_pb2.UploadDescription(
        upload_id=str(uuid.uuid4()),
        session_id=await new_session(channel),
        kind=media_pb2.MEDIA_KIND_RECORDING,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).digest(),
    )
    stub = media_pb2_grpc.MediaServiceStub(channel)
    took = await send(stub, description, content, message_bytes)
    async for _ in stub.WatchUpload(media_pb2.WatchUploadRequest(upload_id=description.upload_id)):
        pass  # until the worker has refused it, so that the next one has the machine to itself
    return took


def faint_noise() -> bytes:
    """A WAV file of ``UPLOAD_BYTES``, another one each time."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE_HZ, 0, "NONE", "not compressed"))
        samples = np.random.default_rng().integers(-100, 100, (UPLOAD_BYTES - WAV_HEADER_BYTES) // 2, dtype=np.int16)
        file.writeframes(samples.tobytes())
    return written.getvalue()


async def send(
    stub: media_pb2_grpc.MediaServiceAsyncStub,
    description: media_pb2.UploadDescription,
    content: bytes,
    message_bytes: int,
) -> float:
    async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
        yield media_pb2.UploadRequest(description=description)
        for at in range(0, len(content), message_bytes):
            yield media_pb2.UploadRequest(data=content[at : at + message_bytes])

    began = time.perf_counter()
    await stub.Upload(parts())
    return time.perf_counter() - began


async def bare_upload(channel: grpc.aio.Channel, message_bytes: int) -> float:
    """Seconds of an upload to the server of benchmarks/_bare_server.py, which has a process of its own."""
    content = os.urandom(UPLOAD_BYTES)
    description = media_pb2.UploadDescription(size_bytes=len(content))
    return await send(media_pb2_grpc.MediaServiceStub(channel), description, content, message_bytes)


if __name__ == "__main__":
    main()
