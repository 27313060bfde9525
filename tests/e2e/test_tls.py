"""A server with TLS on every address, as a phone on the same network finds it; its certificate changes meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2, session_pb2

from server.cli.channel import open_aio_channel
from server.cli.client_tls import ClientTls
from server.tls.development import addresses_of_this_machine
from tests.e2e.harness import DATA, App, Server, config, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.unit.docs.client_pages import NO_NODE, Terminal, built_typescript

pytestmark = pytest.mark.e2e


@dataclass(frozen=True)
class Secured:
    """The server, and what a phone has of it."""

    server: Server
    address: str
    ca: Path
    key: str

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command of the CLI, on the phone unless the settings of the server are given."""
        environment = os.environ | {f"VESTIBULE_{name.upper()}": value for name, value in settings.items()}
        command = [sys.executable, "-m", "server.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)

    @property
    def variables(self) -> dict[str, str]:
        """Settings of the server, which commands on its machine have too."""
        return variables(self.server.state_dir) | {"address": self.server.address}


def variables(state: Path) -> dict[str, str]:
    files = state / "tls"
    return {
        "tls__certificate": str(files / "certificate.pem"),
        "tls__key": str(files / "key.pem"),
        "state_dir": str(state),
    }


def make_certificate(state: Path) -> bytes:
    """The CA of a new certificate."""
    command = [sys.executable, "-m", "server.cli", "keys", "dev-certificate", "--state-dir", str(state)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return (state / "tls" / "ca.pem").read_bytes()


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> Iterator[Secured]:
    home = tmp_path_factory.mktemp("secured")
    roots = make_certificate(home / "state")
    files = variables(home / "state")
    assignments = [f"tls.{name}={files[f'tls__{name}']}" for name in ("certificate", "key")]
    server = start_server(home, *assignments, host="0.0.0.0", tls=ClientTls(roots), ray=shared_ray)
    try:
        port = server.address.rpartition(":")[2]
        phone = next((a for a in addresses_of_this_machine() if a.count(".") == 3), "127.0.0.1")
        found = Secured(server, f"{phone}:{port}", home / "ca.pem", "")
        made = found.run("keys", "create", "--scope", "app", "--client", "phone-7", **found.variables)
        assert made.returncode == 0, made.stderr
        found.ca.write_bytes(roots)
        yield Secured(server, found.address, found.ca, made.stdout.strip())
    finally:
        stop_server(server)


def test_the_commands_on_its_machine_need_nothing_but_its_settings(secured: Secured) -> None:
    done = secured.run("status", "--json", **secured.variables)
    assert done.returncode == 0, done.stderr
    components = {part["name"]: part for part in json.loads(done.stdout)["components"]}
    assert components["tls"]["healthy"]
    assert "89 day(s)" in components["tls"]["detail"]


def test_a_talk_from_another_machine_needs_the_ca(secured: Secured) -> None:
    talk = ("talk", str(DATA / "visit.webm"), "--fast", "--language", "en", "--address", secured.address)
    done = secured.run(*talk, "--tls-ca", str(secured.ca), api_key=secured.key)
    assert done.returncode == 0, done.stderr
    assert "[REDACTED_NAME]" in done.stdout
    refused = secured.run(*talk, "--plaintext", api_key=secured.key)
    assert "[TLS_REQUIRED]" in refused.stderr
    if not secured.address.startswith("127."):
        refused = secured.run(*talk, api_key=secured.key)
        assert "[TLS_CERTIFICATE_UNTRUSTED]" in refused.stderr


@NO_NODE
async def test_a_client_in_another_language_uploads_with_the_ca(secured: Secured, tmp_path: Path) -> None:
    folder = await asyncio.to_thread(built_typescript, tmp_path / "client")
    shutil.copy(DATA / "register.jpg", folder)
    settings = {"VESTIBULE_API_KEY": secured.key, "CA": str(secured.ca)}
    async with Terminal(["node", "build/src/app.js"], folder, settings, secured.address) as person:
        await person.until("?? ")
        person.type("/photo register.jpg")
        await person.until("100 %")  # it was read


async def test_a_stream_goes_on_while_the_certificate_changes(secured: Secured) -> None:
    old = ClientTls(secured.ca.read_bytes())
    changed = asyncio.Event()

    async def typed(session_id: str) -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text="I am Maria Lopez."))
        await changed.wait()
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text="The meter reads 48213."))

    async with open_aio_channel(secured.address, tls=old, credential=secured.key) as channel:
        app, finals = App(channel), []
        async for message in app.conversations.Converse(typed(await _session(app))):
            if message.HasField("final"):
                finals.append(message.final.text.value)
                if len(finals) == 1:
                    new = ClientTls(await asyncio.to_thread(_exchanged, secured))
                    changed.set()
        assert len(finals) == 2, "the open stream went on"
        await _session(app)  # the open connection takes new calls
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with open_aio_channel(secured.address, options, tls=new, credential=secured.key) as channel:
        await _session(App(channel))
    async with open_aio_channel(secured.address, options, tls=old, credential=secured.key) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _session(App(channel))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def _session(app: App) -> str:
    """A session of the client that the key belongs to."""
    request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()), language="en")
    return str((await app.sessions.StartSession(request)).session.id)


def _exchanged(secured: Secured) -> bytes:
    """Replace the certificate, and wait until the server presents the new one; returns its CA."""
    host, _, port = secured.address.rpartition(":")
    before = ssl.get_server_certificate((host, int(port)))
    ca = make_certificate(secured.server.state_dir)
    give_up_at = time.monotonic() + 60.0
    while ssl.get_server_certificate((host, int(port))) == before:
        assert time.monotonic() < give_up_at, "the new certificate is not presented"
        time.sleep(0.2)
    return ca
