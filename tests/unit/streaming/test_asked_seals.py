"""A value of a type that several fields may have is sealed for the field of the open question."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.sealed_values import SealRequest
from server.ledger.types import SessionRow
from server.streaming import events
from tests.unit.streaming.conversation_harness import chunks, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, talk


class NotingSeals:
    """Seals nothing, and notes which field was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def request(self, session: SessionRow, *, from_picture: bool = False, asked: str = "") -> SealRequest | None:
        self.asked.append(asked)
        return None


@pytest.mark.parametrize(("guided", "asked"), [(True, "site_name"), (False, "")])
async def test_the_open_question_says_for_which_field_a_value_is_sealed(
    tmp_path: Path, guided: bool, asked: str
) -> None:
    seals = NotingSeals()
    harness = StreamHarness(tmp_path, seals=seals)
    async with harness.streams.open(replace(harness.config, guided=guided)) as stream:
        outputs = [o async for o in talk(stream).run(chunks(speech(1.0) + quiet(1.0)))]
    assert any(isinstance(output, events.Final) for output in outputs)
    assert set(seals.asked) == {asked}
    harness.ledger.close()
