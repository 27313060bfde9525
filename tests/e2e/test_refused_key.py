"""A remote LLM that refuses the key, then none at all: the status says why, and the reply comes once there is a key."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from vestibule.v1 import common_pb2, conversation_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.proof import copied_ledger
from tests.e2e.harness import App, Server, config, start_server, stop_server
from tests.e2e.outages import said
from tests.e2e.shared_ray import SharedRay
from tests.unit.llm.scripted_upstream import KEY, run_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PATIENCE_S = 180.0


@asynccontextmanager
async def started(home: Path, ray: SharedRay, *settings: str) -> AsyncIterator[Server]:
    """A server on the files of the last one."""
    server = await asyncio.to_thread(start_server, home, *settings, ray=ray)
    try:
        yield server
    finally:
        await asyncio.to_thread(stop_server, server)


async def command(server: Server, *arguments: str) -> Any:
    """The JSON that a command prints."""
    whole = [sys.executable, "-m", "server.cli", *arguments, "--json", "--address", server.address]

    def run() -> str:
        environment = server.environment
        done = subprocess.run(whole, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment)
        return done.stdout

    return json.loads(await asyncio.to_thread(run))


async def llm(server: Server) -> dict[str, Any]:
    """The part ``llm`` of the status."""
    status = await command(server, "status")
    assert status.get("dead_letter_count", 0) == 0
    return next(part for part in status["components"] if part["name"] == "llm")


def origins(server: Server) -> list[str]:
    """Who has replied to each turn."""
    with TemporaryDirectory() as folder, copied_ledger(server.ledger, Path(folder)) as ledger:
        return [
            origin for (origin,) in ledger.execute("SELECT reply_origin FROM turns ORDER BY create_time").fetchall()
        ]


async def talk(server: Server, *texts: str) -> list[conversation_pb2.ConverseResponse]:
    """One conversation of typed texts, each after the reply to the one before, which it would interrupt."""
    answered: asyncio.Queue[None] = asyncio.Queue()
    told = []

    async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(await app.open_session())
        for text in texts:
            yield said(text)
            await answered.get()

    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        async for message in app.conversations.Converse(requests()):
            told.append(message)
            if message.HasField("reply_ended"):
                answered.put_nowait(None)
    return told


async def test_a_refused_key_is_told_and_the_reply_comes_once_there_is_another(
    tmp_path: Path, shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with run_upstream(tmp_path / "llm.record") as upstream:
        url = f"llm.base_url={upstream.url}/v1"
        monkeypatch.setenv("VESTIBULE_LLM__API_KEY", "expired")
        async with started(home, shared_ray, url, "llm.probe_s=0") as server:
            told = await talk(server, "I am at the Riverside site", "The meter reads 4821.")
            ends = [message.reply_ended for message in told if message.HasField("reply_ended")]
            assert [ended.origin for ended in ends] == [common_pb2.ORIGIN_FALLBACK] * 2
            part = await llm(server)
            assert (part["healthy"], part["reason"]) == (False, "UPSTREAM_KEY_REFUSED")
            [breaker] = [row for row in await command(server, "breakers") if row["name"] == "llm_api"]
            assert breaker["last_failure_reason"] == "UPSTREAM_KEY_REFUSED"
            assert upstream.record.read_bytes().count(b"POST /v1/chat/completions") == 1
        monkeypatch.delenv("VESTIBULE_LLM__API_KEY")
        async with started(home, shared_ray) as server:
            assert (await llm(server))["detail"].endswith("2 job(s) wait until one is.")
        monkeypatch.setenv("VESTIBULE_LLM__API_KEY", KEY)
        async with started(home, shared_ray, url, "llm.probe_s=0") as server:
            async with asyncio.timeout(PATIENCE_S):
                while await asyncio.to_thread(origins, server) != ["MODEL", "MODEL"]:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
            assert (await llm(server))["healthy"]
