"""The clients of docs/clients on a real port with all services: from the first question to the approved record.

The workers alone are replaced. The connection breaks while somebody speaks.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import grpc.aio
import pytest
from vestibule.v1 import common_pb2, session_pb2
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._cut import Relay
from server.access.caller import Caller, Scope, set_caller
from server.access.peer import parse_peer
from server.rpc.interceptors.base import Call, CallHook, HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.validate import Validate
from tests.unit.access.two_clients import TwoClients
from tests.unit.docs.client_pages import NO_NODE, Terminal, built_python, built_typescript
from tests.unit.streaming.conversation_harness import quiet, speech

pytestmark = pytest.mark.slow

CALLERS = {
    f"Bearer {name}": Caller(f"key:{name}", "app-a", frozenset(Scope), parse_peer("ipv4:10.0.0.1:1"))
    for name in ("app", "reviewer")
}
UTTERANCES = 4


class _CalledBy(CallHook):
    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        set_caller(CALLERS[call.metadata("authorization")])
        yield


async def test_the_client_in_python(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(built_python, tmp_path / "client")
    await _onboarding(tmp_path / "server", folder, [sys.executable, "app.py"], [sys.executable, "review.py"])


@NO_NODE
async def test_the_client_in_typescript(tmp_path: Path) -> None:
    folder = await asyncio.to_thread(built_typescript, tmp_path / "client")
    await _onboarding(tmp_path / "server", folder, ["node", "build/src/app.js"], ["node", "build/src/review.js"])


async def _onboarding(home: Path, folder: Path, program: Sequence[str], review: Sequence[str]) -> None:
    await asyncio.to_thread((folder / "visit.pcm").write_bytes, (speech(0.5) + quiet(1.0)) * UTTERANCES)
    await asyncio.to_thread(home.mkdir)
    world = TwoClients(home)
    server = grpc.aio.server(interceptors=[HookInterceptor(hook) for hook in (MapErrors(), _CalledBy(), Validate())])
    world.services.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    settings = {"VESTIBULE_API_KEY": "app"}
    try:
        async with Relay(lambda: port) as relay, Terminal(program, folder, settings, relay.address) as person:
            session_id = (await person.until("session ")).split()[-1]
            await _answered(person, relay)
            await relay.cut()  # the record may come before the session is watched again
            person.type("/done")
            await person.until("is RECOMMENDATION_STATE_PENDING")
            settings = {"VESTIBULE_API_KEY": "reviewer"}
            async with Terminal(review, folder, settings, f"127.0.0.1:{port}") as second:
                await _reviewed(second)
            assert await person.ended() == 0
        assert any(line.startswith("   meter_reading: 4822") for line in person.lines), "the corrected record came"
        assert "session is SESSION_STATE_COMPLETED" in person.lines
        await _kept(port, session_id, person)
    finally:
        await server.stop(0)
        world.ledger.close()


async def _answered(person: Terminal, relay: Relay) -> None:
    """Values, a refused one, speech while the connection breaks, and a typed text."""
    await person.until("?? Which site are you at?")
    await person.until("for example: Pump station 7")
    person.type("=Riverside", "=many")
    refused = await person.until("refused: ")
    assert "ANSWER_INVALID value must be a number" in refused
    person.type("=4821", "=m3", "/speak visit.pcm")
    await person.until("said: ")
    await relay.cut()
    await person.until("again in ")
    person.type("Hello.", "/skip")
    await person.until("STEP_NOT_SKIPPABLE")


async def _reviewed(reviewer: Terminal) -> None:
    """One field is accepted and then corrected, then the record as it is now is approved."""
    await reviewer.until("1 waiting")
    reviewer.type("meter_reading ok", "meter_reading = 4822")
    await reviewer.until("meter_reading: 4821 FIELD_DECISION_ACCEPTED")
    await reviewer.until("meter_reading: 4822 FIELD_DECISION_CORRECTED")
    reviewer.type("approve")
    await reviewer.until("record is RECOMMENDATION_STATE_APPROVED")
    assert await reviewer.ended() == 0


async def _kept(port: int, session_id: str, person: Terminal) -> None:
    """Each turn was shown once, and the session is complete."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        sessions, key = SessionServiceStub(channel), (("authorization", "Bearer app"),)
        request = session_pb2.ListTurnsRequest(session_id=session_id)
        turns = (await sessions.ListTurns(request, metadata=key)).turns
        found = await sessions.GetSession(session_pb2.GetSessionRequest(session_id=session_id), metadata=key)
    said = [line.removeprefix("said: ") for line in person.lines if line.startswith("said: ")]
    assert sorted(said) == sorted(turn.text.value for turn in turns), "the clock stands still, so turns have no order"
    assert len(said) == UTTERANCES + 1
    assert found.session.state == common_pb2.SESSION_STATE_COMPLETED
