"""The policy operator ``number`` in a whole session: turns, pictures, replies, records and partials.

Texts are redacted by a real redactor, and stored in a real ledger.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from models.redaction.policy.loader import parse_policies
from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from server.flows.catalogue import shipped_catalogue
from server.jobs.read_picture import ReadPicture
from server.ledger import jobs, schema, sessions, tag_numbers, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.jobs import new_job
from server.ledger.types import SessionRow, SessionState
from server.llm.field_names import DECLARED
from server.llm.prompts import record_prompt, reply_prompt
from server.llm.types import OnboardingRecord, RecordField
from server.records.numbering import number_tags
from server.streaming import events
from server.streaming.events import Final, Partial, Proposal, ProposeIn, ReplyPiece, TextIn
from tests.fakes.assistant import AskedReply
from tests.fakes.classifier import WordListClassifier
from tests.fakes.guide import GUIDE
from tests.fakes.local_workers import LocalWorkers
from tests.unit.ledger.makers import upload
from tests.unit.streaming.conversation_harness import NOW, chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, talk
from tests.unit.vision.pictures import line

POLICY = "default: {operators: {NAME: number, PHONE: number}}"
NAMES = dict.fromkeys(("okafor", "lindqvist", "petrov"), "SURNAME") | dict.fromkeys(
    ("ada", "nils", "irina"), "GIVEN_NAME"
)


def redactor(policy: str = POLICY) -> LocalRedactor:
    return LocalRedactor(WordListClassifier(NAMES), policies=parse_policies(policy), worker_key=bytes(32))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path, gateway=LocalWorkers(redactor=redactor(), complete=True))
    yield built
    built.ledger.close()


def workers(harness: StreamHarness) -> LocalWorkers:
    assert isinstance(harness.gateway, LocalWorkers)
    return harness.gateway


async def converse(harness: StreamHarness, inputs: AsyncIterator[events.Input]) -> list[events.Output]:
    harness.now += timedelta(seconds=1)
    async with harness.streams.open(replace(harness.config, reply=True)) as stream:
        return [output async for output in talk(stream).run(inputs)]


def context_of(session_id: str) -> RedactionContext:
    return RedactionContext(TextSource.TYPED, scope=RedactionScope("app", session_id))


async def read_picture(harness: StreamHarness, *lines: str) -> RedactedText:
    """Run the job that reads an upload, as the queue does."""
    workers(harness).print = [line(text, 10, 20 + 30 * n) for n, text in enumerate(lines)]
    row = replace(upload(harness.config.session_id), kind="form")
    spool_id = str(uuid4())
    harness.spool.put(spool_id, [b"pixels"])
    await harness.ledger.write(lambda cursor: uploads.insert_upload(cursor, row))
    out = harness.ledger.path.parent / "out"
    handler = ReadPicture(harness.ledger, harness.spool, harness.gateway, harness.pubsub, out, lambda: NOW, guide=GUIDE)
    job = new_job("read_picture", row.id, row.session_id, {"upload_id": row.id, "spool_id": spool_id}, "network", NOW)
    await harness.ledger.write(lambda cursor: jobs.enqueue(cursor, job))
    completion = await handler.run(job)
    stored, _ = await harness.ledger.write(completion.record)
    assert stored.text is not None
    return stored.text


def said_in_prompt(asked: AskedReply) -> list[str]:
    """What the remote LLM gets, without the system's message."""
    messages = reply_prompt(asked.said, list(asked.history), language=asked.language)
    return [message.content for message in messages if message.role == "user"]


def typed(*texts: str) -> AsyncIterator[events.Input]:
    return these(*(TextIn(RawText(text)) for text in texts))


async def hashes(harness: StreamHarness, session_id: str = "") -> dict[tuple[str, str], int]:
    wanted = session_id or harness.config.session_id
    return await harness.ledger.read(lambda cursor: tag_numbers.known(cursor, wanted))


def everything_else(cursor: Cursor) -> str:
    """All tables and views but the one that holds the hashes."""
    tables = [t.name for t in schema.TABLES if t is not schema.TAG_NUMBERS]
    views = [row["view_name"] for row in fetch_all(cursor, "SELECT view_name FROM duckdb_views() WHERE NOT internal")]
    return repr([fetch_all(cursor, f"FROM {name}") for name in [*tables, *views]])


