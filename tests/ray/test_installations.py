"""Two installations on one cluster: neither sees, replaces or weakens the other."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import Process
from dataclasses import replace
from pathlib import Path

import pytest
from ray import serve

from models.errors import WorkersMismatch
from models.media.audio_decoder import decode
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.applications import Applications
from ray_tasks.cluster import Cluster
from ray_tasks.deployments import APPLICATION_PREFIX, DEPLOYMENTS, application_name, applications
from ray_tasks.gateway import RayGateway
from ray_tasks.types import SpeechWindow
from tests.ray.conftest import DATA, replica, until

OTHER = "ba9876543210"
KEEPS_NAMES = "default: {operators: {NAME: keep}}"
SAID = "I am Maria Lopez"
HIDDEN = "I am [REDACTED_NAME]"

SERVER = """
import asyncio, pathlib, sys
from models.errors import VestibuleError
from models.redaction.types import RedactionContext
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
        result = await RayGateway(cluster).redact([RawText(said)], RedactionContext(), timeout_s=20)
        print(result[0].text.value, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    except VestibuleError as error:
        print(error.reason, flush=True)
    finally:
        await cluster.stop()

asyncio.run(main())
"""


async def second_server(cluster: Cluster, folder: Path, policies: str) -> tuple[Process, str]:
    """A server of another installation that joins the cluster.

    Returns:
        The process, which stops when it gets a line, and how it redacts a sentence, or its error.
    """
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(folder), cluster.address, OTHER, policies, SAID),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    return server, (await asyncio.wait_for(server.stdout.readline(), 120)).decode().strip()


async def stop(server: Process) -> None:
    """End a second server in order."""
    await server.communicate(b"\n")
    assert server.returncode == 0


def states_of(installation: str) -> list[str]:
    """Serve's states of the applications of an installation."""
    known = serve.status().applications
    return [app.status.value for name, app in known.items() if name.startswith(f"{APPLICATION_PREFIX}{installation}-")]


async def redacted(gateway: RayGateway) -> str:
    return (await gateway.redact([RawText(SAID)], RedactionContext(), timeout_s=20))[0].text.value


async def spoken(gateway: RayGateway) -> dict[str, int]:
    """How many entities a final of the clip hides, by type."""
    pcm = decode((DATA / "visit.wav").read_bytes()).tobytes()
    step = await gateway.speech_step(SpeechWindow(pcm, final=True, language="en"), timeout_s=60)
    return dict(step.text.counts)


async def test_a_second_installation_leaves_the_first_alone(
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
        assert all(info.healthy for info in await gateway.engines())
        copy, reason = await second_server(cluster, tmp_path, KEEPS_NAMES)
        assert reason == "INSTALLATION_IN_USE"
        await copy.wait()
        assert states_of(OTHER) == ["RUNNING"] * 3
    finally:
        other.kill()
        await other.wait()
    # What it left behind is replaced by the next start, and taken away by the stop after it.
    again, shown = await second_server(cluster, tmp_path, "")
    assert shown == HIDDEN
    await stop(again)
    await until(lambda: states_of(OTHER) == [], 60)
    assert {kind: replica(cluster, kind).pid for kind in before} == before
    assert await redacted(gateway) == HIDDEN


async def test_calls_fail_closed_when_the_policy_was_replaced(gateway: RayGateway, cluster: Cluster) -> None:
    weaker = replace(cluster.config, redaction_policies=KEEPS_NAMES)
    serve.run_many([applications(weaker)["redaction"]], wait_for_applications_running=True)
    try:
        with pytest.raises(WorkersMismatch):
            await redacted(gateway)
        with pytest.raises(WorkersMismatch):
            await spoken(gateway)
        assert {info.kind: info.healthy for info in await gateway.engines()}["redaction"] is False
    finally:
        await asyncio.to_thread(Applications(cluster.config).deploy)
        name = application_name(cluster.config.installation, "redaction")
        await until(lambda: serve.status().applications[name].status == "RUNNING", 60)
    assert await redacted(gateway) == HIDDEN
    assert all(info.healthy for info in await gateway.engines())
