"""A server is backed up while it works; another one goes on from the copy in another folder."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.failed_jobs import page_of
from tests.e2e.harness import DATA, App, Server, config, propose, start_server, stop_server
from tests.e2e.planted_values import people
from tests.e2e.shared_ray import SharedRay
from tests.unit.llm.scripted_upstream import KEY, run_upstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

PAGES: Final = 6
"""Pages of print, which take the Vision worker some seconds each, so that jobs wait."""
PATIENCE_S: Final = 180.0
SETTINGS: Final = (
    "llm.failures=1000",  # the breaker stays closed
    "retry.least=1000",
    "retry.llm_api.attempts=2",
    "retry.llm_api.first_delay_s=0.2",
)


async def test_a_server_goes_on_from_its_backup_in_another_folder(
    tmp_path: Path, shared_ray: SharedRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_LLM__API_KEY", KEY)
    first, second = tmp_path / "first", tmp_path / "second"
    backup, keys = tmp_path / "backup", tmp_path / "keys.json"
    with run_upstream(tmp_path / "llm.record") as upstream:
        settings = (*SETTINGS, f"llm.base_url={upstream.url}/v1")
        upstream.script("garbage")
        server = await asyncio.to_thread(start_server, first, *settings, ray=shared_ray)
        try:
            async with open_aio_channel(server.address, credential=server.operator_key) as channel:
                app = App(channel)
                session_id, done, waiting = await _work(app)
                rotated = await _json(first, "keys", "rotate-spool", *at(server), "--json")
                assert rotated["remaining"] == 0
                made = await _json(first, "backup", backup, "--keys", keys, *at(server), "--json")
                assert made["missing"] == []
                assert set(made["spool_keys"]) == {rotated["key_id"]}
                assert json.loads(keys.read_text(encoding="utf-8"))["streams"]
                letters = await _json(first, "dlq", "list", "--json", *at(server))
                for upload_id in waiting:  # the first server goes on, and deletes the media that the backup has
                    assert (await _finished(app, upload_id)).state == media_pb2.UPLOAD_STATE_DONE
        finally:
            await asyncio.to_thread(stop_server, server)

        places = ("--data-dir", second / "data", "--state-dir", second / "state")
        await _run(first, "restore", backup, "--keys", keys, "--check")
        await _run(first, "restore", backup, "--keys", keys, *places)
        await _run(first, "audit", "verify", *places)
        in_copy = _waiting_in(second / "data" / "ledger.duckdb")
        assert in_copy
        assert in_copy <= set(waiting), "otherwise this test proves less than it says"
        upstream.script("answer")
        server = await asyncio.to_thread(start_server, second, *settings, ray=shared_ray)
        try:
            async with open_aio_channel(server.address, credential=server.operator_key) as channel:
                app = App(channel)
                for upload_id in (done, *waiting):
                    upload = await _finished(app, upload_id)
                    assert (upload.session_id, upload.state) == (session_id, media_pb2.UPLOAD_STATE_DONE)
                assert await app.picture(done)
                again = await _json(second, "dlq", "list", "--json", *at(server))
                assert [letter["id"] for letter in again] == [letter["id"] for letter in letters]
                printed = await _run(
                    second, *("dlq", "retry", "--kind", "propose_record", "--reason", "restored"), *at(server)
                )
                assert printed.startswith("1 letter was put back")
                async with asyncio.timeout(PATIENCE_S):
                    while (await _status(app)).open_job_count:  # noqa: ASYNC110 - of another process
                        await asyncio.sleep(0.2)
                left = await _json(second, "dlq", "list", *at(server), "--json")
                assert [letter["kind"] for letter in left] == ["reply"]
            await _run(second, "audit", "verify", *at(server))
        finally:
            await asyncio.to_thread(stop_server, server)


async def _work(app: App) -> tuple[str, str, list[str]]:
    """Two dead letters, a picture that was read, and pages that wait; returns the session and the uploads."""
    session_id = await app.open_session()

    async def typed() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id)
        text = "I am Ada Okonkwo, 555 123 4567. The meter reads 04821."
        yield conversation_pb2.ConverseRequest(text=conversation_pb2.TypedText(text=text))
        yield propose()

    answers = [answer async for answer in app.conversations.Converse(typed())]
    assert any(answer.HasField("proposal") for answer in answers)
    async with asyncio.timeout(PATIENCE_S):
        while (await _status(app)).dead_letter_count < 2:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.2)
    register = (DATA / "register.jpg").read_bytes()
    done = (await app.upload(session_id, register, media_pb2.MEDIA_KIND_VISITOR_REGISTER)).id
    await _finished(app, done)
    pages = [page_of(people(5, seed)) for seed in range(PAGES)]
    uploads = [await app.upload(session_id, page, media_pb2.MEDIA_KIND_UNSPECIFIED, "image/png") for page in pages]
    return session_id, done, [upload.id for upload in uploads]


async def _finished(app: App, upload_id: str) -> media_pb2.Upload:
    async with asyncio.timeout(PATIENCE_S):
        return await app.finished(upload_id)


async def _status(app: App) -> admin_pb2.GetStatusResponse:
    return await app.admin.GetStatus(admin_pb2.GetStatusRequest())


def _waiting_in(ledger: Path) -> set[str]:
    """Uploads whose jobs wait or run."""
    with duckdb.connect(str(ledger), read_only=True) as connection:
        rows = connection.execute(
            "SELECT payload FROM jobs WHERE state IN ('QUEUED', 'RUNNING') AND kind = 'read_picture'"
        ).fetchall()
    return {json.loads(payload)["upload_id"] for (payload,) in rows}


def at(server: Server) -> tuple[str, str]:
    """The option that names a server."""
    return "--address", server.address


async def _json(home: Path, *arguments: str | Path) -> Any:
    return json.loads(await _run(home, *arguments))


async def _run(home: Path, *arguments: str | Path) -> str:
    """Run a command as the operator of a server in a folder does; returns what it printed. It must end with 0."""
    places = {"VESTIBULE_DATA_DIR": str(home / "data"), "VESTIBULE_STATE_DIR": str(home / "state")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "server.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**os.environ, **places},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
