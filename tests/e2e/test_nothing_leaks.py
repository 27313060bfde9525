"""README: nothing that identifies a person leaves. A thousand values go in by every way, and every byte that the system
wrote or sent is searched for them."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image, ImageDraw
from vestibule.v1 import admin_pb2, common_pb2, conversation_pb2, funnel_pb2, media_pb2, session_pb2

from server.cli.demo.planted import Planted
from server.cli.demo.play import _ray_log_folders
from server.cli.demo.probe import Hit
from server.cli.demo.processes import Child, free_ports, wait_until
from server.cli.demo.proof import Traces, prove
from server.cli.demo.reading import read_print
from tests.data.make_badge import draw_badge, with_metadata
from tests.data.make_pictures import INK, font
from tests.e2e.crowd import Line, ManyProbe, Person, by_kind, lines_of, needle, people, squeezed
from tests.e2e.harness import DATA, App, Server, audio, config, propose, start_server, stop_server, visit_pcm

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

TYPED, DRAWN, EVENTS, ELSEWHERE = 54, 20, 48, 12
"""People by the way in which their values come; eight values each."""
LINES_A_PAGE = 20
LINES_A_TURN = 3
STREAMS = 4
"""Conversations at a time."""


@dataclass(slots=True)
class Plan:
    """What goes in, by which way."""

    typed: list[Line]
    drawn: list[Line]
    events: list[Line]
    vocabulary: list[Person]

    @property
    def values(self) -> list[Planted]:
        lines = [*self.typed, *self.drawn, *self.events]
        names = [Planted("NAME", f"{p.given} {p.surname}", "", "vocabulary") for p in self.vocabulary]
        return [value for line in lines for value in line.values] + names + spoken()


@dataclass(slots=True)
class Seen:
    """Everything that the client received, and the numbers that show that it was all taken in."""

    data: bytearray = field(default_factory=bytearray)
    tags: int = 0
    replies: int = 0
    pictures: list[bytes] = field(default_factory=list)

    def note(self, message: Any) -> Any:
        """Keep the bytes of a reply and return it."""
        self.data += message.SerializeToString()
        return message


def plan() -> Plan:
    """The seeded plan: the same values in every run."""
    crowd = people(TYPED + DRAWN + EVENTS + ELSEWHERE)
    chance = random.Random(7)
    groups = {"typed": TYPED, "drawn": DRAWN, "events": EVENTS}
    lines: dict[str, list[Line]] = {}
    for medium, count in groups.items():
        lines[medium] = [line for person in crowd[:count] for line in lines_of(person, chance, medium)]
        crowd = crowd[count:]
    return Plan(lines["typed"], lines["drawn"], lines["events"], crowd)


def spoken() -> list[Planted]:
    """The values in the two recordings."""
    found = []
    for name in ("visit", "voices"):
        for p in json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))["personal"]:
            found.append(Planted(p["type"], p["value"], p["spoken"], name))
    return found


@dataclass(slots=True)
class Running:
    """The server under test and the scripted upstream that keeps every byte."""

    server: Server
    upstream: Child
    upstream_url: str
    received: Path
    metrics_port: int


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("leaks")
    received = home / "received.bin"
    arguments = ["-m", "server.cli.demo.upstream", "--port", "0", "--record", str(received)]
    upstream = Child.start("scripted upstream", arguments, home / "upstream.log")
    server: Server | None = None
    try:
        wait_until(lambda: "http://" in _text(upstream.log), upstream, 30.0, "The upstream did not start")
        url = re.findall(r"http://[\w.:]+", _text(upstream.log))[0]
        [metrics_port] = free_ports(1)
        server = start_server(home / "own", f"llm_base_url={url}/v1", f"metrics_port={metrics_port}", "log_level=debug")
        yield Running(server, upstream, url, received, metrics_port)
    finally:
        if server is not None:
            stop_server(server)
        upstream.stop()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@pytest_asyncio.fixture
async def app(running: Running) -> AsyncIterator[App]:
    async with grpc.aio.insecure_channel(running.server.address) as channel:
        yield App(channel)


def test_the_search_is_not_blind() -> None:
    values = [line.values[0] for person in people(3) for line in lines_of(person, random.Random(1), "canary")]
    probe = ManyProbe(values)
    assert len({needle(v) for v in values}) == len(values)
    for value in values:
        text = value.value
        for form in (
            text.encode(),
            text.upper().encode(),
            json.dumps({"text": f"\n{text}\t"}).encode(),
            text.encode("utf-16-le"),
            text.encode("utf-16-be"),
            text.replace(" ", "").encode(),
            base64.b64encode(b"xy" + text.encode() + b"z"),
        ):
            assert [hit.planted for hit in probe.search(b"\x00noise " + form + b" noise")] == [value], form
    assert probe.search(b"nothing of that kind 2026-11-24T09:41:00 4155550132 [REDACTED_NAME]") == []


async def test_a_thousand_values_go_in_and_none_comes_out(running: Running, app: App, tmp_path: Path) -> None:
    plan_ = plan()
    values = plan_.values
    assert len(values) >= 1000
    written = [v for v in values if not v.spoken]
    assert len({needle(v) for v in written}) == len(written)
    seen = Seen()
    pages = list(_pages(plan_.drawn))
    turns = [plan_.typed[n : n + LINES_A_TURN] for n in range(0, len(plan_.typed), LINES_A_TURN)]
    await asyncio.to_thread(_script, running.upstream_url, "error", 2)  # what goes wrong is logged, too
    await asyncio.gather(
        _photograph(app, pages, seen),
        *(_type(app, turns[n::STREAMS], plan_.vocabulary[n::STREAMS], seen) for n in range(STREAMS)),
        _report_events(app, plan_.events, seen),
        _speak(app, seen),
    )
    await _ask_around(app, plan_.typed, seen)
    assert seen.tags >= 0.9 * (len(plan_.typed) + len(plan_.drawn)), "what was planted has arrived and was judged"
    assert seen.replies >= len(turns)
    metrics = await asyncio.to_thread(_scrape, running.metrics_port)
    assert b"vestibule_redacted_entities" in metrics
    assert running.received.read_bytes().count(b"[REDACTED_") > len(plan_.typed), "the upstream was asked"

    probe = ManyProbe(values)
    hits = [("replies to the client", hit) for hit in probe.search(bytes(seen.data))]
    hits += [("metrics", hit) for hit in probe.search(metrics)]
    hits += _search_as_the_demo_does(running, seen, probe, tmp_path)
    ray_logs = _ray_log_folders([running.server.child])
    stop_server(running.server)
    left = [p for folder in (running.server.home, *ray_logs) for p in sorted(folder.rglob("*")) if p.is_file()]
    assert any(p.name == "ledger.duckdb" for p in left)
    for path in left:
        hits += [(f"file {path.name}", hit) for hit in probe.search(path.read_bytes())]
    assert not hits, f"{len({hit.planted.value for _, hit in hits})} of {len(values)} values leaked\n{by_kind(hits)}"


def _script(url: str, mode: str, times: int) -> None:
    body = json.dumps({"mode": mode, "times": times}).encode()
    request = urllib.request.Request(f"{url}/script", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.status == 200


def _scrape(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        return bytes(reply.read())


def _search_as_the_demo_does(running: Running, seen: Seen, probe: ManyProbe, scratch: Path) -> list[tuple[str, Hit]]:
    """The places of the demo's proof, while the server still runs; the pictures read again by OCR."""
    paths = []
    for number, content in enumerate(seen.pictures):
        paths.append(scratch / f"{number}.jpg")
        paths[-1].write_bytes(content)
    traces = Traces(
        logs=[running.server.child.log, running.upstream.log],
        ray_logs=_ray_log_folders([running.server.child]),
        ledger=running.server.ledger,
        state=running.server.state_dir,
        pictures=paths,
        received=running.received,
    )
    assert traces.ray_logs
    findings = prove(traces, [], read_print, probe=probe)
    return [(f"{finding.place}: {where}", hit) for finding in findings for where, hit in finding.hits]


