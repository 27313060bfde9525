"""Keys of a running server: nobody without one, each for what its scopes allow, and none after it was revoked."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
import time
import uuid

import grpc
import grpc.aio
import pytest
from vestibule.v1 import session_pb2

from models.reasons import Reason
from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, Server, reason
from tests.unit.rpc.every_method import Port, every_method

pytestmark = pytest.mark.e2e
ENDS_WITHIN_S = 60.0


def keys(server: Server, *arguments: str) -> str:
    command = [sys.executable, "-m", "server.cli", "keys", *arguments, "--address", server.address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=server.environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_without_a_credential_every_method_is_refused(server: Server) -> None:
    async with open_aio_channel(server.address, credential="") as channel:
        port = Port(channel, server.address)
        for method in every_method():
            _, error = await port.outcome(method)
            assert reason(error) == Reason.CREDENTIALS_MISSING, method.name


async def test_a_revoked_key_ends_its_open_stream_within_a_minute(server: Server) -> None:
    key = await asyncio.to_thread(keys, server, "create", "--scope", "app", "--client", "site-7")
    async with open_aio_channel(server.address, credential=key) as channel:
        app = App(channel)
        request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()))
        session = (await app.sessions.StartSession(request)).session
        assert session.client_id == "site-7"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await app.open_session()  # names another client
        assert reason(caught.value) == Reason.CLIENT_MISMATCH
        watch = app.sessions.WatchSession(session_pb2.WatchSessionRequest(session_id=session.id))
        await watch.read()
        await asyncio.to_thread(keys, server, "revoke", key.split("_")[1])
        revoked_at = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session.id))
        assert reason(caught.value) == Reason.CREDENTIALS_REVOKED
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(watch.read(), ENDS_WITHIN_S)
        assert reason(caught.value) == Reason.CREDENTIALS_REVOKED
        assert time.monotonic() - revoked_at < ENDS_WITHIN_S


def test_the_generated_key_is_its_owners_and_no_key_is_in_the_log(server: Server) -> None:
    assert stat.S_IMODE((server.state_dir / "operator.key").stat().st_mode) == 0o600
    made = keys(server, "create", "--scope", "analyst")
    for key in (server.operator_key, made):
        assert key.split("_")[2] not in server.log
