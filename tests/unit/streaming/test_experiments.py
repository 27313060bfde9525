"""What the variant of a session changes in its streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from models.text import RawText, RedactedText
from server.experiments.catalogue import Experiments
from server.experiments.types import Changes, Experiment, Variant
from server.streaming import events
from tests.unit.streaming.conversation_harness import NOW, these
from tests.unit.streaming.stream_harness import StreamHarness, talk

ASK = RedactedText.literal("Ask for the meter first.")
EXPERIMENTS = Experiments(
    Experiment(
        "pause",
        (Variant("usual"), Variant("short", changes=Changes(0.4)), Variant("told", changes=Changes(None, ASK))),
        NOW,
    )
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path, experiments=EXPERIMENTS)
    yield built
    built.ledger.close()


@pytest.mark.parametrize(
    ("variant", "chosen_s", "taken_s"),
    [("pause.short", None, 0.4), ("pause.short", 1.5, 1.5), ("pause.usual", None, None), ("mine", None, None)],
)
async def test_a_variant_sets_the_end_of_speech_where_the_client_chooses_none(
    harness: StreamHarness, variant: str, chosen_s: float | None, taken_s: float | None
) -> None:
    config = replace(harness.session_of("app", variant=variant), end_silence_s=chosen_s)
    async with harness.streams.open(config):
        assert harness.endings == [(taken_s, None)]


@pytest.mark.parametrize(("variant", "told"), [("pause.told", ASK), ("pause.usual", None)])
async def test_a_variant_tells_the_assistant_something(
    harness: StreamHarness, variant: str, told: RedactedText | None
) -> None:
    config = replace(harness.session_of("app", variant=variant), reply=True)
    async with harness.streams.open(config) as stream:
        typed = these(events.TextIn(RawText("Good morning.")))
        async with aclosing(talk(stream).run(typed)) as outputs:
            assert any([isinstance(output, events.ReplyEnded) async for output in outputs])
    assert [asked.instruction for asked in harness.assistant.asked_replies] == [told]
