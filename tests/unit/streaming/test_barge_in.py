"""A reply stops when the person goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

import pytest

from models.errors import ShuttingDown
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import SpeechStep, SpeechWindow
from server.flows.briefing import Briefing
from server.ledger.types import Origin
from server.llm.types import Exchange, ReplyStream
from server.streaming import events
from server.streaming.barge_in import BargeIn, Interrupted
from server.streaming.events import Input
from tests.eventually import eventually
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway, redacted
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


def no_speech() -> SpeechStep:
    """What a final finds in a noise in which a partial had heard words."""
    return SpeechStep(redacted(""), b"fake-carry-9", 0.0, "en", True, 1.0, 0.01)


class NoiseWithWords(FakeGateway):
    """Hears words in partials, and none in the final, of the first utterances."""

    def __init__(self, noises: int = 1) -> None:
        super().__init__()
        self.noises = noises

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        if window.final and self.noises:
            self.noises -= 1
            return no_speech()
        return await super().speech_step(window, timeout_s=timeout_s)


async def slowly(audio: bytes) -> AsyncIterator[Input]:
    async for item in chunks(audio):
        yield item
        for _ in range(20):  # let the recognition run between two chunks
            await asyncio.sleep(0)


def notices(harness: ConversationHarness) -> list[events.Notice]:
    return [output for output in harness.seen if isinstance(output, events.Notice)]


async def test_a_reply_that_a_noise_stopped_comes_whole_later() -> None:
    assistant = Slow()
    harness = ConversationHarness(assistant=assistant, gateway=NoiseWithWords())
    await harness.run(first_text_then(assistant, rest=slowly(speech(3.0) + quiet(1.0))))
    assert [notice.reason for notice in notices(harness)] == ["NO_SPEECH"]
    assert [(output.cut, output.late_reply) for output in ended(harness)] == [("REPLY_INTERRUPTED", False)]
    assert harness.retries == [harness.stored[0].turn.id]


async def test_without_a_remote_llm_no_late_reply_follows_a_noise() -> None:
    assistant = Slow()
    assistant.is_configured = False
    harness = ConversationHarness(assistant=assistant, gateway=NoiseWithWords())
    await harness.run(first_text_then(assistant, rest=slowly(speech(3.0) + quiet(1.0))))
    assert harness.retries == []


async def test_a_reply_of_which_nothing_was_sent_is_given_after_the_noise() -> None:
    assistant = Slow(stops_after=0)
    harness = ConversationHarness(assistant=assistant, gateway=NoiseWithWords())
    await harness.run(first_text_then(assistant, rest=slowly(speech(3.0) + quiet(1.0))))
    [first] = harness.replies
    assert [(output.origin, output.cut) for output in ended(harness)] == [(Origin.MODEL, "")]
    assert first.text is not None
    assert pieces_of(harness, first.turn.id) == first.text.value
    assert len(assistant.histories) == 2, "the upstream was asked again"
    assert harness.retries == []


async def test_after_a_noise_the_words_of_the_person_count_as_before() -> None:
    assistant = Slow(stops_after=0)
    harness = ConversationHarness(assistant=assistant, gateway=NoiseWithWords())
    pause = quiet(1.0)
    await harness.run(first_text_then(assistant, rest=slowly(speech(3.0) + pause + speech(3.0) + pause)))
    assert len(harness.stored) == 2
    assert [output.turn_id for output in ended(harness)] == [stored.turn.id for stored in harness.stored]
    assert ended(harness)[-1].cut == ""


async def test_words_that_become_a_turn_stop_the_reply_of_which_nothing_was_sent() -> None:
    assistant = Slow(stops_after=0)
    harness = ConversationHarness(assistant=assistant)
    await harness.run(first_text_then(assistant, rest=slowly(speech(3.0) + quiet(1.0))))
    assert [(output.origin, output.cut) for output in ended(harness)] == [
        (None, "REPLY_INTERRUPTED"),
        (Origin.MODEL, ""),
    ]
    assert harness.replies[0].interrupted_by is TextSource.SPEECH
    assert harness.retries == []


@pytest.mark.parametrize(("pieces", "sent"), [(0, 0), (2, 1)])
async def test_a_client_that_leaves_while_words_go_on_gets_the_reply_later(pieces: int, sent: int) -> None:
    assistant = Slow(stops_after=pieces)
    harness = ConversationHarness(assistant=assistant, gateway=NoiseWithWords())

    async def speaking() -> AsyncIterator[Input]:
        async for item in first_text_then(assistant, rest=slowly(speech(3.0))):
            yield item
        await asyncio.Event().wait()

    running = asyncio.ensure_future(harness.run(speaking()))
    await eventually(lambda: any(isinstance(o, events.Partial) and o.has_words for o in harness.seen))
    await eventually(lambda: len(harness.replies) == sent)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(harness.replies) == sent, "what was sent of it is kept"
    assert harness.retries == [harness.stored[0].turn.id]


async def test_a_stopping_server_gives_the_reply_that_waits_for_the_end_of_words() -> None:
    assistant = Slow(stops_after=0)
    harness = ConversationHarness(assistant=assistant)

    async def speaking() -> AsyncIterator[Input]:
        async for item in first_text_then(assistant, rest=slowly(speech(3.0))):
            yield item
        await eventually(lambda: any(isinstance(o, events.Partial) and o.has_words for o in harness.seen))
        harness.lifecycle.begin_drain()
        await asyncio.Event().wait()

    with pytest.raises(ShuttingDown):
        await harness.run(speaking())
    assert [output.cut for output in ended(harness)] == [""]


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


def test_words_that_give_no_turn_stop_nothing_any_more() -> None:
    barge_in = BargeIn()
    barge_in.heard(3, TextSource.TYPED)
    barge_in.heard(4, TextSource.SPEECH, finished=False)
    assert barge_in.passed(3)
    assert not barge_in.passed_for_good(3)
    barge_in.nothing_said(4)
    assert not barge_in.passed(3)
    barge_in.heard(5, TextSource.SPEECH, finished=False)
    barge_in.nothing_said(4)
    assert barge_in.passed(3), "there are newer words"
    barge_in.heard(5, TextSource.SPEECH)
    assert barge_in.passed_for_good(3)
    assert barge_in.passed(2)
    barge_in.nothing_said(5)
    assert barge_in.passed(3), "they are a turn"


def test_one_recognition_alone_is_no_word() -> None:
    empty = RedactedText.literal("")
    assert not events.Partial(0, empty, 2, 0.0).has_words
    assert events.Partial(0, empty, 2, 0.5).has_words
    assert events.Partial(0, RedactedText.literal("I")).has_words
    assert not events.Partial(0, empty).has_words
