"""Weights change under a stream that speaks, and a candidate is compared, through the real server and its commands."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from vestibule.v1 import admin_pb2, conversation_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, Server, audio, config, planted, start_server, stop_server, visit_pcm
from tests.eventually import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

IN_USE, OTHER = "whisper-base", "whisper-tiny.en"
CHANGE_S = 330.0
CLIP = visit_pcm()


async def command(server: Server, *arguments: str) -> str:
    """What `vestibule models` prints."""
    call = [sys.executable, "-m", "server.cli", "models", *arguments, "--address", server.address]
    done = await asyncio.to_thread(
        subprocess.run, call, capture_output=True, timeout=CHANGE_S, env=server.environment, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def compared(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(await command(server, "compare", "--json", "--examples", "100"))
    return answer


async def recognised_by(app: App) -> str:
    """What the status says of the weights."""
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    [part] = [part for part in status.components if part.name == "speech_models"]
    assert part.healthy, part.detail
    return part.detail


class Speaker:
    """Somebody who says the visit again and again until told to stop.

    Attributes:
        finals: The finals so far, by number of the utterance.
        received: Every byte that came back.
    """

    def __init__(self, app: App, session_id: str) -> None:
        self._app = app
        self._session_id = session_id
        self._stop = asyncio.Event()
        self.finals: dict[int, str] = {}
        self.received = b""
        self.talking = asyncio.create_task(self._talk())

    async def _said(self) -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(self._session_id, reply=False)
        at = 0
        while not self._stop.is_set():
            async for request in audio(CLIP, pace=1.0):
                request.audio.offset = at
                at += len(request.audio.data)
                yield request
                if self._stop.is_set():
                    return

    async def _talk(self) -> None:
        async for message in self._app.conversations.Converse(self._said()):
            self.received += message.SerializeToString()
            if message.HasField("final"):
                self.finals[message.final.utterance] = message.final.text.value

    async def until_finals(self, number: int) -> None:
        """Until so many more have come. An error of the stream is raised at once."""
        wanted = len(self.finals) + number

        def there() -> bool:
            if self.talking.done():
                self.talking.result()
                raise AssertionError("The stream ended by itself.")
            return len(self.finals) >= wanted

        await eventually(there, CHANGE_S)

    async def stop(self) -> None:
        self._stop.set()
        async with asyncio.timeout(60):
            await self.talking


async def test_weights_change_under_a_stream_and_a_candidate_is_compared(home: Path) -> None:
    server = start_server(home)
    try:
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            await swap(App(channel), server)
            gone = await compare(App(channel), server)
            await erase(server, gone)
        await command(server, "use", "speech", OTHER)
        server.terminate()
        assert server.child.process.returncode == 0
        server = start_server(home)
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            assert await recognised_by(App(channel)) == f"{OTHER}, chosen with `vestibule models use`."
            speaker = Speaker(App(channel), await App(channel).open_session())
            await speaker.until_finals(1)
            await speaker.stop()
    finally:
        stop_server(server)


async def swap(app: App, server: Server) -> None:
    """No stream ends, and no utterance is lost, while the weights change and change back."""
    speaker = Speaker(app, await app.open_session())
    await speaker.until_finals(2)
    told = await command(server, "use", "speech", OTHER)
    assert told == f"Speech is recognised by {OTHER}, chosen.\n"
    assert await recognised_by(app) == f"{OTHER}, chosen with `vestibule models use`."
    await speaker.until_finals(2)
    await command(server, "use", "speech", "--from-settings")
    assert await recognised_by(app) == f"{IN_USE}, as the settings say."
    await speaker.until_finals(2)
    await speaker.stop()
    assert len(speaker.finals) >= 6
    for value in planted("visit"):
        assert value.encode() not in speaker.received
        assert value not in server.log


async def compare(app: App, server: Server) -> str:
    """Finals of one session are compared, promoted in no time, and shown without a personal value; returns its id."""
    session_id = await app.open_session()
    await command(server, "shadow", "speech", OTHER, "--share", "1.0")
    speaker = Speaker(app, session_id)
    await speaker.until_finals(4)
    await speaker.stop()

    async with asyncio.timeout(60):  # the last final may be compared still
        while not (await compared(server))["comparisons"]:
            continue
    shown = await command(server, "compare", "--examples", "100")
    assert f"The candidate {OTHER} beside {IN_USE}" in shown
    assert f"Promote it: `vestibule models use speech {OTHER}`" in shown
    for value in planted("visit"):
        assert value not in shown
        assert value not in json.dumps(await compared(server))
    [everything, *_] = (await compared(server))["comparisons"]
    assert everything["word_count"] > 0
    assert everything["candidate_speed"]["median_factor"] > 0
    ended = await command(server, "discard")
    assert ended == f"The candidate {OTHER} ended.\nSpeech is recognised by {IN_USE}, as the settings say.\n"
    return session_id


async def erase(server: Server, session_id: str) -> None:
    """With a session go its comparisons."""
    assert (await compared(server))["comparisons"]
    call = [sys.executable, "-m", "server.cli", "erase", "--session", session_id, "--yes", "--address", server.address]
    await asyncio.to_thread(subprocess.run, call, check=True, timeout=CHANGE_S, env=server.environment)
    assert (await compared(server))["comparisons"] == []