def _pages(lines: list[Line]) -> Iterator[tuple[bytes, media_pb2.MediaKind.ValueType]]:
    """Pictures of printed pages, and a badge with a face and codes."""
    for at in range(0, len(lines), LINES_A_PAGE):
        page = Image.new("RGB", (1000, 1000), (250, 249, 245))
        draw = ImageDraw.Draw(page)
        draw.text((40, 24), "WHO CAME IN TODAY", INK, font(32))
        for number, line in enumerate(lines[at : at + LINES_A_PAGE]):
            draw.text((40, 80 + 45 * number), line.text, INK, font(24))
        yield with_metadata(np.asarray(page), "JPEG"), media_pb2.MEDIA_KIND_DOCUMENT
    yield with_metadata(draw_badge()[0], "JPEG"), media_pb2.MEDIA_KIND_DOCUMENT


async def _photograph(app: App, pages: list[tuple[bytes, media_pb2.MediaKind.ValueType]], seen: Seen) -> None:
    session_id = await app.open_session()
    for content, kind in pages:
        upload = seen.note(await app.upload(session_id, content, kind))
        done = seen.note(await app.finished(upload.id))
        assert done.state == media_pb2.UPLOAD_STATE_DONE, done.failure_reason
        seen.tags += done.text.value.count("[REDACTED_")
        seen.pictures.append(await app.picture(upload.id))
        seen.data += seen.pictures[-1]