async def test_two_people_are_told_apart_over_turns_and_a_picture(
    harness: StreamHarness, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = await converse(harness, typed("I am Ada Okafor and I am here with Nils Lindqvist."))
    picture = await read_picture(harness, "Host: NILS LINDQVIST", "Guest: Irina Petrov")
    harness.assistant.script_reply("I wrote down Nils Lindqvist and Irina Petrov. ", "Anything else?")
    outputs += await converse(harness, typed("Please tell ada okafor that the door is open."))
    outputs += await converse(harness, typed("The key is with Nils Lindqvist."))
    assert picture.value == "Host: [REDACTED_NAME_2]\nGuest: [REDACTED_NAME_3]"
    asked = harness.assistant.asked_replies[-1]
    assert said_in_prompt(asked) == [
        "I am [REDACTED_NAME_1] and I am here with [REDACTED_NAME_2].",
        "Please tell [REDACTED_NAME_1] that the door is open.",
        "The key is with [REDACTED_NAME_2].",
    ]
    pieces = [output.text.value for output in outputs if isinstance(output, ReplyPiece)]
    assert "I wrote down [REDACTED_NAME_2] and [REDACTED_NAME_3]. " in pieces
    assert [o.turn.text.value for o in outputs if isinstance(o, Final)] == said_in_prompt(asked)
    keys = [key for _label, key in await hashes(harness)]
    stored = await harness.ledger.read(everything_else)
    shown = repr([outputs, harness.assistant.asked_replies, *capsys.readouterr(), stored])
    assert len(keys) == 3
    assert "REDACTED_NAME_3" in stored
    assert not any(key in shown for key in keys)


async def test_a_record_shows_numbers_and_its_hash_is_that_of_what_is_shown(harness: StreamHarness) -> None:
    await converse(harness, typed("I am Ada Okafor, here with Nils Lindqvist."))
    fields = (RecordField("host", "Nils Lindqvist"), RecordField("visitor", "[REDACTED_NAME_1]"))
    harness.assistant.script_record(OnboardingRecord("Ada Okafor visits.", fields))
    [proposal] = [o for o in await converse(harness, these(ProposeIn(0.0))) if isinstance(o, Proposal)]
    record = proposal.recommendation.record.value
    assert re.findall(r"\[REDACTED_\w+\]", record) == ["[REDACTED_NAME_2]", "[REDACTED_NAME_1]", "[REDACTED_NAME_1]"]
    [asked] = harness.assistant.asked_records
    flow = shipped_catalogue().default
    prompt = record_prompt(list(asked.materials), flow=flow, language="en", names=DECLARED.for_prompt(flow))[-1].content
    assert "I am [REDACTED_NAME_1], here with [REDACTED_NAME_2]." in prompt


async def test_partials_show_the_numbers_that_are_known_and_grow(harness: StreamHarness) -> None:
    """A value that is new in the utterance has a plain tag until its final is stored."""
    await converse(harness, typed("I am Ada Okafor."))
    said = "so Ada Okafor told me that Nils Lindqvist took the blue one from here and then he left again"
    workers(harness).heard = said
    outputs = await converse(harness, chunks(speech(0.25 * len(said.split()) + 0.5) + quiet(0.5)))
    partials = [o.text.value for o in outputs if isinstance(o, Partial)]
    assert all(later.startswith(earlier) for earlier, later in pairwise(partials))
    # On a busy machine the last partial may end before the second name.
    shown = re.findall(r"\[REDACTED_\w+\]", partials[-1])
    assert shown in (["[REDACTED_NAME_1]"], ["[REDACTED_NAME_1]", "[REDACTED_NAME]"])
    [final] = [o.turn.text.value for o in outputs if isinstance(o, Final)]
    assert re.findall(r"\[REDACTED_\w+\]", final) == ["[REDACTED_NAME_1]", "[REDACTED_NAME_2]"]


async def test_another_session_starts_at_one_with_other_hashes(harness: StreamHarness) -> None:
    first = harness.config.session_id
    await converse(harness, typed("Nils Lindqvist came.", "Then came Ada Okafor."))
    row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, NOW, NOW, language="en")
    await harness.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
    harness.config = replace(harness.config, session_id=row.id)
    [final] = [o for o in await converse(harness, typed("I am Ada Okafor.")) if isinstance(o, Final)]
    assert final.turn.text.value == "I am [REDACTED_NAME_1]."
    assert not set(await hashes(harness, first)) & set(await hashes(harness, row.id))


async def test_concurrent_texts_of_a_session_get_no_number_twice(harness: StreamHarness) -> None:
    """Every text has two persons of its own and one of all."""
    session_id = harness.config.session_id
    phones = [f"+1 415 555 {n:04d}" for n in range(60)]
    texts = [RawText(f"Ada Okafor has {a} and {b}") for a, b in zip(phones, [*phones[1:], phones[0]], strict=True)]
    redacted = [r.text for r in redactor().redact_many(texts, context_of(session_id))]
    shown = await asyncio.gather(*(number_tags(harness.ledger, session_id, [text]) for text in redacted))
    numbers = await hashes(harness)
    assert sorted(n for (label, _), n in numbers.items() if label == "PHONE") == list(range(1, 61))
    assert all("[REDACTED_NAME_1]" in text.value for [text] in shown)
    pairs = [re.findall(r"PHONE_(\d+)", text.value) for [text] in shown]
    assert all(second == following for (_, second), (following, _) in zip(pairs, [*pairs[1:], pairs[0]], strict=True))


async def test_a_turn_that_is_not_stored_spends_no_number(harness: StreamHarness) -> None:
    [redaction] = redactor().redact_many([RawText("I am Ada Okafor.")], context_of(harness.config.session_id))

    def fails(cursor: Cursor) -> None:
        tag_numbers.numbered(cursor, harness.config.session_id, [redaction.text])
        raise ValueError("the turn cannot be stored")

    with pytest.raises(ValueError, match="cannot be stored"):
        await harness.ledger.write(fails)
    assert await hashes(harness) == {}
