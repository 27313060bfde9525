"""Sealed values through the real server: typed, spoken and photographed, approved, released once and opened.

Neither the remote LLM, nor the app, nor any file of the server gets one of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from vestibule.v1 import conversation_pb2, media_pb2, recommendation_pb2, session_pb2

from server.cli.channel import open_aio_channel
from server.cli.demo.processes import Child, wait_until
from tests.e2e.harness import (
    DATA,
    READY_TIMEOUT_S,
    App,
    Server,
    audio,
    config,
    planted,
    propose,
    start_server,
    stop_server,
    visit_pcm,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FLOW = """
name: rental
version: 1
title: Rental
steps:
  - name: who
    fields:
      - {name: visitor, ask: "Who are you?", kind: personal, entities: [NAME], keep: sealed, seal_to: crm,
         from_pictures: true}
      - {name: contact_phone, ask: "Your number?", kind: personal, entities: [PHONE, ID], keep: sealed, seal_to: crm,
         from_pictures: true}
      - {name: contact_email, ask: "Your mail?", kind: personal, entities: [EMAIL], keep: sealed, seal_to: crm,
         from_pictures: true}
      - {name: site, ask: "Where?", kind: personal, entities: [ADDRESS], keep: sealed, seal_to: crm,
         from_pictures: true}