async def _type(app: App, turns: list[list[Line]], vocabulary: list[Person], seen: Seen) -> None:
    request = session_pb2.StartSessionRequest(
        client_id="e2e",
        request_id=str(uuid.uuid4()),
        language="en",
        vocabulary=[f"{p.given} {p.surname}" for p in vocabulary],
    )
    session = seen.note(await app.sessions.StartSession(request)).session

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session.id)
        for turn in turns:
            text = " ".join(line.text for line in turn)
            yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
        yield propose(1)

    async for message in app.conversations.Converse(talk()):
        seen.note(message)
        if message.HasField("final"):
            seen.tags += message.final.text.value.count("[REDACTED_")
        if message.HasField("reply_ended"):
            seen.replies += 1
            assert message.reply_ended.origin in {common_pb2.ORIGIN_MODEL, common_pb2.ORIGIN_FALLBACK}


async def _report_events(app: App, lines: list[Line], seen: Seen) -> None:
    session_id = await app.open_session()
    now = Timestamp()
    now.GetCurrentTime()
    events = [
        funnel_pb2.AppEvent(
            event_id=str(uuid.uuid4()),
            session_id=session_id,
            name="form_field_left",
            device_time=now,
            sequence=n,
            properties={"said": line.text},
        )
        for n, line in enumerate(lines)
    ]
    for at in range(0, len(events), 100):
        batch = events[at : at + 100]
        reply = seen.note(await app.funnel.RecordEvents(funnel_pb2.RecordEventsRequest(events=batch)))
        assert reply.recorded_count == len(batch)


async def _speak(app: App, seen: Seen) -> None:
    """The visit as a stream, the other voices as a recording."""
    session_id = await app.open_session()
    upload = seen.note(
        await app.upload(session_id, (DATA / "voices.ogg").read_bytes(), media_pb2.MEDIA_KIND_RECORDING, "audio/ogg")
    )

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, word_times=True)
        async for chunk in audio(visit_pcm(), pace=2.0):
            yield chunk

    finals = [m.final async for m in app.conversations.Converse(talk()) if seen.note(m).HasField("final")]
    assert finals
    assert all(final.words for final in finals)
    done = seen.note(await app.finished(upload.id))
    assert done.state == media_pb2.UPLOAD_STATE_DONE, done.failure_reason
    assert done.text.value.count("[REDACTED_") >= 12


async def _ask_around(app: App, lines: list[Line], seen: Seen) -> None:
    """What a client can ask for afterwards: reports, dead letters, refusals; and what it sends by mistake."""
    told = "\n".join(line.text for line in lines).encode()
    session_id = await app.open_session()
    for content in (told, b"\xff\xd8\xff\xe0" + told, b"\x89PNG\r\n\x1a\n" + told):
        try:
            upload = await app.upload(session_id, content, media_pb2.MEDIA_KIND_DOCUMENT)
            failed = seen.note(await app.finished(seen.note(upload).id))
            assert failed.state == media_pb2.UPLOAD_STATE_FAILED
        except grpc.aio.AioRpcError as error:
            seen.data += repr(error).encode()
    seen.note(await app.funnel.GetReport(funnel_pb2.GetReportRequest()))
    seen.note(await app.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(page_size=100)))
    long = conversation_pb2.TypedText(text="My name is Otto Overlong. " * 400)

    async def too_much() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(await app.open_session())
        yield conversation_pb2.ConverseRequest(text=long)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for message in app.conversations.Converse(too_much()):
            seen.note(message)
    seen.data += repr(caught.value).encode()
    assert "overlong" not in squeezed(repr(caught.value))
