"""Starts the real server in its own process, and calls it as an app does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import time
import uuid
import wave
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import grpc
import grpc.aio
import psutil
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from vestibule.v1 import (
    admin_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    funnel_pb2_grpc,
    media_pb2,
    media_pb2_grpc,
    recommendation_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
)

from server.cli.client_tls import ClientTls
from server.cli.credentials import operator_key
from server.cli.demo.processes import Child, free_ports, serving, wait_until
from server.cli.demo.proof import files_below
from tests.e2e.shared_ray import SharedRay

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
READY_TIMEOUT_S = 240.0
ENDS_S = 60.0
"""Longest end of a server and its descendants that is waited for, on a machine that is busy with other tests."""
CHUNK_BYTES = 3200  # 100 ms


@dataclass(slots=True)
class Server:
    """A running server and its folders.

    Attributes:
        on_shared_ray: Whether its workers stay for the server of the next test.
    """

    child: Child
    home: Path
    address: str
    quack_port: int
    on_shared_ray: bool = False

    @property
    def state_dir(self) -> Path:
        return self.home / "state"

    @property
    def operator_key(self) -> str:
        """What the server generated for the commands on this machine."""
        return operator_key(self.state_dir)

    @property
    def environment(self) -> dict[str, str]:
        """Environment of a command that calls this server."""
        return {**os.environ, "VESTIBULE_STATE_DIR": str(self.state_dir)}

    @property
    def ledger(self) -> Path:
        return self.home / "data" / "ledger.duckdb"

    @property
    def log(self) -> str:
        return self.child.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Send SIGKILL to the server, as the out-of-memory killer does, then end its descendants."""
        self.child.descendants()
        self.child.process.kill()
        self.child.process.wait()
        self.child.survivors(patience_s=10.0)
        self.child.kill_with_descendants()

    def contents(self) -> Iterator[tuple[Path, bytes]]:
        """Every file of the server with its content. It may work meanwhile, and delete some."""
        for file in files_below([self.home]):
            with suppress(FileNotFoundError):
                yield file, file.read_bytes()

    def terminate(self, timeout_s: float = ENDS_S) -> float:
        """Send SIGTERM; returns the seconds that the process took to end."""
        self.child.descendants()
        began = time.monotonic()
        self.child.process.send_signal(signal.SIGTERM)
        self.child.process.wait(timeout_s)
        return time.monotonic() - began

    def survivors(self) -> list[psutil.Process]:
        """Descendants of the server that are still running."""
        return self.child.survivors(ENDS_S)

    def memory_bytes(self) -> int:
        """Resident memory of the server and everything that it started, pages that they share counted once each."""
        total = 0
        for process in [psutil.Process(self.child.process.pid), *self.child.descendants()]:
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total


def start_server(
    home: Path,
    *assignments: str,
    wait: bool = True,
    host: str = "127.0.0.1",
    tls: ClientTls | None = None,
    dashboard: bool = False,
    ray: SharedRay | None = None,
) -> Server:
    """Start ``vestibule serve`` on free ports and wait until health says SERVING. It is stopped if it never does.

    Args:
        host: Where it listens; it is called on loopback.
        tls: How it is called, if the assignments turn TLS on.
        dashboard: Whether Ray's dashboard runs, which takes 5 s of CPU. A test that looks at what it does, or at what
            it leaves, wants it.
        ray: The cluster that it joins. A test that looks at neither Ray nor the end of the server wants it: then a
            start takes a quarter of the CPU time.
    """
    home.mkdir(parents=True, exist_ok=True)
    state_dir = ray.state_dir(home / "state") if ray else home / "state"
    grpc_port, quack_port, dashboard_port = free_ports(3)
    arguments = ["-m", "server.cli", "serve", "--address", f"{host}:{grpc_port}"]
    arguments += ["--data-dir", str(home / "data"), "--state-dir", str(state_dir)]
    settings = (
        f"quack.port={quack_port}",
        f"ray.dashboard={str(dashboard).lower()}",
        f"ray.dashboard_port={dashboard_port}",
        "metrics_port=0",
        "console.enabled=false",
        *([ray.assignment] if ray else []),
        *assignments,
    )
    for assignment in settings:
        arguments += ["--set", assignment]
    log = home / f"server-{uuid.uuid4().hex[:6]}.log"
    child = Child.start("server", arguments, log, os.environ | ray.environment if ray else None)
    if ray:
        ray.user = child
    server = Server(
        child,
        home,
        f"127.0.0.1:{grpc_port}",
        quack_port,
        on_shared_ray=ray is not None,
    )
    if wait:
        try:
            wait_until(lambda: serving(server.address, tls), server.child, READY_TIMEOUT_S, "The server was not ready")
        except BaseException:
            stop_server(server)
            raise
    return server


def stop_server(server: Server) -> None:
    """Stop the server with all its descendants. One on the shared Ray is killed, so that its workers stay."""
    if server.child.alive and not server.on_shared_ray:
        server.child.stop()
    server.child.kill_with_descendants()


