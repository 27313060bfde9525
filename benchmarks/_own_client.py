"""Streams clips to Vestibule at their own pace with its reference client, and records what arrived when."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc.aio
from vestibule.v1.conversation_pb2 import ConverseResponse
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._streamed import Job, Streamed
from server.cli.talk.client import BYTES_A_SECOND, Audio, Talker, TalkOptions


@dataclass(slots=True)
class Notes:
    """What the client received, and when."""

    began: float
    first_s: float | None = None
    last_s: float | None = None
    texts: list[str] = field(default_factory=list)

    def take(self, response: ConverseResponse) -> None:
        """Note one event."""
        at_s = asyncio.get_running_loop().time() - self.began
        partial = response.HasField("partial") and response.partial.text.value
        if self.first_s is None and (partial or response.HasField("final")):
            self.first_s = at_s
        if response.HasField("final"):
            self.last_s = at_s
            self.texts.append(response.final.text.value)


async def play(channel: grpc.aio.Channel, slots: Sequence[Sequence[Job]], chunk_s: float) -> list[Streamed]:
    """Stream the clips of each slot in sequence, and all slots concurrently."""
    played = await asyncio.gather(*(_slot(channel, slot, chunk_s) for slot in slots))
    return [one for slot in played for one in slot]


async def _slot(channel: grpc.aio.Channel, slot: Sequence[Job], chunk_s: float) -> list[Streamed]:
    return [await _clip(channel, job, chunk_s) for job in slot]


async def _clip(channel: grpc.aio.Channel, job: Job, chunk_s: float) -> Streamed:
    await asyncio.sleep(job.wait_s)
    request = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language="en")
    started = await SessionServiceStub(channel).StartSession(request)
    notes, audio = Notes(asyncio.get_running_loop().time()), Audio()
    options = TalkOptions(started.session.id, "en")
    async with asyncio.TaskGroup() as group:
        group.create_task(Talker(channel, options, audio, notes.take, _broken).run())
        group.create_task(_speak(audio, job.clip.pcm, chunk_s, notes.began))
    return Streamed(job.clip, notes.first_s, notes.last_s, " ".join(notes.texts), len(notes.texts))


async def _speak(audio: Audio, pcm: bytes, chunk_s: float, began: float) -> None:
    loop, size = asyncio.get_running_loop(), int(chunk_s * BYTES_A_SECOND)
    for number, at in enumerate(range(0, len(pcm), size), 1):
        await asyncio.sleep(
            began + number * chunk_s - loop.time()
        )  # a chunk is complete when its last sample was spoken
        audio.add(pcm[at : at + size])
    audio.finish()


def _broken(reason: str, pause_s: float) -> None:
    raise SystemExit(f"The connection broke: {reason}.")
