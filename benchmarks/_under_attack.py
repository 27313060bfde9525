"""What a normal client notices while the server is under attack, and what the server holds before and after."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import math
import socket
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address

import grpc.aio
import psutil
from PIL import Image
from vestibule.v1 import access_pb2, access_pb2_grpc, media_pb2, media_pb2_grpc, session_pb2, session_pb2_grpc

from benchmarks._running import Bare, Running
from server.cli.channel import open_aio_channel
from server.rpc.port_sockets import PortSockets

CALLS, UPLOADS = 80, 10
EVERY_S = 0.02
MEBIBYTE = 1024 * 1024
SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the server's own process holds."""

    descriptors: int
    memory_mib: float

    @staticmethod
    def by(server: Running | Bare) -> Held:
        """What it holds now."""
        process = psutil.Process(server.pid)
        return Held(process.num_fds(), process.memory_info().rss / MEBIBYTE)


@dataclass(frozen=True, slots=True)
class Latency:
    """Medians in milliseconds, the longest call of both kinds, CPU of the server in seconds, and calls that failed."""

    unary: float
    upload: float
    longest: float
    cpu: float
    failed: int = 0


@dataclass(slots=True)
class Outcome:
    """One attack: the normal client before, during and after it, and what the server held."""

    name: str
    before: Latency
    during: Latency
    after: Latency
    held_before: Held
    held_during: Held
    held_after: Held
    did: dict[str, float] = field(default_factory=dict)

    @property
    def quiet(self) -> Latency:
        """The client without the attack: the mean of before and after, since the machine has other work too."""
        return Latency(
            (self.before.unary + self.after.unary) / 2,
            (self.before.upload + self.after.upload) / 2,
            max(self.before.longest, self.after.longest),
            (self.before.cpu + self.after.cpu) / 2,
            self.before.failed + self.after.failed,
        )


class NormalClient:
    """An app that asks for its session all the time and uploads small pictures.

    Each measurement has a session of its own, because the answer lists the uploads of the session.
    """

    def __init__(
        self, channel: grpc.aio.Channel, open_session: Callable[[], Awaitable[str]], server: Running | Bare
    ) -> None:
        self._sessions = session_pb2_grpc.SessionServiceStub(channel)
        self._media = media_pb2_grpc.MediaServiceStub(channel)
        self._open_session = open_session
        self._session_id = ""
        self._process = psutil.Process(server.pid)

    async def measured(self) -> Latency:
        """Make the calls and wait until the pictures were read, so that no job disturbs the next measurement."""
        self._session_id = await self._open_session()
        uploads: list[str] = []
        unary, upload, failed, cpu = [], [], 0, self._cpu_s()
        for number in range(CALLS):
            await asyncio.sleep(EVERY_S)
            began = time.perf_counter()
            try:
                if number % (CALLS // UPLOADS):
                    await self._sessions.GetSession(session_pb2.GetSessionRequest(session_id=self._session_id))
                    unary.append(time.perf_counter() - began)
                else:
                    uploads.append(await self._upload())
                    upload.append(time.perf_counter() - began)
            except grpc.aio.AioRpcError:
                failed += 1
        cpu = self._cpu_s() - cpu
        for upload_id in uploads:
            async for _ in self._media.WatchUpload(media_pb2.WatchUploadRequest(upload_id=upload_id)):
                pass
        longest = max([*unary, *upload], default=math.inf)
        return Latency(1000 * _median(unary), 1000 * _median(upload), 1000 * longest, cpu, failed)

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system

    async def _upload(self) -> str:
        content = small_picture()
        description = media_pb2.UploadDescription(
            upload_id=str(uuid.uuid4()),
            session_id=self._session_id,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            media_type="image/png",
        )

        async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
            yield media_pb2.UploadRequest(description=description)
            yield media_pb2.UploadRequest(data=content)

        return (await self._media.Upload(parts())).upload.id


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds) if seconds else math.inf  # not a single call was answered


def small_picture() -> bytes:
    """A blank picture; no two have the same bytes."""
    picture = io.BytesIO()
    colour = tuple(uuid.uuid4().bytes[:3])
    Image.new("RGB", (64, 64), colour).save(picture, "PNG")
    return picture.getvalue()


@contextlib.asynccontextmanager
async def client_of_bare(server: Bare) -> AsyncIterator[NormalClient]:
    """The same client at a server that knows no sessions."""
    async with grpc.aio.insecure_channel(server.address) as channel:

        async def no_session() -> str:
            return str(uuid.uuid4())

        yield NormalClient(channel, no_session, server)


@contextlib.asynccontextmanager
async def normal_client(server: Running) -> AsyncIterator[NormalClient]:
    """A client with sessions of its own."""
    key = await key_of(server, "normal")
    async with open_aio_channel(server.address, credential=key) as channel:
        sessions = session_pb2_grpc.SessionServiceStub(channel)

        async def open_session() -> str:
            request = session_pb2.StartSessionRequest(client_id="normal", request_id=str(uuid.uuid4()))
            return str((await sessions.StartSession(request)).session.id)

        yield NormalClient(channel, open_session, server)


async def key_of(server: Running, client_id: str) -> str:
    """A new API key of an app."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        request = access_pb2.CreateApiKeyRequest(client_id=client_id, scopes=[access_pb2.SCOPE_APP])
        return str((await access_pb2_grpc.AccessServiceStub(channel).CreateApiKey(request)).key)


@contextlib.contextmanager
def attacked(name: str, address: str, source: str, key: str) -> Iterator[dict[str, float]]:
    """Attack while the context lasts; the dictionary is filled at its end."""
    command = [sys.executable, "-m", "benchmarks._attacks", name, address, source, key]
    did: dict[str, float] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as attack:
        assert attack.stdout is not None
        try:
            assert attack.stdout.readline().strip() == "ready"
            yield did
        finally:
            said, _ = attack.communicate()
        did.update(json.loads(said))


@contextlib.contextmanager
def dropping(source: str) -> Iterator[str]:
    """The address of a port that drops whatever this address sends, as the server's does once it refuses it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        with contextlib.closing(PortSockets(port)) as sockets:
            sockets.refuse([IPv4Address(source)])
            yield f"127.0.0.1:{port}"


async def outcome(
    name: str,
    server: Running | Bare,
    client: NormalClient,
    source: str,
    key: str,
    before: Latency,
    *,
    floor: bool = False,
) -> Outcome:
    """Measure during and after one attack; ``before`` is what was measured after the one before it.

    The attack comes from ``source``, an address of this machine. The server may refuse one that has attacked it.
    ``floor`` turns it against a port that drops all of it.
    """
    held_before = Held.by(server)
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(dropping(source)) if floor else server.address
        did = stack.enter_context(attacked(name, address, source, key))
        during, held_during = await client.measured(), Held.by(server)
    await asyncio.sleep(SETTLE_S)
    after = await client.measured()
    return Outcome(name, before, during, after, held_before, held_during, Held.by(server), did)
