"""A running server: two clients, a reviewer and an operator, and what the audit says of them afterwards."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path

import duckdb
import grpc
import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2, recommendation_pb2, session_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import App, Server, config, propose, reason, refusal, start_server, stop_server

pytestmark = pytest.mark.e2e


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "server.cli", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False, env=server.environment)


def new_key(server: Server, *arguments: str) -> str:
    made = command(server, "keys", "create", *arguments, "--address", server.address)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


async def proposed(app: App) -> recommendation_pb2.Recommendation:
    """What a typed text is proposed as, in a session of this app."""
    request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()), language="en")
    session_id = (await app.sessions.StartSession(request)).session.id

    async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        text = conversation_pb2.TypedText(text="I am at the Riverside site. The meter reads 04821.")
        yield conversation_pb2.ConverseRequest(text=text)
        yield propose()

    answers = [answer async for answer in app.conversations.Converse(typed())]
    return next(answer.proposal.recommendation for answer in answers if answer.HasField("proposal"))


async def refused(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    error = await refusal(call)
    return error.code(), reason(error)


async def use(server: Server) -> dict[str, str]:
    """An app's session is seen by nobody else, and approved by a reviewer; returns the holders of the keys."""
    keys = {
        "app": ("--scope", "app", "--scope", "reviewer", "--client", "site-7"),
        "other": ("--scope", "app", "--scope", "reviewer", "--client", "site-8"),
        "reviewer": ("--scope", "reviewer", "--client", "site-7"),
    }
    made = {name: await asyncio.to_thread(new_key, server, *given) for name, given in keys.items()}
    async with AsyncExitStack() as stack:
        apps = {
            name: App(await stack.enter_async_context(open_aio_channel(server.address, credential=key)))
            for name, key in made.items()
        }
        nobody = App(await stack.enter_async_context(open_aio_channel(server.address, credential="")))
        row = await proposed(apps["app"])
        asked = recommendation_pb2.GetRecommendationRequest(recommendation_id=row.id)
        for name in ("app", "reviewer"):
            await apps[name].recommendations.GetRecommendation(asked)
        found = await refused(apps["other"].recommendations.GetRecommendation(asked))
        assert found == (grpc.StatusCode.NOT_FOUND, "RECOMMENDATION_NOT_FOUND")
        looked_for = session_pb2.GetSessionRequest(session_id=row.session_id)
        seen = await refused(apps["other"].sessions.GetSession(looked_for))
        assert seen == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        for _ in range(3):
            assert (await refused(nobody.recommendations.GetRecommendation(asked)))[1] == "CREDENTIALS_MISSING"
        approval = recommendation_pb2.ApproveRecommendationRequest(
            recommendation_id=row.id, content_hash=row.content_hash, decided_by="clerk-7"
        )
        own = await refused(apps["app"].recommendations.ApproveRecommendation(approval))
        assert own == (grpc.StatusCode.PERMISSION_DENIED, "OWN_SESSION")
        decided = (await apps["reviewer"].recommendations.ApproveRecommendation(approval)).recommendation
        assert decided.decided_by == "clerk-7"
        assert decided.expire_time.ToSeconds() - decided.create_time.ToSeconds() == 86_400
        holders = {name: f"key:{key.split('_')[1]}" for name, key in made.items()}
        assert decided.decided_subject == holders["reviewer"]
    return holders


def test_the_audit_says_who_did_what_and_whether_it_is_whole(home: Path) -> None:
    server = start_server(home)
    try:
        holders = asyncio.run(use(server))
        listed = command(server, "audit", "list", "--limit", "1000", "--json", "--address", server.address)
        assert listed.returncode == 0, listed.stderr
        rows = json.loads(listed.stdout)
        verified = command(server, "audit", "verify", "--json", "--address", server.address)
        assert json.loads(verified.stdout)["intact"]
    finally:
        stop_server(server)
    told = {(row["action"], row["subject"], row["outcome"], row["reason"]): row for row in rows}
    assert ("server_started", "server", "done", "") in told
    approved = told["approve", holders["reviewer"], "done", ""]
    assert (approved["client_id"], approved["object_type"]) == ("site-7", "recommendation")
    assert approved["peer"] == "127.0.0.1"
    missing = [row["count"] for row in rows if (row["action"], row["reason"]) == ("access", "CREDENTIALS_MISSING")]
    assert sum(missing) == 3, "one row, or two if a window of the audit ended meanwhile"
    assert ("access", holders["app"], "denied", "OWN_SESSION") in told
    assert ("access", holders["other"], "denied", "SESSION_NOT_FOUND") in told
    assert sum(row["action"] == "key_created" for row in rows) == 3
    folders = ("--data-dir", str(home / "data"), "--state-dir", str(home / "state"))
    whole = command(server, "audit", "verify", "--json", *folders)
    assert whole.returncode == 0, whole.stderr
    with duckdb.connect(str(server.ledger)) as connection:
        [[last]] = connection.sql("SELECT action FROM audit ORDER BY number DESC LIMIT 1").fetchall()
        assert last == "server_stopped"
        connection.execute("DELETE FROM audit WHERE action = 'server_stopped'")
    cut = command(server, "audit", "verify", *folders)
    assert cut.returncode == 1
    assert "were cut off" in cut.stdout
