"""Runs a stream that is interrupted, and records what its client received."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import grpc.aio
from vestibule.v1.conversation_pb2 import ConverseResponse, FinalTranscript
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._cut import KillableServer, Relay
from server.cli.channel import open_aio_channel
from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES, KEEPALIVE, Audio, Talker, TalkOptions

PACE = 8.0
"""How many times as fast as it is spoken the audio is sent. Recognition is slower, so the client has to wait."""

GIVE_UP_S = 180.0
"""Seconds without progress before giving up. A server that is killed twice in a row is down for most of a minute."""

CHANNEL = (*KEEPALIVE, ("grpc.use_local_subchannel_pool", 1))
"""One client for each stream: streams share nothing but the server."""


class Kind(StrEnum):
    """What is cut."""

    CONNECTION = "connection dropped"
    REPLICA = "replica killed"
    SERVER = "server killed"


@dataclass(frozen=True, slots=True)
class Clip:
    """16-bit mono PCM at 16 kHz."""

    name: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """An interruption, when the client reaches this second of the clip. It may lie after the end."""

    at_s: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Turn:
    """A final, or a turn of the ledger."""

    utterance: int
    text: str
    spoken_s: float


@dataclass(slots=True)
class Stream:
    """The result of one stream.

    Attributes:
        given: Finals in the order of arrival, as (id of the turn, its text).
        cuts: The interruptions that hit the stream while it ran.
        connections: Number of connections it used.
    """

    clip: Clip
    session_id: str = ""
    given: list[tuple[str, Turn]] = field(default_factory=list)
    cuts: Counter[Kind] = field(default_factory=Counter)
    connections: int = 0

    @property
    def turns(self) -> list[Turn]:
        """The finals, in order of arrival."""
        return [turn for _, turn in self.given]

    def take(self, response: ConverseResponse) -> None:
        """Note one event."""
        if response.HasField("final"):
            self.given.append((response.final.turn_id, _turn(response.final)))


async def stream(server: KillableServer, clip: Clip, cuts: Sequence[Cut] = ()) -> Stream:
    """Stream over a relay to the end, through all interruptions."""
    done = Stream(clip)
    async with (
        Relay(lambda: server.port) as relay,
        open_aio_channel(relay.address, CHANNEL, credential=server.operator_key) as channel,
    ):
        done.session_id = await _session(channel)
        audio = Audio()
        options = TalkOptions(done.session_id, "en", give_up_s=GIVE_UP_S)
        talker = Talker(channel, options, audio, done.take, lambda _reason, _pause_s: None)
        ways: dict[Kind, Callable[[], Awaitable[None]]] = {
            Kind.CONNECTION: relay.cut,
            Kind.REPLICA: server.kill_replica,
            Kind.SERVER: server.kill_server,
        }
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(talker.run())
            group.create_task(_speak(audio, clip.pcm))
            for cut in cuts:
                group.create_task(_later(cut, ways[cut.kind], talking, done.cuts))
        done.connections = talker.connections
    return done


async def _session(channel: grpc.aio.Channel) -> str:
    """Open a session, with retries while the server is down. Each retry sends the same request id."""
    request = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language="en")
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            try:
                return (await SessionServiceStub(channel).StartSession(request)).session.id
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.5)


async def _speak(audio: Audio, pcm: bytes) -> None:
    for at in range(0, len(pcm), CHUNK_BYTES):
        audio.add(pcm[at : at + CHUNK_BYTES])
        await asyncio.sleep(CHUNK_BYTES / BYTES_A_SECOND / PACE)
    audio.finish()


async def _later(
    cut: Cut, make: Callable[[], Awaitable[None]], talking: asyncio.Task[None], made: Counter[Kind]
) -> None:
    await asyncio.wait({talking}, timeout=cut.at_s / PACE)
    if not talking.done():
        made[cut.kind] += 1
        await make()


def _turn(final: FinalTranscript) -> Turn:
    spoken_s = final.end.ToTimedelta() - final.start.ToTimedelta()
    return Turn(final.utterance, final.text.value, round(spoken_s.total_seconds(), 4))
