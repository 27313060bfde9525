"""The clients of docs/clients as they stand there, on whole servers: from the first question to the approved record."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.harness import DATA, Server, planted, visit_pcm
from tests.e2e.test_access import keys
from tests.unit.docs.client_pages import NO_NODE, Terminal, built_python, built_typescript

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

ANSWERS: Final = {
    "Which site are you at?": "=Riverside",
    "What does the meter read?": "/photo meter.jpg",
    "Is that in cubic metres": "=m3",
    "Is there a visitor register": "/photo register.jpg",
    "How can we reach you": "You can call me on 415-555-0132.",
    "What is your name?": "My name is Maria Lopez.",
}
"""What the person does when something is asked. Each leads to one further question."""
NOTHING_LEFT: Final = "Nothing is left to ask."
MOST_LINES: Final = 1_000

PROGRAMS: Final = [
    pytest.param(built_python, [sys.executable, "app.py"], [sys.executable, "review.py"], id="python"),
    pytest.param(
        built_typescript, ["node", "build/src/app.js"], ["node", "build/src/review.js"], id="typescript", marks=NO_NODE
    ),
]


@pytest.mark.parametrize(("build", "program", "review"), PROGRAMS)
async def test_a_documented_client_gets_to_an_approved_record(
    server: Server, tmp_path: Path, build: Callable[[Path], Path], program: list[str], review: list[str]
) -> None:
    folder = await asyncio.to_thread(build, tmp_path / "client")
    (folder / "visit.pcm").write_bytes(visit_pcm())
    for name in ("meter.jpg", "register.jpg"):
        shutil.copy(DATA / name, folder)
    client = ["--client", tmp_path.name]
    of_app = await asyncio.to_thread(keys, server, "create", "--scope", "app", *client)
    of_reviewer = await asyncio.to_thread(keys, server, "create", "--scope", "reviewer", *client)
    async with Terminal(program, folder, {"VESTIBULE_API_KEY": of_app}, server.address) as person:
        while NOTHING_LEFT not in (line := await person.until("?? ", NOTHING_LEFT)):
            person.type(next(does for question, does in ANSWERS.items() if question in line))
            assert len(person.lines) < MOST_LINES, person.text
        person.type("/speak visit.pcm", "/done")
        assert "[REDACTED_NAME]" in await person.until("said: ")
        await person.until("is RECOMMENDATION_STATE_PENDING")
        async with Terminal(review, folder, {"VESTIBULE_API_KEY": of_reviewer}, server.address) as reviewer:
            assert "1 waiting" in await reviewer.until("waiting")
            reviewer.type("meter_reading = 4822")
            await reviewer.until("meter_reading: 4822 FIELD_DECISION_CORRECTED")
            reviewer.type("approve")
            await reviewer.until("record is RECOMMENDATION_STATE_APPROVED")
            assert await reviewer.ended() == 0
        assert await person.ended() == 0
    assert any(line.startswith("   meter_reading: 4822") for line in person.lines), person.text
    assert "session is SESSION_STATE_COMPLETED" in person.lines
    assert any(line.startswith("picture: ") for line in reviewer.lines), reviewer.text
    shown = person.text + reviewer.text
    assert [value for value in (*planted("register", "visit"), "415-555-0132", "Maria Lopez") if value in shown] == []