"""
FIELDS = ("visitor", "contact_phone", "contact_email", "site")
TYPED = {
    "My name is Ada Okafor and my phone number is 628-555-0144.": ["Ada Okafor", "628-555-0144"],
    "My email is ada.okafor@example.org and my address is 12 Harbor Street.": [
        "ada.okafor@example.org",
        "12 Harbor Street",
    ],
}
SPOKEN = ("John Carter", "john.carter@example.com")
PRINTED = planted("register")


def vestibule(server: Server, *arguments: str, key: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**server.environment, **({"VESTIBULE_API_KEY": key} if key else {})}
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env=environment | {"VESTIBULE_ADDRESS": server.address},
    )


@dataclass(slots=True)
class Talked:
    """What the app got."""

    session_id: str
    sent: bytes
    proposal: recommendation_pb2.Recommendation


async def talk(server: Server) -> Talked:
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        # Two sessions: of a person who types and speaks only the last value of a field stays.
        session_id, spoken_id = [
            (
                await app.sessions.StartSession(
                    session_pb2.StartSessionRequest(
                        client_id="e2e", request_id=str(uuid.uuid4()), language="en", flow="rental"
                    )
                )
            ).session.id
            for _ in range(2)
        ]

        async def typing() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield config(session_id)
            for text in TYPED:
                yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))

        async def speaking() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield config(spoken_id)
            async for chunk in audio(visit_pcm()):
                yield chunk

        async def proposing() -> AsyncIterator[conversation_pb2.ConverseRequest]:
            yield config(session_id)
            yield propose()

        register = (DATA / "register.jpg").read_bytes()
        accepted = await app.upload(session_id, register, media_pb2.MEDIA_KIND_VISITOR_REGISTER)
        shown = [message async for message in app.conversations.Converse(typing())]
        shown += [message async for message in app.conversations.Converse(speaking())]
        upload = await app.finished(accepted.id)
        shown += [message async for message in app.conversations.Converse(proposing())]
        [proposal] = [message.proposal.recommendation for message in shown if message.HasField("proposal")]
        sent = b"".join(message.SerializeToString() for message in [*shown, upload])
        return Talked(session_id, sent, proposal)


async def approve(server: Server, proposal: recommendation_pb2.Recommendation) -> None:
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        request = recommendation_pb2.ApproveRecommendationRequest(
            recommendation_id=proposal.id, content_hash=proposal.content_hash
        )
        await App(channel).recommendations.ApproveRecommendation(request)


def started(folder: Path, upstream: Child) -> Server:
    flows = folder / "flows"
    flows.mkdir()
    (flows / "rental.yaml").write_text(FLOW, encoding="utf-8")
    wait_until(lambda: "http://" in upstream.log.read_text(), upstream, READY_TIMEOUT_S, "The upstream did not start")
    [url] = set(re.findall(r"http://[\w.:]+", upstream.log.read_text()))
    settings = (f"llm_base_url={url}/v1", f"flows.folder={flows}", "log_level=debug")
    return start_server(folder / "own", *settings)


def test_values_are_sealed_approved_released_once_and_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private, received = tmp_path / "crm.pem", tmp_path / "received.bin"
    made = subprocess.run(
        [sys.executable, "-m", "server.cli", "sealed", "keygen", str(private)],
        capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ),
    )  # fmt: skip
    monkeypatch.setenv("VESTIBULE_SEALED__KEYS", json.dumps({"crm": made.stdout.strip()}))
    arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(received)]
    upstream = Child.start("stand-in LLM", arguments, tmp_path / "upstream.log")
    server: Server | None = None
    try:
        server = started(tmp_path, upstream)
        talked = asyncio.run(talk(server))
        release = ["sealed", "release", talked.session_id]
        release += [part for field in FIELDS for part in ("--field", field)]
        refused = vestibule(server, *release)
        assert "SCOPE_MISSING" in refused.stderr, "the operator's key does not open it"
        key = vestibule(server, "keys", "create", "--scope", "sealed_release", "--client", "e2e").stdout.strip()
        assert "NOT_APPROVED" in vestibule(server, *release, key=key).stderr
        asyncio.run(approve(server, talked.proposal))
        released = vestibule(server, *release, key=key)
        assert released.returncode == 0, released.stderr
        assert "ALREADY_RELEASED" in vestibule(server, *release, key=key).stderr
        audit = vestibule(server, "audit", "list", "--json").stdout
        assert audit.count('"sealed_released"') == len(FIELDS)
    finally:
        if server is not None:
            stop_server(server)
        upstream.stop()
    named = {(field.name, field.source_id) for field in talked.proposal.record.fields if field.name in FIELDS}
    given, stored = json.loads(released.stdout)["values"], _stored(server)
    assert {(value["field"], value["source_id"]) for value in given} == named
    assert {value["ciphertext"] for value in given} < {value["ciphertext"] for value in stored}
    _check_opened(tmp_path, private, stored)
    _check_doors(tmp_path, server, talked.sent + received.read_bytes(), stored)


def _stored(server: Server) -> list[dict[str, str]]:
    """All sealed values of the ledger, as a release gives them. Of each field only those of one source are released."""
    names = ("session_id", "field", "type", "key_id", "source_id", "ciphertext")
    with duckdb.connect(str(server.ledger), read_only=True) as ledger:
        rows = ledger.execute(f"SELECT {', '.join(names)} FROM sealed_values").fetchall()
    return [dict(zip(names, (*row[:-1], base64.b64encode(row[-1]).decode()), strict=True)) for row in rows]


def _check_opened(folder: Path, private: Path, stored: list[dict[str, str]]) -> None:
    file = folder / "stored" / "values.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"values": stored}), encoding="utf-8")
    command = [sys.executable, "-m", "server.cli", "sealed", "open", str(private), str(file), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ))
    written = {value["written"] for value in json.loads(done.stdout)}
    assert {value for values in TYPED.values() for value in values} <= written
    assert set(SPOKEN) <= written, "the clip was recognised by the real engine"
    found = [value for value in PRINTED if value in written]
    assert len(found) >= len(PRINTED) * 3 // 4, "OCR misreads a few"


def _check_doors(folder: Path, server: Server, sent: bytes, sealed: list[dict[str, str]]) -> None:
    """No byte that was sent, and no file, has a value in the clear; no file but the ledger's has a ciphertext."""
    values = {*SPOKEN, *PRINTED, *(value for values in TYPED.values() for value in values)}
    ciphertexts = [base64.b64decode(value["ciphertext"]) for value in sealed]
    with duckdb.connect(str(server.ledger), read_only=True) as ledger:
        views = ledger.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
        shown = repr([ledger.execute(f"FROM {name}").fetchall() for (name,) in views])
    files = [path for path in (folder / "own").rglob("*") if path.is_file()]
    assert server.ledger in files
    assert [value for value in values if value.encode() in sent or value in shown] == []
    assert [(path.name, value) for path in files for value in values if value.encode() in path.read_bytes()] == []
    others = b"".join(path.read_bytes() for path in files if path.name != server.ledger.name) + sent + shown.encode()
    forms = [form for each in ciphertexts for form in (each, each.hex().encode(), base64.b64encode(each))]
    assert [form for form in forms if form in others] == []
