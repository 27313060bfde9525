"""Runs streams for a long time and records memory, delay of finals and broken calls."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import psutil
from prometheus_client.parser import text_string_to_metric_families
from vestibule.v1.conversation_pb2 import ConverseResponse
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._interrupted import Clip
from benchmarks._running import Running
from server.cli.channel import open_aio_channel
from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES, Audio, Talker, TalkOptions

TALK_S = 120.0
"""Seconds of audio of one conversation. After it a new session is opened."""

QUIET_S = 2.0
SAMPLE_EVERY_S = 10.0
MEBIBYTE = 1024 * 1024
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)

REPLICA_TITLE = re.compile(r"ray::ServeReplica:vestibule-\w+-([a-z]+)(?:-\w+)?:")


@dataclass(frozen=True, slots=True)
class Final:
    """One final: its arrival time, and the delay after the end of its utterance, in seconds."""

    at_s: float
    delay_s: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a server and its descendants in MiB, by kind of process; shared pages are counted once."""

    at_s: float
    by_kind: dict[str, float]

    @property
    def total(self) -> float:
        """The sum."""
        return sum(self.by_kind.values())


@dataclass(slots=True)
class Record:
    """The observations. Times count from the start of the streams; finals are those of unbroken calls."""

    finals: list[Final] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    breaks: Counter[str] = field(default_factory=Counter)
    conversations: int = 0


async def soak(server: Running, clips: Sequence[Clip], streams: int, seconds: float, record: Record) -> None:
    """Run this many streams for this long. Each starts at another place in the clips, and at another time."""
    loop = asyncio.get_running_loop()
    began, end = loop.time(), loop.time() + seconds

    async def one(number: int) -> None:
        spoken = itertools.cycle([*clips[number % len(clips) :], *clips[: number % len(clips)]])
        await asyncio.sleep(number * QUIET_S)
        async with open_aio_channel(server.address, OWN_CONNECTION, credential=server.operator_key) as channel:
            while loop.time() < end:
                await _conversation(channel, spoken, min(TALK_S, end - loop.time()), began, record)

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(_watch(server.pid, began, record))
        async with asyncio.TaskGroup() as talks:
            for number in range(streams):
                talks.create_task(one(number))
        watching.cancel()
    record.memory.append(await asyncio.to_thread(memory, server.pid, loop.time() - began))


async def _conversation(
    channel: grpc.aio.Channel, clips: Iterator[Clip], talk_s: float, soak_began: float, record: Record
) -> None:
    request = StartSessionRequest(client_id="soak", request_id=str(uuid.uuid4()), language="en")
    started = await SessionServiceStub(channel).StartSession(request)
    loop, audio = asyncio.get_running_loop(), Audio()
    began, unbroken = loop.time(), True

    def take(response: ConverseResponse) -> None:
        if response.HasField("final") and unbroken:
            spoken_at = began + response.final.end.ToTimedelta().total_seconds()
            record.finals.append(Final(loop.time() - soak_began, loop.time() - spoken_at))

    def broke(reason: str, pause_s: float) -> None:
        nonlocal unbroken
        record.breaks[reason] += 1
        unbroken = False  # finals that arrive now waited for something else

    speaking = asyncio.create_task(_speak(audio, clips, began, talk_s))
    try:
        await Talker(channel, TalkOptions(started.session.id, "en"), audio, take, broke).run()
        record.conversations += 1
    except grpc.aio.AioRpcError as error:
        record.breaks[f"{error.code().name}, given up"] += 1
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


async def _speak(audio: Audio, clips: Iterator[Clip], began: float, talk_s: float) -> None:
    """Clips with silence between them; each chunk is sent when its last sample has been spoken."""
    loop = asyncio.get_running_loop()
    spoken_s = 0.0
    for clip in clips:
        pcm = clip.pcm + bytes(int(QUIET_S * BYTES_A_SECOND))
        for at in range(0, len(pcm), CHUNK_BYTES):
            spoken_s += CHUNK_BYTES / BYTES_A_SECOND
            await asyncio.sleep(began + spoken_s - loop.time())
            audio.add(pcm[at : at + CHUNK_BYTES].ljust(CHUNK_BYTES, b"\0"))
            if spoken_s >= talk_s:
                audio.finish()
                return


async def _watch(pid: int, began: float, record: Record) -> None:
    loop = asyncio.get_running_loop()
    while True:
        record.memory.append(await asyncio.to_thread(memory, pid, loop.time() - began))
        await asyncio.sleep(SAMPLE_EVERY_S)


def memory(pid: int, at_s: float) -> Memory:
    """Memory of a process and all its descendants now (proportional set size)."""
    found: Counter[str] = Counter()
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            kind = "server" if process == root else _kind(process.cmdline())
            found[kind] += process.memory_full_info().pss
    return Memory(at_s, {kind: size / MEBIBYTE for kind, size in found.items()})


def _kind(command: Sequence[str]) -> str:
    found = REPLICA_TITLE.match(command[0]) if command else None
    return found[1] if found else "Ray"


def metric(port: int, token: Path, name: str) -> float:
    """Value of a metric of the server, from a scrape with the token in that file."""
    headers = {"Authorization": f"Bearer {token.read_text(encoding='utf-8').strip()}"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    with urllib.request.urlopen(request) as response:
        text = response.read().decode()
    return next(s.value for family in text_string_to_metric_families(text) for s in family.samples if s.name == name)
