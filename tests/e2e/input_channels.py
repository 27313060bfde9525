"""Sends a thousand values through every input (typed, spoken, drawn, events, vocabulary) and keeps all responses."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from PIL import Image, ImageDraw
from vestibule.v1 import admin_pb2, common_pb2, conversation_pb2, funnel_pb2, media_pb2, session_pb2

from server.cli.demo.planted import Medium, Planted, planted_media
from server.cli.demo.proof import copied_ledger
from server.cli.demo.replacements import Verdict, check_replacements
from server.cli.talk.sources import decoded
from tests.data.make_badge import draw_badge, with_metadata
from tests.data.make_pictures import INK, font
from tests.e2e.harness import DATA, App, audio, config, propose
from tests.e2e.planted_values import Line, Person, lines_of, people, squeezed

TYPED, DRAWN, EVENTS, ELSEWHERE = 24, 10, 88, 12
"""People by the input of their values, eight values each. Events take least time, drawn pages most."""
LINES_A_PAGE = 20
LINES_A_TURN = 3
HEADING = "WHO CAME IN TODAY"
EVENT = "form_field_left"
STREAMS = 4
"""Conversations at the same time."""
TRIES = 10
AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
"""Statuses after which an app sends the same events again, says docs/clients/README.md."""
BADGE = (Planted("NAME", "Ines Ferreira", "", "badge"),)


@dataclass(slots=True)
class Plan:
    """What is sent, by input."""

    typed: list[Line]
    drawn: list[Line]
    events: list[Line]
    vocabulary: list[Person]

    @property
    def values(self) -> list[Planted]:
        lines = [*self.typed, *self.drawn, *self.events]
        names = [Planted("NAME", f"{p.given} {p.surname}", "", "vocabulary") for p in self.vocabulary]
        spoken = [value for medium in recordings() for value in medium.values]
        return [value for line in lines for value in line.values] + names + spoken

    @property
    def turns(self) -> list[list[Line]]:
        """The typed lines, several in a turn."""
        return [self.typed[n : n + LINES_A_TURN] for n in range(0, len(self.typed), LINES_A_TURN)]


@dataclass(slots=True)
class Seen:
    """Everything that the client received, compared with what was sent."""

    data: bytearray = field(default_factory=bytearray)
    verdicts: list[Verdict] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    replies: int = 0
    pictures: list[bytes] = field(default_factory=list)

    def note(self, message: Any) -> Any:
        """Keep the bytes of a reply and return it."""
        self.data += message.SerializeToString()
        return message

    def compare(self, medium: Medium, redacted: str) -> None:
        """Check what stands in the places of a medium's values."""
        self.texts.append(redacted)
        self.verdicts.append(check_replacements(medium, redacted))


def seeded_plan() -> Plan:
    """The same values in every run."""
    everybody = people(TYPED + DRAWN + EVENTS + ELSEWHERE)
    chance = random.Random(7)
    groups = {"typed": TYPED, "drawn": DRAWN, "events": EVENTS}
    lines: dict[str, list[Line]] = {}
    for medium, count in groups.items():
        lines[medium] = [line for person in everybody[:count] for line in lines_of(person, chance, medium)]
        everybody = everybody[count:]
    return Plan(lines["typed"], lines["drawn"], lines["events"], everybody)


def recordings() -> list[Medium]:
    """The visit and the six voices."""
    return planted_media(DATA, ("visit.wav", "voices.ogg"))


def medium_of(name: str, lines: Sequence[Line], separator: str, heading: str = "") -> Medium:
    """Lines as one text with their values."""
    said = separator.join([*([heading] if heading else []), *(line.text for line in lines)])
    return Medium(name, said, tuple(value for line in lines for value in line.values))


async def send_all(app: App, plan: Plan, seen: Seen) -> None:
    """Send the whole plan through all inputs at the same time."""
    turns = plan.turns
    await asyncio.gather(
        _photograph(app, list(_pages(plan.drawn)), seen),
        *(_type(app, turns[n::STREAMS], plan.vocabulary[n::STREAMS], seen) for n in range(STREAMS)),
        _report_events(app, plan.events, seen),
        _speak(app, seen),
    )


