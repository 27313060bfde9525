"""What comes with the text: the kept language, words with their times, and the number of held-back words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.speech.types import RedactedWord
from ray_tasks.types import SpeechWindow
from server.streaming import events
from tests.unit.streaming.conversation_harness import chunks, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, endless, talk, until

UTTERANCE = speech(1.0) + quiet(0.5)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path, language="")
    yield built
    built.ledger.close()


def shown(word: RedactedWord) -> tuple[str, float, float, float]:
    """What the wire shows of a word."""
    return word.text.value, word.start_s, word.end_s, word.confidence


def asked_in(harness: StreamHarness) -> list[str]:
    """The languages of the finals, in order."""
    windows = [call.argument for call in harness.gateway.called("speech_step")]
    return [window.language for window in windows if isinstance(window, SpeechWindow) and window.final]


@pytest.mark.parametrize(
    ("probability", "later"),
    [(0.95, "de"), (0.7, "")],
)
async def test_a_language_detected_with_high_probability_is_kept(
    harness: StreamHarness, probability: float, later: str
) -> None:
    harness.gateway.detects = ("de", probability)
    async with harness.streams.open(harness.config) as stream:
        outputs = [o async for o in talk(stream).run(chunks(3 * UTTERANCE))]
    assert [o.turn.language for o in outputs if isinstance(o, events.Final)] == ["de", "de", "de"]
    assert asked_in(harness) == ["", later, later]


@pytest.mark.parametrize("given_again", ["", "fr"])
@pytest.mark.parametrize(("given", "asked"), [("", ["", "de", "", ""]), ("fr", ["fr", "fr", "fr", "fr"])])
async def test_a_detected_language_is_detected_again_after_a_doubtful_final(
    harness: StreamHarness, given: str, given_again: str, asked: list[str]
) -> None:
    """A resumed stream goes on as it was opened, whatever its client gives then."""
    harness.gateway.detects = ("de", 0.95)
    async with harness.streams.open(replace(harness.config, language=given)) as stream:
        await until(stream, endless(UTTERANCE), events.Final)
    harness.gateway.confidence = 0.2
    resumed = replace(harness.config, language=given_again, resume_token=stream.token)
    async with harness.streams.open(resumed) as again:
        outputs = [o async for o in talk(again).run(chunks(4 * UTTERANCE, start=again.next_offset))]
        assert any(isinstance(o, events.Final) for o in outputs)
    assert asked_in(harness)[:4] == asked


async def test_a_kept_language_survives_the_connection(harness: StreamHarness) -> None:
    harness.gateway.detects = ("es", 0.99)
    async with harness.streams.open(harness.config) as stream:
        await until(stream, endless(UTTERANCE), events.Final)
    harness.gateway.detects = ("pt", 0.99)
    async with harness.streams.open(replace(harness.config, resume_token=stream.token)) as again:
        outputs = [o async for o in talk(again).run(chunks(2 * UTTERANCE, start=again.next_offset))]
    assert [o.turn.language for o in outputs if isinstance(o, events.Final)] == ["es"]


async def test_words_come_with_the_times_of_the_stream_and_again_when_a_final_was_lost(harness: StreamHarness) -> None:
    config = replace(harness.config, word_times=True)
    async with harness.streams.open(config) as stream:
        outputs = [o async for o in talk(stream).run(chunks(2 * UTTERANCE))]
    first, second = (o.turn for o in outputs if isinstance(o, events.Final))
    assert [word.text.value for word in second.words] == second.text.value.split()
    assert [word.start_s for word in second.words[:2]] == [second.start_s, second.start_s + harness.gateway.word_s]
    async with harness.streams.open(replace(config, resume_token=stream.token, next_utterance=0)) as again:
        assert [list(map(shown, turn.words)) for turn in again.missed] == [
            list(map(shown, turn.words)) for turn in (first, second)
        ]


async def test_words_come_only_when_asked_for(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        outputs = [o async for o in talk(stream).run(chunks(UTTERANCE))]
    assert [o.turn.words for o in outputs if isinstance(o, events.Final)] == [()]


async def test_a_partial_counts_the_words_that_it_holds_back(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        seen = await until(stream, endless(speech(3.0)), events.Partial)
    partial = seen[-1]
    assert isinstance(partial, events.Partial)
    spoken = len(harness.gateway.spoken.split())
    assert partial.pending_words == spoken - len(partial.text.value.split())
    assert partial.stability == 0.5