LOST_STATUS = "Internal error from Core"
"""What grpc.aio's client says, about one time in ten, instead of the status of a call that the server ends early.

A bare server of grpc.aio shows the same. Clients try again."""


class App:
    """The calls of a mobile app."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.sessions = session_pb2_grpc.SessionServiceStub(channel)
        self.conversations = conversation_pb2_grpc.ConversationServiceStub(channel)
        self.media = media_pb2_grpc.MediaServiceStub(channel)
        self.recommendations = recommendation_pb2_grpc.RecommendationServiceStub(channel)
        self.funnel = funnel_pb2_grpc.FunnelServiceStub(channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(channel)

    async def open_session(self, language: str = "en", client_id: str = "e2e") -> str:
        """Open a session and return its id."""
        request = session_pb2.StartSessionRequest(client_id=client_id, request_id=str(uuid.uuid4()), language=language)
        return (await self.sessions.StartSession(request)).session.id

    async def upload(
        self,
        session_id: str,
        content: bytes,
        kind: media_pb2.MediaKind.ValueType,
        media_type: str = "image/jpeg",
        display_name: str = "",
    ) -> media_pb2.Upload:
        """Upload a file; returns the upload as it was accepted."""
        description = media_pb2.UploadDescription(
            upload_id=str(uuid.uuid4()),
            session_id=session_id,
            kind=kind,
            size_bytes=len(content),
            sha256=hashlib.sha256(content).digest(),
            media_type=media_type,
            display_name=display_name,
        )

        async def parts() -> AsyncIterator[media_pb2.UploadRequest]:
            yield media_pb2.UploadRequest(description=description)
            for at in range(0, len(content), 65536):
                yield media_pb2.UploadRequest(data=content[at : at + 65536])

        for _ in range(20):
            try:
                return (await self.media.Upload(parts())).upload
            except grpc.aio.AioRpcError as error:
                if error.details() != LOST_STATUS:
                    raise
        raise AssertionError("The status was lost twenty times.")

    async def finished(self, upload_id: str) -> media_pb2.Upload:
        """Watch an upload until it is done or has failed; returns its last state."""
        last = media_pb2.Upload()
        async for message in self.media.WatchUpload(media_pb2.WatchUploadRequest(upload_id=upload_id)):
            last = message.upload
        return last

    async def picture(self, upload_id: str) -> bytes:
        """The redacted picture."""
        pieces = []
        call = self.media.DownloadRedacted(media_pb2.DownloadRedactedRequest(upload_id=upload_id))
        async for message in call:
            pieces.append(message.data)
        return b"".join(pieces)


def config(session_id: str, *, reply: bool = True, **more: Any) -> conversation_pb2.ConverseRequest:
    """The first message of a stream of 16 kHz PCM."""
    return conversation_pb2.ConverseRequest(
        config=conversation_pb2.ConverseConfig(
            session_id=session_id,
            encoding=conversation_pb2.AUDIO_ENCODING_PCM_S16LE,
            sample_rate_hz=16000,
            channels=1,
            reply=reply,
            **more,
        )
    )


def propose(wait_s: int = 60) -> conversation_pb2.ConverseRequest:
    """Ask for a record."""
    return conversation_pb2.ConverseRequest(propose=conversation_pb2.Propose(wait_for_uploads=Duration(seconds=wait_s)))


def visit_pcm() -> bytes:
    """The spoken visit as 16 kHz PCM."""
    with wave.open(str(DATA / "visit.wav")) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getsampwidth()) == (16000, 1, 2)
        return bytes(clip.readframes(clip.getnframes()))


async def audio(pcm: bytes, *, pace: float = 4.0, start: int = 0) -> AsyncIterator[conversation_pb2.ConverseRequest]:
    """Audio in pieces of 100 ms, ``pace`` times as fast as it is spoken."""
    for at in range(start, len(pcm), CHUNK_BYTES):
        chunk = conversation_pb2.AudioChunk(offset=at, data=pcm[at : at + CHUNK_BYTES])
        yield conversation_pb2.ConverseRequest(audio=chunk)
        await asyncio.sleep(0.1 / pace)


def planted(*names: str) -> list[str]:
    """Personal values that the test media hold."""
    return [
        entry["value"]
        for name in names
        for entry in json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["personal"]
    ]


Detail = TypeVar("Detail", bound=Message)


def detail(error: grpc.aio.AioRpcError, kind: type[Detail]) -> Detail:
    """The detail of this kind that a failed call carries."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    assert status is not None, error
    for packed in status.details:
        found = kind()
        if packed.Unpack(found):
            return found
    raise AssertionError(f"no {kind.__name__}")


def reason(error: grpc.aio.AioRpcError) -> str:
    """The stable reason of a failed call."""
    return str(detail(error, error_details_pb2.ErrorInfo).reason)


async def refusal(call: Awaitable[object]) -> grpc.aio.AioRpcError:
    """The error of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value