def _pages(lines: list[Line]) -> Iterator[tuple[bytes, Medium]]:
    """Pictures of printed pages, and a badge with a face and codes."""
    for at in range(0, len(lines), LINES_A_PAGE):
        printed = lines[at : at + LINES_A_PAGE]
        page = Image.new("RGB", (1000, 1000), (250, 249, 245))
        draw = ImageDraw.Draw(page)
        draw.text((40, 24), HEADING, INK, font(32))
        for number, line in enumerate(printed):
            draw.text((40, 80 + 45 * number), line.text, INK, font(24))
        yield with_metadata(np.asarray(page), "JPEG"), medium_of(f"page at {at}", printed, "\n", HEADING)
    badge = Medium("badge", "VISITOR BADGE\nName: Ines Ferreira\nValid until 18:00", BADGE)
    yield with_metadata(draw_badge()[0], "JPEG"), badge


async def _photograph(app: App, pages: list[tuple[bytes, Medium]], seen: Seen) -> None:
    session_id = await app.open_session()
    for content, medium in pages:
        upload = seen.note(await app.upload(session_id, content, media_pb2.MEDIA_KIND_DOCUMENT))
        done = seen.note(await app.finished(upload.id))
        assert done.state == media_pb2.UPLOAD_STATE_DONE, done.failure_reason
        seen.compare(medium, done.text.value)
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
        yield config(session.id, barge_in=False)  # a reply to each turn, though they are typed faster than answered
        for turn in turns:
            text = " ".join(line.text for line in turn)
            yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
        yield propose(1)

    finals: list[str] = []
    async for message in app.conversations.Converse(talk()):
        seen.note(message)
        if message.HasField("final"):
            finals.append(message.final.text.value)
        if message.HasField("reply_ended"):
            seen.replies += 1
            assert message.reply_ended.origin in {common_pb2.ORIGIN_MODEL, common_pb2.ORIGIN_FALLBACK}
    for turn, final in zip(turns, finals, strict=True):
        seen.compare(medium_of("typed turn", turn, " "), final)


async def _report_events(app: App, lines: list[Line], seen: Seen) -> None:
    session_id = await app.open_session()
    now = Timestamp()
    now.GetCurrentTime()
    events = [
        funnel_pb2.AppEvent(
            event_id=str(uuid.uuid4()),
            session_id=session_id,
            name=EVENT,
            device_time=now,
            sequence=n,
            properties={"sentence": line.text},
        )
        for n, line in enumerate(lines)
    ]
    for at in range(0, len(events), 100):
        batch = events[at : at + 100]
        reply = seen.note(await _recorded(app, batch))
        assert reply.recorded_count + reply.duplicate_count == len(batch)


async def _recorded(app: App, batch: list[funnel_pb2.AppEvent]) -> funnel_pb2.RecordEventsResponse:
    """Send a batch until it is recorded, as apps do: busy workers take longer than the server waits for them."""
    for _ in range(TRIES):
        try:
            return await app.funnel.RecordEvents(funnel_pb2.RecordEventsRequest(events=batch))
        except grpc.aio.AioRpcError as error:
            if error.code() not in AGAIN:
                raise
    raise AssertionError(f"The batch was not recorded in {TRIES} tries.")


def compare_events(ledger: Path, lines: list[Line], seen: Seen) -> None:
    """Compare the events of the ledger with what was reported; the file is copied, as the server holds it."""
    with tempfile.TemporaryDirectory() as folder, copied_ledger(ledger, Path(folder)) as connection:
        rows = connection.execute("SELECT properties FROM events WHERE name = ? ORDER BY sequence", [EVENT]).fetchall()
    for line, (properties,) in zip(lines, rows, strict=True):
        seen.compare(medium_of("event", [line], " "), json.loads(properties)["sentence"])


async def _speak(app: App, seen: Seen) -> None:
    """Send the six voices as a stream, and the visit as a recording."""
    visit, voices = recordings()
    session_id = await app.open_session()
    content = (DATA / visit.name).read_bytes()
    upload = seen.note(await app.upload(session_id, content, media_pb2.MEDIA_KIND_RECORDING, "audio/wav"))
    pcm = await asyncio.to_thread(decoded, str(DATA / voices.name))

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, word_times=True)
        async for chunk in audio(pcm):
            yield chunk

    finals = [m.final async for m in app.conversations.Converse(talk()) if seen.note(m).HasField("final")]
    assert all(final.words for final in finals)
    seen.compare(voices, " ".join(final.text.value for final in finals))
    done = seen.note(await app.finished(upload.id))
    assert done.state == media_pb2.UPLOAD_STATE_DONE, done.failure_reason
    seen.compare(visit, done.text.value)


async def ask_around(app: App, lines: list[Line], seen: Seen) -> None:
    """Request reports and dead letters, and send invalid input with personal values in it."""
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
