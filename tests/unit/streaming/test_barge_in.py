"""A reply stops when the person goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest

from models.text import RawText, RedactedText, TextSource
from server.flows.briefing import Briefing
from server.ledger.types import Origin
from server.llm.types import Exchange, ReplyStream
from server.streaming import events
from server.streaming.barge_in import BargeIn, Interrupted
from server.streaming.events import Input
from tests.eventually import eventually
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.unit.streaming.conversation_harness import ConversationHarness, chunks, quiet, speech, these

FIRST = ("One. ", "Two. ", "Three. ", "Four.")


@dataclass
class Slow(FakeAssistant):
    """Its first reply stops after some pieces until it is released; later ones are quick."""

    stops_after: int = 2
    stuck: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    closed: list[str] = field(default_factory=list)
    histories: list[list[Exchange]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def reply(
        self,
        said: RedactedText,
        history: list[Exchange],
        *,
        language: str,
        fallback: bool,
        retry: bool = False,
        instruction: RedactedText | None = None,
        briefing: Briefing | None = None,
    ) -> ReplyStream:
        self.histories.append(list(history))
        if len(self.histories) > 1:
            return await super().reply(said, history, language=language, fallback=fallback)
        if self.stops_after == 0:
            await self._stick()
        return ReplyStream(self._pieces(), Origin.MODEL)

    async def _pieces(self) -> AsyncGenerator[str, None]:
        try:
            for number, piece in enumerate(FIRST):
                if number == self.stops_after:
                    await self._stick()
                yield piece
        finally:
            self.closed.append("pieces")

    async def _stick(self) -> None:
        self.stuck.set()
        await self.released.wait()


async def first_text_then(
    assistant: Slow, *more: Input, rest: AsyncIterator[Input] | None = None
) -> AsyncIterator[Input]:
    yield events.TextIn(RawText("I am at the gate"))
    await assistant.stuck.wait()
    for item in more:
        yield item
    if rest is not None:
        async for item in rest:
            yield item


def ended(harness: ConversationHarness) -> list[events.ReplyEnded]:
    return [output for output in harness.seen if isinstance(output, events.ReplyEnded)]


def pieces_of(harness: ConversationHarness, turn_id: str) -> str:
    pieces = [output for output in harness.seen if isinstance(output, events.ReplyPiece) and output.turn_id == turn_id]
    return "".join(piece.text.value for piece in pieces)


async def test_a_typed_text_stops_the_reply_and_what_was_sent_is_kept() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant)
    await harness.run(first_text_then(assistant, events.TextIn(RawText("no, at the dock"))))
    first, second = harness.replies
    assert ended(harness) == [
        events.ReplyEnded(first.turn.id, Origin.MODEL, "REPLY_INTERRUPTED", late_reply=False),
        events.ReplyEnded(second.turn.id, Origin.MODEL),
    ]
    # The second sentence was not known to be whole yet.
    assert first.text is not None
    assert first.text.value == pieces_of(harness, first.turn.id) == "One. "
    assert (first.cut, first.interrupted_by) == ("REPLY_INTERRUPTED", TextSource.TYPED)
    assert harness.retries == []
    [earlier] = assistant.histories[1]
    assert (earlier.answered, earlier.cut) == (first.text, True)


async def test_the_stream_of_the_upstream_is_closed_before_the_next_reply_is_asked_for() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant)

    async def inputs() -> AsyncIterator[Input]:
        async for item in first_text_then(assistant, events.TextIn(RawText("no, at the dock"))):
            yield item
        await eventually(lambda: len(assistant.histories) == 2)
        assert assistant.closed == ["pieces"]

    await harness.run(inputs())
    assert assistant.closed == ["pieces"]


async def test_words_stop_the_reply_while_the_person_still_speaks() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant)

    async def speaking() -> AsyncIterator[Input]:
        async for item in chunks(speech(3.0)):
            yield item
            for _ in range(20):  # let the recognition run between two chunks
                await asyncio.sleep(0)
        await eventually(lambda: bool(ended(harness)))
        assert not [o for o in harness.seen if isinstance(o, events.Final) and o.turn.source == TextSource.SPEECH]

    await harness.run(first_text_then(assistant, rest=speaking()))
    assert [output.cut for output in ended(harness)] == ["REPLY_INTERRUPTED", ""]
    assert harness.replies[0].interrupted_by is TextSource.SPEECH


async def test_a_sound_without_words_stops_nothing() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant, gateway=FakeGateway(spoken=""))

    async def noise() -> AsyncIterator[Input]:
        async for item in chunks(speech(1.0) + quiet(0.5)):
            yield item
        await eventually(lambda: any(isinstance(o, events.Notice) for o in harness.seen))
        assistant.released.set()

    await harness.run(first_text_then(assistant, rest=noise()))
    assert [output.cut for output in ended(harness)] == [""]
    assert harness.replies[0].text is not None
    assert harness.replies[0].text.value == "".join(FIRST)


async def test_a_reply_that_has_not_begun_is_told_as_interrupted_too() -> None:
    assistant = Slow(stops_after=0)
    harness = ConversationHarness(assistant=assistant)
    await harness.run(first_text_then(assistant, events.TextIn(RawText("no, at the dock"))))
    first, second = ended(harness)
    assert (first.origin, first.cut) == (None, "REPLY_INTERRUPTED")
    assert (harness.replies[0].text, harness.replies[0].origin) == (None, None)
    assert (second.origin, second.cut) == (Origin.MODEL, "")


async def test_without_barge_in_every_turn_gets_its_whole_reply() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant, barge_in=False)

    async def inputs() -> AsyncIterator[Input]:
        async for item in first_text_then(assistant, events.TextIn(RawText("no, at the dock"))):
            yield item
        await eventually(lambda: len(harness.stored) == 2)
        assistant.released.set()

    await harness.run(inputs())
    assert [output.cut for output in ended(harness)] == ["", ""]
    assert pieces_of(harness, harness.replies[0].turn.id) == "".join(FIRST)


async def test_a_client_that_leaves_within_a_reply_is_not_taken_for_barge_in() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant)
    running = asyncio.ensure_future(harness.run(these(events.TextIn(RawText("I am at the gate")))))
    await assistant.stuck.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert harness.replies == []
    assert harness.retries == [harness.stored[0].turn.id]


async def test_only_a_later_utterance_stops_a_reply() -> None:
    barge_in = BargeIn()
    barge_in.heard(3, TextSource.TYPED)
    async with barge_in.stops_reply_to(3):
        barge_in.heard(2, TextSource.SPEECH)
        await asyncio.sleep(0)
    with pytest.raises(Interrupted):
        async with barge_in.stops_reply_to(2):
            raise AssertionError("it is not begun")
    with pytest.raises(Interrupted):
        async with barge_in.stops_reply_to(3):
            barge_in.heard(4, TextSource.SPEECH)
            await asyncio.Event().wait()
    assert barge_in.source is TextSource.SPEECH


async def test_a_timeout_of_the_reply_itself_stays_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with BargeIn().stops_reply_to(0):
            raise TimeoutError


def test_one_recognition_alone_is_no_word() -> None:
    empty = RedactedText.literal("")
    assert not events.Partial(0, empty, 2, 0.0).has_words
    assert events.Partial(0, empty, 2, 0.5).has_words
    assert events.Partial(0, RedactedText.literal("I")).has_words
    assert not events.Partial(0, empty).has_words
