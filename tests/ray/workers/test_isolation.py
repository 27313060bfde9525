"""Which callers reach the workers, and which policy applies: two installations on one cluster, clients, the network."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import Process
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from ray import serve

from models.errors import WorkersMismatch
from models.media.audio_decoder import decode
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText
from ray_tasks.applications import Applications
from ray_tasks.cluster import Cluster
from ray_tasks.deployments import APPLICATION_PREFIX, DEPLOYMENTS, kind_of, run_target
from ray_tasks.gateway import RayGateway
from ray_tasks.lease import leased_installations
from ray_tasks.types import SpeechWindow
from tests.eventually import eventually
from tests.ray.conftest import DATA, healthy_engines, replica

OTHER = "ba9876543210"
KEEPS_NAMES = "default: {operators: {NAME: keep}}"
SAID = "I am Maria Lopez"
HIDDEN = "I am [REDACTED_NAME]"

SERVER = """
import asyncio, pathlib, sys
from models.errors import VestibuleError
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from tests.ray.conftest import small_config

async def main():
    folder, address, installation, policies, said = sys.argv[1:]
    cluster = Cluster(
        small_config(pathlib.Path(folder), address=address, installation=installation, redaction_policies=policies)
    )
    try:
        await cluster.start()
        result = await RayGateway(cluster).redact([RawText(said)], RedactionContext(), timeout_s=60)
        print(result[0].text.value, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    except VestibuleError as error:
        print(error.reason, error.hint, flush=True)
    finally:
        await cluster.stop()

asyncio.run(main())
"""


async def second_server(
    cluster: Cluster, folder: Path, policies: str, *, installation: str = OTHER, **environment: str
) -> tuple[Process, str]:
    """A server that joins the cluster, of another installation unless one is given.

    Returns:
        The process, which stops when it gets a line, and how it redacts a sentence, or its error.
    """
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(folder), cluster.address, installation, policies, SAID),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )
    assert server.stdout is not None
    return server, (await asyncio.wait_for(server.stdout.readline(), 120)).decode().strip()


async def stop(server: Process) -> str:
    """End a second server in order; returns what it logged."""
    _out, err = await server.communicate(b"\n")
    assert server.returncode == 0
    return err.decode()


def abandoned(cluster: Cluster) -> list[str]:
    """The applications on the cluster that no living server uses."""
    return Applications(cluster.config).abandoned(leased_installations())


def states_of(installation: str) -> list[str]:
    """Serve's states of the applications of an installation."""
    known = serve.status().applications
    return [app.status.value for name, app in known.items() if name.startswith(f"{APPLICATION_PREFIX}{installation}-")]


async def redacted(gateway: RayGateway) -> str:
    return (await gateway.redact([RawText(SAID)], RedactionContext(), timeout_s=60))[0].text.value


async def spoken(gateway: RayGateway) -> dict[str, int]:
    """How many entities a final of the clip hides, by type."""
    pcm = decode((DATA / "visit.wav").read_bytes()).tobytes()
    step = await gateway.speech_step(SpeechWindow(pcm, final=True, language="en"), timeout_s=60)
    return dict(step.text.counts)


def connections_of(process: psutil.Process) -> list[Any]:
    """None of a process that has ended."""
    with suppress(psutil.NoSuchProcess):
        return list(process.net_connections("inet"))
    return []


def test_a_local_cluster_listens_on_loopback_only(cluster: Cluster) -> None:
    replicas = {replica(cluster, kind).pid for kind in DEPLOYMENTS}
    listening = {
        (process.pid, connection.laddr.ip.removeprefix("::ffff:"))
        for process in [*cluster.processes(), psutil.Process()]
        for connection in connections_of(process)
        if connection.status == psutil.CONN_LISTEN or connection.type == socket.SOCK_DGRAM
    }
    assert replicas <= {pid for pid, _address in listening}
    assert {address for _pid, address in listening} == {"127.0.0.1"}


def applications_on_dashboard(cluster: Cluster, **headers: str) -> dict[str, Any]:
    """What the Serve page of the dashboard shows."""
    request = urllib.request.Request(f"{cluster.dashboard_url}/api/serve/applications/", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)["applications"]
        return found


async def test_the_dashboard_shows_the_workers_only_with_the_token(cluster: Cluster) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        await asyncio.to_thread(applications_on_dashboard, cluster)
    assert refused.value.code == 401
    refused.value.close()  # the error holds the connection
    token_file = Path(cluster.config.state_dir) / "ray.token"
    assert token_file.stat().st_mode & 0o077 == 0
    printed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ray.scripts.scripts", "get-auth-token"), stdout=subprocess.PIPE
    )
    token = (await printed.communicate())[0].decode().strip()
    assert token == token_file.read_text(encoding="ascii")
    shown = await asyncio.to_thread(applications_on_dashboard, cluster, Authorization=f"Bearer {token}")
    ours = {kind: shown[cluster.application(kind).name] for kind in DEPLOYMENTS}
    assert {kind: app["status"] for kind, app in ours.items()} == dict.fromkeys(DEPLOYMENTS, "RUNNING")
    for kind, app in ours.items():
        [running] = app["deployments"][DEPLOYMENTS[kind]]["replicas"]
        assert (running["state"], running["pid"]) == ("RUNNING", replica(cluster, kind).pid)


