"""Days are exported from a running server, and an erasure reaches them; macros from DuckDB's own prompt."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import funnel_pb2, session_pb2

from tests.e2e.harness import App, Server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PERSON = "5a" * 32
CLIENT = "export"


async def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on this server."""
    whole = [sys.executable, "-m", "server.cli", *arguments]
    environment = {**server.environment, "VESTIBULE_DATA_DIR": str(server.ledger.parent)}
    done = await asyncio.to_thread(
        subprocess.run, whole, env=environment, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done


async def exported(server: Server, out: Path, *more: str) -> dict[str, Any]:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    arguments = ["export", "--out", str(out), "--to", tomorrow, "--json", "--port", str(server.quack_port), *more]
    return {row["view"]: row for row in json.loads((await command(server, *arguments)).stdout)}


def sessions_in(out: Path) -> set[str]:
    rows = duckdb.sql(f"SELECT session_id FROM read_parquet('{out}/v_*/*/*.parquet', union_by_name = true)").fetchall()
    return {session_id for (session_id,) in rows}


async def visit(app: App, subject_hash: str) -> str:
    """A session with an event; returns its id."""
    request = session_pb2.StartSessionRequest(client_id=CLIENT, request_id=str(uuid.uuid4()), subject_hash=subject_hash)
    session_id = (await app.sessions.StartSession(request)).session.id
    now = Timestamp()
    now.GetCurrentTime()
    event = funnel_pb2.AppEvent(
        event_id=str(uuid.uuid4()), session_id=session_id, name="photo_sent", device_time=now, sequence=1
    )
    await app.funnel.RecordEvents(funnel_pb2.RecordEventsRequest(events=[event]))
    return session_id


async def test_an_erased_person_is_gone_from_the_export(app: App, server: Server, tmp_path: Path) -> None:
    gone = {await visit(app, PERSON) for _ in range(2)}
    stays = await visit(app, "")
    out = tmp_path / "out"
    first = await exported(server, out)
    assert first["v_events"]["rows"] >= 6
    assert {*gone, stays} <= sessions_in(out)
    erased = await command(server, "erase", "--subject-hash", PERSON, "--yes", "--address", server.address)
    assert f"vestibule export --out {out}" in erased.stderr
    again = await exported(server, out)
    assert again["v_events"]["erased_rows"] >= 4
    assert (stays in sessions_in(out), gone & sessions_in(out)) == (True, set())
    proof = await exported(server, out, "--dry-run")
    assert [row["erased_rows"] for row in proof.values()] == [0] * len(proof)


async def test_macros_from_the_prompt_of_duckdb(app: App, server: Server, tmp_path: Path) -> None:
    """With the lines that `vestibule sql --attach` prints, as an analyst would paste them."""
    await visit(app, "6b" * 32)
    printed = (await command(server, "sql", "--attach", "--port", str(server.quack_port))).stdout
    lines = [line for line in printed.splitlines() if not line.startswith(("FROM", "--"))]
    query = (
        f"SELECT actors FROM retention(unit := 'day', actor := 'client', client := '{CLIENT}', "
        "as_of := now()::TIMESTAMP + INTERVAL 1 DAY) WHERE period = 0"
    ).replace("'", "''")
    script = "\n".join([*lines, ".mode list", ".headers off", f"FROM live.query('{query}');"])
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "duckdb_cli", "-bail", "-no-init"],
        input=script,
        env={**os.environ, "HOME": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout.splitlines()[-1] == "1"
