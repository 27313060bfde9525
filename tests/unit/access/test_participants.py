"""Whoever opens a session, speaks in it or resumes a stream of it takes part; watching it does not count."""

from __future__ import annotations

from pathlib import Path

from vestibule.v1 import conversation_pb2, session_pb2

from server.access.caller import Caller
from server.ledger import participants
from tests.unit.access import two_clients
from tests.unit.access.two_clients import CALLERS, EVERYTHING, TwoClients, call

V1 = "vestibule.v1."


async def test_who_takes_part(tmp_path: Path) -> None:
    for name in ("talks", "resumes", "watches"):
        CALLERS[name] = Caller(f"key:{name}", "app-a", EVERYTHING)
    world = TwoClients(tmp_path)
    owners, _ = await world.fill()
    async with world.serving() as channel:
        config = conversation_pb2.ConverseConfig(session_id=owners.session)
        text = conversation_pb2.TypedText(text="The meter reads 4821.")
        requests = [conversation_pb2.ConverseRequest(config=config), conversation_pb2.ConverseRequest(text=text)]
        assert (await call(channel, "talks", f"{V1}ConversationService/Converse", requests)).code == "OK"
        resumed = conversation_pb2.ConverseConfig(
            session_id=owners.session,
            resume_token=owners.token,
            encoding=conversation_pb2.AUDIO_ENCODING_PCM_S16LE,
            sample_rate_hz=16_000,
            channels=1,
        )
        again = [conversation_pb2.ConverseRequest(config=resumed)]
        assert (await call(channel, "resumes", f"{V1}ConversationService/Converse", again)).code == "OK"
        asked = [session_pb2.GetSessionRequest(session_id=owners.session)]
        assert (await call(channel, "watches", f"{V1}SessionService/GetSession", asked)).code == "OK"
        subjects = ["key:a", "key:talks", "key:resumes", "key:watches", "key:b"]
        noted = await world.ledger.read(
            lambda cursor: [name for name in subjects if participants.took_part(cursor, owners.session, name)]
        )
    assert noted == ["key:a", "key:talks", "key:resumes"]
    for name in ("talks", "resumes", "watches"):
        del two_clients.CALLERS[name]
