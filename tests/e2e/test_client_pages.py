"""The clients of docs/clients, from the first question to the approved record, over a connection that breaks."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from vestibule.v1 import common_pb2, session_pb2

from benchmarks._cut import Relay
from tests.e2e.client_pages import NO_NODE, Terminal, built_python
from tests.e2e.harness import DATA, App, Server, visit_pcm
from tests.e2e.test_access import keys

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]

SPOKEN_S = 6
"""The name and the site; the number and the reading come after it."""
PERSONAL = ("Carter", "555", "0132")


async def test_the_client_in_python(server: Server, app: App, tmp_path: Path) -> None:
    folder = await asyncio.to_thread(built_python, tmp_path)
    await _onboarding(server, app, folder, "pages-py", [sys.executable, "app.py"], [sys.executable, "review.py"])


@NO_NODE
async def test_the_client_in_typescript(server: Server, app: App, typescript_client: Path) -> None:
    programs = ["node", "build/src/app.js"], ["node", "build/src/review.js"]
    await _onboarding(server, app, typescript_client, "pages-ts", *programs)


async def _onboarding(
    server: Server, app: App, folder: Path, client: str, program: Sequence[str], review: Sequence[str]
) -> None:
    (folder / "visit.pcm").write_bytes(visit_pcm()[: SPOKEN_S * 32_000])
    for picture in ("meter.jpg", "register.jpg"):
        shutil.copy(DATA / picture, folder)
    key, reviewer = [
        await asyncio.to_thread(keys, server, "create", "--scope", scope, "--client", client)
        for scope in ("app", "reviewer")
    ]
    port = int(server.address.rpartition(":")[2])
    async with Relay(lambda: port) as relay:
        settings = {"VESTIBULE_ADDRESS": relay.address, "VESTIBULE_API_KEY": key}
        async with Terminal(program, folder, settings) as person:
            session_id = (await person.until("session ")).split()[-1]
            await _answered(person, relay)
            person.type("/done")
            await person.until("is RECOMMENDATION_STATE_PENDING")
            await person.until("missing: ")
            settings = {"VESTIBULE_ADDRESS": server.address, "VESTIBULE_API_KEY": reviewer}
            async with Terminal(review, folder, settings) as second:
                await _reviewed(second, folder)
            assert await person.ended() == 0
    shown = [line for line in person.lines if line.startswith("   site_name: Riverside North")]
    assert shown, "the app was told of the corrected record"
    assert "session is SESSION_STATE_COMPLETED" in person.lines
    assert [value for value in PERSONAL if value in person.text + second.text] == []
    await _kept(app, session_id, person)


ANSWERS = {
    "Which site are you at?": "=Riverside",
    "What does the meter read?": "/photo meter.jpg",
    "Is that in cubic metres": "=m3",
    "Is there a visitor register": "/photo register.jpg",
    "How can we reach you": "My number is 415 555 0132.",
    "What is your name?": "My name is John Carter.",
}


async def _answered(person: Terminal, relay: Relay) -> None:
    """Everything that is asked is answered: as a value, spoken while the connection breaks, photographed and typed."""
    await person.until("?? Which site are you at?")
    await person.until("for example: Pump station 7")
    person.type("=Riverside")
    await person.until("?? What does the meter read?")
    person.type("=many")
    refused = await person.until("refused: ")
    assert "ANSWER_INVALID value must be a number" in refused
    person.type("/speak visit.pcm", "/photo meter.jpg")
    await person.until("said: ")
    await relay.cut()
    await person.until("again in ")
    await person.until("100 %", "100%")
    while "?? " in (asked := await person.until("?? ", "-- Nothing is left to ask.")):
        (answer,) = [answer for question, answer in ANSWERS.items() if question in asked]
        person.type(answer)
    assert any(line.startswith("said: My number is [REDACTED_PHONE]") for line in person.lines)


async def _reviewed(reviewer: Terminal, folder: Path) -> None:
    """One field is accepted and one corrected, then the record as it is now is approved."""
    await reviewer.until("1 waiting")
    picture = (await reviewer.until("picture: ")).split()[1].rstrip(",")
    assert (folder / picture).read_bytes().startswith(b"\xff\xd8")
    reviewer.type("meter_reading ok", "site_name = Riverside North")
    accepted = await reviewer.until("FIELD_DECISION_ACCEPTED")
    assert accepted.startswith("   meter_reading: "), accepted
    assert "4821" in accepted
    await reviewer.until("site_name: Riverside North FIELD_DECISION_CORRECTED")
    reviewer.type("approve")
    await reviewer.until("record is RECOMMENDATION_STATE_APPROVED")
    assert await reviewer.ended() == 0


async def _kept(app: App, session_id: str, person: Terminal) -> None:
    """Each turn was shown once, in its order, and the session is complete."""
    turns = (await app.sessions.ListTurns(session_pb2.ListTurnsRequest(session_id=session_id))).turns
    assert [line.removeprefix("said: ") for line in person.lines if line.startswith("said: ")] == [
        turn.text.value for turn in turns
    ]
    assert len(turns) >= 3
    found = (await app.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session_id))).session
    assert found.state == common_pb2.SESSION_STATE_COMPLETED
