"""A turn has the field that the person was asked for, and is redacted again with that question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from server.ledger import turns
from server.streaming import events
from tests.unit.streaming.conversation_harness import chunks, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, talk


@pytest.mark.parametrize(("guided", "asked"), [(True, "site_name"), (False, "")])
async def test_the_open_question_is_stored_with_the_turn(tmp_path: Path, guided: bool, asked: str) -> None:
    harness = StreamHarness(tmp_path)
    async with harness.streams.open(replace(harness.config, guided=guided)) as stream:
        outputs = [o async for o in talk(stream).run(chunks(speech(1.0) + quiet(1.0)))]
    finals = [output.turn for output in outputs if isinstance(output, events.Final)]
    assert finals
    stored = await harness.ledger.read(lambda cursor: [turns.get(cursor, turn.id) for turn in finals])
    assert {turn.asked_field for turn in stored} == {asked}
    harness.ledger.close()
