"""Numbered tags through the real server: two people in two turns and a picture, and the prompt of the third turn."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from PIL import Image, ImageDraw, ImageFont
from vestibule.v1 import conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.processes import Child, serving, wait_until
from tests.e2e.harness import READY_TIMEOUT_S, App, Server, config, start_server, stop_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

POLICY = "default: {operators: {NAME: number, PHONE: number}}\n"
TURNS = (
    "My name is Maria Lopez and I am here with John Carter.",
    "Please tell JOHN CARTER that the reading is 04821.7 m3.",
)


def badge() -> bytes:
    """A picture that names one of the two, and a third person."""
    picture = Image.new("RGB", (900, 300), "white")
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=44)
    draw.text((40, 60), "Name: Maria Lopez", "black", font=font)
    draw.text((40, 160), "Contact: Peter Schmidt", "black", font=font)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def say(app: App, session_id: str, text: str) -> list[conversation_pb2.ConverseResponse]:
    async def requests() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))

    return [message async for message in app.conversations.Converse(requests())]


@dataclass(slots=True)
class Talked:
    """What came back, and what the remote LLM got."""

    finals: list[str]
    picture: str
    other_session: str
    sent: bytes
    prompt: bytes


def content(file: Path) -> bytes:
    return file.read_bytes()


async def talk(server: Server, received: Path) -> Talked:
    """Two turns, a picture and a third turn in one session; one turn in another."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        session_id = await app.open_session()
        shown = [message for text in TURNS for message in await say(app, session_id, text)]
        accepted = await app.upload(session_id, badge(), media_pb2.MEDIA_KIND_DOCUMENT, "image/png")
        upload = await app.finished(accepted.id)
        before = len(content(received))
        shown += await say(app, session_id, "Maria Lopez has the key to the gate and will open it for us on Friday.")
        prompt = content(received)[before:]
        other = await say(app, await app.open_session(), "I am John Carter.")
    [first] = [message.final.text.value for message in other if message.HasField("final")]
    finals = [message.final.text.value for message in shown if message.HasField("final")]
    sent = b"".join(message.SerializeToString() for message in [*shown, *other, upload])
    return Talked(finals, upload.text.value, first, sent + content(received), prompt)


def test_two_people_are_told_apart_and_no_hash_leaves_the_table(tmp_path: Path) -> None:
    policy, received = tmp_path / "policy.yaml", tmp_path / "received.bin"
    policy.write_text(POLICY)
    arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(received)]
    upstream = Child.start("stand-in LLM", arguments, tmp_path / "upstream.log")
    server: Server | None = None
    try:
        wait_until(
            lambda: "http://" in upstream.log.read_text(), upstream, READY_TIMEOUT_S, "The upstream did not start"
        )
        [url] = set(re.findall(r"http://[\w.:]+", upstream.log.read_text()))
        settings = (f"llm_base_url={url}/v1", f"redaction.policy_file={policy}", "log_level=debug")
        server = start_server(tmp_path / "own", *settings, wait=False)
        wait_until(lambda: serving(server.address), server.child, READY_TIMEOUT_S, "The server was not ready")
        talked = asyncio.run(talk(server, received))
    finally:
        if server is not None:
            stop_server(server)
        upstream.stop()
    assert talked.finals == [
        "My name is [REDACTED_NAME_1] and I am here with [REDACTED_NAME_2].",
        "Please tell [REDACTED_NAME_2] that the reading is 04821.7 m3.",
        "[REDACTED_NAME_1] has the key to the gate and will open it for us on Friday.",
    ]
    assert re.findall(r"\[REDACTED_\w+\]", talked.picture) == ["[REDACTED_NAME_1]", "[REDACTED_NAME_3]"]
    assert all(json.dumps(final).encode()[1:-1] in talked.prompt for final in talked.finals)
    assert talked.other_session == "I am [REDACTED_NAME_1]."
    with duckdb.connect(str(server.ledger), read_only=True) as ledger:
        keys = [str(key).encode() for (key,) in ledger.execute("SELECT hash FROM tag_numbers").fetchall()]
    assert len(set(keys)) == len(keys) == 4
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != server.ledger]
    assert server.child.log in files
    assert not [key for key in keys if key in talked.sent]
    assert not [path.name for path in files for key in keys if key in path.read_bytes()]
