"""Streams on a real ledger and a real spool: how they are opened, counted and left."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import InternalError, Overloaded
from models.media.samples import Samples
from models.redaction.types import Redaction
from models.speech.endpointing.marks import SpeechMark, UtteranceEnded, UtteranceStarted
from models.text import RawText, RedactedText
from server.ledger import streams as stream_rows
from server.ledger.types import Origin
from server.llm.history import WITHHELD
from server.llm.types import Exchange
from server.streaming import events
from server.streaming.events import Input, Output
from server.uploads.audio_log import AudioLogFile
from tests.eventually import eventually
from tests.fakes.recognition import LoudnessSegmenter
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.streaming.conversation_harness import kinds, speech, these
from tests.unit.streaming.stream_harness import ADMISSION, StreamHarness, talk


class QuickYes(LoudnessSegmenter):
    """Every sound is too short to count as speech, until the client says that it was."""

    def feed(self, samples: Samples) -> list[SpeechMark]:
        super().feed(samples)
        return []

    def end(self) -> list[SpeechMark]:
        end, self._at = self._at, 0
        return [UtteranceStarted(0, 0), UtteranceEnded(end, end)] if end else []


async def test_streams_that_open_at_the_same_time_are_both_counted(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path, replace(ADMISSION, streams=1))
    held = asyncio.Event()

    async def hold() -> None:
        async with harness.streams.open(harness.config):
            await held.wait()

    both = [asyncio.ensure_future(hold()) for _ in range(2)]
    done, _ = await asyncio.wait(both, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    held.set()
    await asyncio.gather(*both, return_exceptions=True)
    [refused] = done
    assert isinstance(refused.exception(), Overloaded)
    harness.ledger.close()


async def test_a_stream_that_never_runs_leaves_no_file_open(harness: StreamHarness) -> None:
    with pytest.raises(InternalError):
        async with harness.streams.open(harness.config) as stream:
            held = talk(stream)._audio_ingest._log
            raise InternalError("The client went before the first message.")
    with pytest.raises(ValueError, match="closed file"):
        held.sync()
    assert harness.streams.count == 0


async def test_a_stream_cut_while_its_log_is_opened_leaves_no_file_open(
    harness: StreamHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[AudioLogFile] = []
    begun, may_open = threading.Event(), threading.Event()
    open_log = harness.spool.open_log

    def slowly(stream_id: str) -> AudioLogFile:
        begun.set()
        may_open.wait()
        opened.append(open_log(stream_id))
        return opened[0]

    async with harness.streams.open(harness.config) as stream:
        pass
    monkeypatch.setattr(harness.spool, "open_log", slowly)
    row = await harness.ledger.read(lambda cursor: stream_rows.get(cursor, stream.id))
    opening = asyncio.ensure_future(harness.registry.open_log(row, "app"))
    await asyncio.to_thread(begun.wait)
    opening.cancel()
    await asyncio.wait([opening])
    may_open.set()

    def closed() -> bool:
        return bool(opened) and opened[0]._file.closed

    await eventually(closed)


async def test_a_sound_before_the_end_mark_is_an_utterance_however_short(harness: StreamHarness) -> None:
    harness.segmenter_type = QuickYes
    async with harness.streams.open(harness.config) as stream:
        inputs = these(events.AudioIn(0, speech(0.1)), events.EndMark())
        outputs = [o async for o in talk(stream).run(inputs)]
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final)
    assert order == ["SpeechBegan", "SpeechEnded", "Final"]


async def test_a_proposal_without_material_gives_a_notice_and_the_stream_goes_on(harness: StreamHarness) -> None:
    noticed = asyncio.Event()

    async def inputs() -> AsyncIterator[Input]:
        yield events.ProposeIn(0.0)
        await noticed.wait()
        yield events.TextIn(RawText("The meter reads 4821."))
        yield events.ProposeIn(0.0)

    outputs: list[Output] = []
    async with harness.streams.open(harness.config) as stream:
        async for output in talk(stream).run(inputs()):
            outputs.append(output)
            if isinstance(output, events.Notice):
                noticed.set()
    assert [o.reason for o in outputs if isinstance(o, events.Notice)] == ["NO_MATERIAL"]
    assert kinds(outputs, events.Notice, events.Final, events.Proposal)[-2:] == ["Final", "Proposal"]


@pytest.mark.parametrize(("barge_in", "replies"), [(False, 3), (True, 1)])
async def test_turns_whose_client_left_before_the_reply_get_a_reply_job(
    harness: StreamHarness, barge_in: bool, replies: int
) -> None:
    """With barge-in the newest turn alone has one, because the person went on after the others."""
    harness.assistant.hold()

    async def typed() -> AsyncIterator[Input]:
        for text in ("One.", "Two.", "Three."):
            yield events.TextIn(RawText(text))
        await asyncio.Event().wait()

    async with (
        harness.streams.open(replace(harness.config, reply=True, barge_in=barge_in)) as stream,
        aclosing(talk(stream).run(typed())) as outputs,
    ):
        seen = [await anext(outputs)]
        while len(finals := [o.turn.id for o in seen if isinstance(o, events.Final)]) < 3:
            seen.append(await anext(outputs))
    waiting = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.config.session_id))
    assert {job.kind for job in waiting} == {"reply"}
    assert {job.payload["turn_id"] for job in waiting} == set(finals[-replies:])


def unsafe(value: str) -> list[Redaction]:
    """What the redactor gives when a recognizer failed."""
    return [Redaction(RedactedText.restore(value, {}, safe_for_llm=False), ())]


async def test_after_an_unsafe_turn_the_llm_still_answers_the_other_turns(harness: StreamHarness) -> None:
    """Neither in the same talk nor in a later stream of the session."""
    config = replace(harness.config, reply=True)
    harness.gateway.will("redact", unsafe("My name is Zanzibar."))
    origins = []
    for texts in (("Unsafe.", "The meter reads 4821."), ("And the site is Ikeja.",)):
        async with harness.streams.open(config) as stream:
            typed = these(*(events.TextIn(RawText(text)) for text in texts))
            origins += [o.origin async for o in talk(stream).run(typed) if isinstance(o, events.ReplyEnded)]
    assert origins == [Origin.FALLBACK, Origin.MODEL, Origin.MODEL]
    assert await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.config.session_id)) == []
    [exchange, *_] = harness.assistant.asked_replies[-1].history
    assert exchange == Exchange(WITHHELD, RedactedText.literal("I have noted that."))