async def test_a_server_without_the_token_is_told_what_is_missing(cluster: Cluster, tmp_path: Path) -> None:
    without, wrong = await asyncio.gather(
        second_server(cluster, tmp_path, "", RAY_AUTH_MODE="disabled"),
        second_server(cluster, tmp_path, "", RAY_AUTH_TOKEN="0" * 32),
    )
    for (server, printed), hint in ((without, "RAY_AUTH_MODE=token"), (wrong, "Is the token the one of the cluster?")):
        await server.wait()
        assert printed.startswith("CLUSTER_UNAVAILABLE ")
        assert hint in printed


async def test_workers_choose_the_policy_by_the_client_and_the_tags_by_the_session(gateway: RayGateway) -> None:
    texts = [RawText("I am Maria Lopez, call 415-555-0132 or write to maria@example.com")]

    async def written(client: str, session: str) -> RedactedText:
        context = RedactionContext(scope=RedactionScope(client, session))
        return (await gateway.redact(texts, context, timeout_s=60))[0].text

    strict = await written("other-app", "one")
    assert strict.value == "I am [REDACTED_NAME], call [REDACTED_PHONE] or write to [REDACTED_EMAIL]"
    assert strict.safe_for_llm
    first, again, elsewhere = [await written("hashing-app", session) for session in ("one", "one", "two")]
    assert re.fullmatch(
        r"I am \[REDACTED_NAME_[0-9a-f]{8}\], call \*\*\*0132 or write to maria@example\.com", first.value
    )
    assert first == again
    assert first != elsewhere
    assert not first.safe_for_llm


async def test_a_picture_follows_the_policy(gateway: RayGateway) -> None:
    data = (DATA / "register.jpg").read_bytes()
    scope = RedactionScope("hashing-app", "one")
    page = await gateway.read_picture(data, document_type="visitor_register", timeout_s=60, scope=scope)
    assert re.search(r"\*\*\*\d{4}", page.text.value)
    assert re.search(r"\[REDACTED_NAME_[0-9a-f]{8}\]", page.text.value)


async def test_calls_fail_closed_when_the_policy_was_replaced(gateway: RayGateway, cluster: Cluster) -> None:
    weaker = replace(cluster.config, redaction_policies=KEEPS_NAMES)
    name = cluster.application("redaction").name
    serve.run_many([run_target(weaker, "redaction", name)], wait_for_applications_running=True)
    try:
        with pytest.raises(WorkersMismatch):
            await redacted(gateway)
        with pytest.raises(WorkersMismatch):
            await spoken(gateway)
        assert {info.kind: info.healthy for info in await gateway.engines()}["redaction"] is False
    finally:
        ours = Applications(cluster.config)
        await asyncio.to_thread(ours.deploy, ours.current.values(), in_use=False)
        await eventually(lambda: serve.status().applications[name].status == "RUNNING", 60)
    assert await redacted(gateway) == HIDDEN
    await healthy_engines(gateway)


async def test_a_second_installation_does_not_affect_the_first(
    gateway: RayGateway, cluster: Cluster, tmp_path: Path
) -> None:
    before = {kind: replica(cluster, kind).pid for kind in DEPLOYMENTS}
    finals = await spoken(gateway)
    assert finals["NAME"] >= 1
    other, shown = await second_server(cluster, tmp_path, KEEPS_NAMES)
    try:
        assert shown == SAID
        assert await redacted(gateway) == HIDDEN
        assert await spoken(gateway) == finals
        assert {kind: replica(cluster, kind).pid for kind in before} == before
        await healthy_engines(gateway)
        copy, reason = await second_server(cluster, tmp_path, KEEPS_NAMES)
        assert reason.startswith("INSTALLATION_IN_USE ")
        await copy.wait()
        assert states_of(OTHER) == ["RUNNING"] * 3
        assert abandoned(cluster) == []
    finally:
        other.kill()
        _out, logged = await other.communicate()
    assert "unused_applications" not in logged.decode()
    await eventually(lambda: [kind_of(name, OTHER) for name in abandoned(cluster)] == sorted(DEPLOYMENTS))
    # What it left behind is replaced by the next start, and taken away by the stop after it.
    again, shown = await second_server(cluster, tmp_path, "")
    assert shown == HIDDEN
    assert "unused_applications" not in await stop(again)
    await eventually(lambda: states_of(OTHER) == [], 60)
    assert {kind: replica(cluster, kind).pid for kind in before} == before
    assert await redacted(gateway) == HIDDEN


async def test_a_copied_state_folder_does_not_get_the_workers_of_a_local_cluster(
    gateway: RayGateway, cluster: Cluster, tmp_path: Path
) -> None:
    before = {kind: replica(cluster, kind).pid for kind in DEPLOYMENTS}
    ours = cluster.config.installation
    copy, reason = await second_server(cluster, tmp_path, KEEPS_NAMES, installation=ours)
    assert reason.startswith("INSTALLATION_IN_USE ")
    await stop(copy)
    assert states_of(ours) == ["RUNNING"] * 3
    assert {kind: replica(cluster, kind).pid for kind in before} == before
    assert await redacted(gateway) == HIDDEN
