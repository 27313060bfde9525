"""`vestibule talk FILE`: the questions that are shown, and what answers them."""

from __future__ import annotations

import pytest

from server.cli.talk.client import RATE_HZ, TalkOptions
from server.cli.talk.opening import Opening
from server.cli.talk.screen import Screen
from server.cli.talk.spoken import stream
from tests.unit.talk.conftest import World


async def test_a_recording_answers_the_question_that_is_open_which_is_shown_as_the_next_one_is(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    session_id = await world.type("It is Riverside North.", "4830 cubic metres")
    world.harness.gateway.spoken = "No."
    capsys.readouterr()
    screen = Screen(terminal=False)
    options = TalkOptions(session_id, "en", give_up_s=5.0)
    await stream(world.server, options, b"\x01\x00" * RATE_HZ, screen, fast=True)
    shown = capsys.readouterr().err.splitlines()
    assert shown[-3:] == [
        "[3/6] Visitor register: Is there a visitor register that you can photograph?",
        "No.",
        "[4/6] Contact: How can we reach you, by phone or e-mail?",
    ]
    assert [line.text for line in screen.lines] == ["No."]


async def test_a_recording_in_a_new_session_answers_its_first_question(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.harness.gateway.spoken = "Riverside North."
    await stream(
        world.server, TalkOptions("", "en"), b"\x01\x00" * RATE_HZ, Screen(terminal=False), fast=True, opening=Opening()
    )
    assert capsys.readouterr().err.splitlines()[1:] == [
        "[0/6] Site: Which site are you at?",
        "Riverside North.",
        "  site: Riverside North",
        "[1/6] Meter: What does the meter read?",
    ]
