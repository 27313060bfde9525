"""One stream from its first input to its last event."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from models.errors import BrokenMedia, InvalidInput, UpstreamFailed, WorkerLost
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.redaction.types import Redaction
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import SpeechWindow
from server.flows.briefing import Briefing
from server.ledger.types import Origin
from server.llm.fallback import fallback_reply
from server.llm.types import Exchange, ReplyStream
from server.streaming import events
from server.streaming.events import Input
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.fakes.recognition import MemoryLog, PcmDecoder
from tests.unit.streaming.conversation_harness import ConversationHarness, chunks, kinds, quiet, speech, these


class BreaksOff(FakeAssistant):
    """Its upstream fails in the second sentence."""

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
        async def pieces() -> AsyncGenerator[str, None]:
            yield "One. "
            yield "Two"
            raise UpstreamFailed("Broke.")

        return ReplyStream(pieces(), Origin.MODEL)


async def test_speech_becomes_a_stored_turn_with_start_end_and_reply() -> None:
    harness = ConversationHarness()
    outputs = await harness.run(chunks(quiet(0.5) + speech(2.0) + quiet(0.5)))
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final, events.ReplyEnded)
    assert order == ["SpeechBegan", "SpeechEnded", "Final", "ReplyEnded"]
    [began] = [o for o in outputs if isinstance(o, events.SpeechBegan)]
    [ended] = [o for o in outputs if isinstance(o, events.SpeechEnded)]
    assert (began.at_s, ended.at_s) == (0.5, 2.5)
    [heard] = harness.stored
    assert heard.turn.text.value == harness.gateway.spoken
    assert heard.finalized_samples == pytest.approx(2.5 * SAMPLE_RATE_HZ, abs=0.1 * SAMPLE_RATE_HZ)
    assert harness.replies[0].turn == heard.turn
    assert harness.conversation is not None
    assert harness.conversation.finished
    assert harness.log.closed


async def test_acknowledged_offsets_grow_up_to_the_end_and_never_run_ahead_of_the_disk() -> None:
    harness = ConversationHarness()
    audio = quiet(2.0)
    outputs = await harness.run(chunks(audio))
    offsets = [o.offset for o in outputs if isinstance(o, events.Acknowledged)]
    assert offsets == sorted(set(offsets))
    assert offsets[-1] == len(audio) == harness.log.synced_bytes


async def test_audio_that_comes_during_a_sync_is_acknowledged_too() -> None:
    over, audio = threading.Event(), speech(1.0) + quiet(0.5)

    class SlowLog(MemoryLog):
        def sync(self) -> None:
            over.wait()
            super().sync()

    async def to_the_end() -> AsyncIterator[Input]:
        async for chunk in chunks(audio):
            yield chunk
        over.set()

    outputs = await ConversationHarness(log=SlowLog()).run(to_the_end())
    assert [o.offset for o in outputs if isinstance(o, events.Acknowledged)][-1] == len(audio)


async def test_partials_grow_while_the_utterance_runs() -> None:
    harness = ConversationHarness()

    async def slowly() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(3.0)):
            yield chunk
            for _ in range(20):  # let the recognition run between two chunks
                await asyncio.sleep(0)

    outputs = await harness.run(slowly(), reply=False)
    partials = [o.text.value for o in outputs if isinstance(o, events.Partial)]
    assert len(partials) >= 2
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(partials))


async def test_a_repeated_chunk_is_skipped_and_a_gap_is_refused() -> None:
    harness = ConversationHarness()
    audio = speech(1.0)
    again = these(events.AudioIn(0, audio), events.AudioIn(0, audio), events.AudioIn(16000, audio[16000:] + b"\0\0"))
    await harness.run(again, reply=False)
    assert bytes(harness.log.data) == audio + b"\0\0"
    with pytest.raises(InvalidInput) as caught:
        await ConversationHarness().run(these(events.AudioIn(10, audio)))
    assert caught.value.reason == "OFFSET_GAP"


async def test_undecodable_bytes_are_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    harness, whole = ConversationHarness(), speech(0.5)
    feed = PcmDecoder.feed

    def broken(self: PcmDecoder, data: bytes) -> Samples:
        if data == b"garbage":
            raise BrokenMedia("The audio cannot be decoded.")
        return feed(self, data)

    monkeypatch.setattr(PcmDecoder, "feed", broken)
    with pytest.raises(BrokenMedia):
        await harness.run(these(events.AudioIn(0, whole), events.AudioIn(len(whole), b"garbage")))
    assert bytes(harness.log.data) == whole


async def test_typed_text_becomes_redacted_turns_in_order() -> None:
    harness = ConversationHarness(gateway=FakeGateway(secrets={"Ann": "NAME"}))
    outputs = await harness.run(these(events.TextIn(RawText("I am Ann")), events.TextIn(RawText("and here"))))
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [(t.utterance, t.text.value) for t in finals] == [(0, "I am [REDACTED_NAME]"), (1, "and here")]
    assert [h.finalized_samples for h in harness.stored] == [None, None]


async def test_an_utterance_without_speech_gives_a_notice_and_no_turn() -> None:
    harness = ConversationHarness(gateway=FakeGateway(spoken=""))
    outputs = await harness.run(chunks(speech(1.0) + quiet(0.5)))
    [notice] = [o for o in outputs if isinstance(o, events.Notice)]
    assert notice.reason == "NO_SPEECH"
    assert harness.silences == [0]
    assert not harness.stored


async def test_the_end_mark_of_the_client_ends_the_utterance_before_any_silence() -> None:
    harness = ConversationHarness()
    said = speech(1.0)
    outputs = await harness.run(these(events.AudioIn(0, said), events.EndMark(), events.EndMark()), reply=False)
    assert kinds(outputs, events.SpeechEnded, events.Final) == ["SpeechEnded", "Final"]
    assert harness.log.marks == [len(said)]  # the second one ended nothing


async def test_a_record_is_proposed_after_what_was_said_before() -> None:
    items = these(events.AudioIn(0, speech(1.0)), events.ProposeIn(1.0))
    outputs = await ConversationHarness().run(items)
    assert kinds(outputs, events.Final, events.ReplyEnded, events.Proposal) == ["Final", "ReplyEnded", "Proposal"]


async def test_half_an_answer_is_told_as_half_and_retried_by_a_job() -> None:
    harness = ConversationHarness(assistant=BreaksOff())
    outputs = await harness.run(these(events.TextIn(RawText("hello"))))
    assert "".join(o.text.value for o in outputs if isinstance(o, events.ReplyPiece)) == "One. "
    [ended] = [o for o in outputs if isinstance(o, events.ReplyEnded)]
    [reply] = harness.replies
    assert ended == events.ReplyEnded(reply.turn.id, Origin.MODEL, "UPSTREAM_FAILED", late_reply=True)
    assert (reply.origin, reply.cut, reply.interrupted_by) == (Origin.MODEL, "UPSTREAM_FAILED", None)
    assert harness.retries == [reply.turn.id]


async def test_where_nothing_was_sent_the_fallback_gives_a_whole_answer() -> None:
    harness = ConversationHarness()
    harness.assistant.script_reply("Half a sente", UpstreamFailed("Broke."))
    outputs = await harness.run(these(events.TextIn(RawText("I am at the Riverside site"))))
    pieces = [o.text.value for o in outputs if isinstance(o, events.ReplyPiece)]
    assert pieces == ["Thank you, I have noted that."]
    [ended] = [o for o in outputs if isinstance(o, events.ReplyEnded)]
    assert (ended.origin, ended.cut, ended.late_reply) == (Origin.FALLBACK, "", True)
    assert len(harness.retries) == 1


async def test_redaction_that_fails_within_a_reply_hides_the_rest_of_it() -> None:
    gateway = FakeGateway()
    harness = ConversationHarness(gateway=gateway)
    harness.assistant.script_reply("One. ", "Two. ", "Three.")
    text = RedactedText.literal
    gateway.will("redact", [Redaction(text("hello"), ())], [Redaction(text("One. "), ())], WorkerLost("Gone."))
    outputs = await harness.run(these(events.TextIn(RawText("hello"))))
    assert [o.text.value for o in outputs if isinstance(o, events.ReplyPiece)] == ["One. "]
    [ended] = [o for o in outputs if isinstance(o, events.ReplyEnded)]
    assert (ended.origin, ended.cut, ended.late_reply) == (Origin.MODEL, "WORKER_LOST", True)


class Spanish(FakeAssistant):
    """Answers as the fallback does."""

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
        return fallback_reply(history, language="es")


async def test_our_own_sentences_are_not_redacted() -> None:
    harness = ConversationHarness(assistant=Spanish())
    outputs = await harness.run(these(events.TextIn(RawText("hola"))))
    said = "".join(o.text.value for o in outputs if isinstance(o, events.ReplyPiece))
    assert said.startswith("Gracias, lo he anotado.")
    assert [call.detail for call in harness.gateway.called("redact")] == [TextSource.TYPED]


async def test_the_question_of_a_reply_applies_to_the_next_turn_only() -> None:
    harness = ConversationHarness()
    harness.assistant.script_reply("Noted. ", "What is your phone number?")
    harness.assistant.script_reply("Thank you.")

    async def in_turn() -> AsyncIterator[Input]:
        for number in range(3):
            yield events.TextIn(RawText(f"text {number}"))
            for _ in range(200):  # let the answer come before the next text
                await asyncio.sleep(0)
        yield events.AudioIn(0, speech(1.0))

    await harness.run(in_turn())
    asked = [call.asked_for for call in harness.gateway.called("redact") if call.detail == TextSource.TYPED]
    assert asked == [(), ("PHONE",), ()]
    windows = [call.argument for call in harness.gateway.called("speech_step")]
    # Of the third answer, which is the default of the fake.
    assert {window.asked_for for window in windows if isinstance(window, SpeechWindow)} == {("READING",)}
