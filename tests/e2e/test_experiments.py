"""An experiment through the real server: declared in a file, given to sessions, reported on the command line."""

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

import pytest
from vestibule.v1 import session_pb2

from server.cli.channel import open_aio_channel
from tests.e2e.harness import READY_TIMEOUT_S, App, Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FILE = """
experiments:
  pause_length:
    start: {start}
    clients: [site-7]
    variants:
      usual: {{}}
      short: {{end_silence_s: 0.4, reply_instruction: Ask for the meter first.}}
"""


async def opened(server: Server, client_id: str, number: int) -> list[str]:
    """The variants of new sessions."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        requests = [
            session_pb2.StartSessionRequest(client_id=client_id, request_id=str(uuid.uuid4())) for _ in range(number)
        ]
        answers = [await app.sessions.StartSession(request) for request in requests for _ in range(2)]
    marks = [answer.session.variant for answer in answers]
    assert marks[::2] == marks[1::2], "a repeated request has the same variant"
    return marks[::2]


def command(server: Server, *arguments: str) -> Any:
    """What a command of `vestibule experiments` prints as JSON."""
    environment = {**os.environ, "VESTIBULE_ADDRESS": server.address, "VESTIBULE_API_KEY": server.operator_key}
    whole = [sys.executable, "-m", "server.cli", "experiments", *arguments, "--json"]
    return json.loads(subprocess.run(whole, env=environment, check=True, capture_output=True, text=True).stdout)


def test_sessions_get_variants_and_the_report_counts_them(home: Path, shared_ray: SharedRay) -> None:
    home.mkdir()
    file = home / "experiments.yaml"
    file.write_text(FILE.format(start=f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"), encoding="utf-8")
    server = start_server(home, f"experiments.file={file}", ray=shared_ray)
    try:
        marks = asyncio.run(opened(server, "site-7", 24))
        assert set(marks) == {"pause_length.usual", "pause_length.short"}
        assert set(asyncio.run(opened(server, "site-8", 3))) == {""}
        [declared] = command(server, "list")
        assert (declared["running"], declared["clients"]) == (True, ["site-7"])
        report = command(server, "report", "pause_length")
        counts = {f"pause_length.{each['name']}": each["sessions"] for each in report["variants"]}
        assert counts == {mark: marks.count(mark) for mark in set(marks)}
        assert [each["counted"] for each in report["variants"]] == [0, 0], "they had no time yet"
        assert report["variants"][1]["verdict"] == "too_little_data"
        assert command(server, "plan", "--effect", "5")["observed_sessions"] == 0
    finally:
        stop_server(server)


def test_a_server_whose_file_names_a_person_does_not_start(home: Path) -> None:
    home.mkdir()
    file = home / "experiments.yaml"
    text = FILE.format(start="2026-11-01").replace("Ask for the meter first", "Tell them that Maria Lopez will come")
    file.write_text(text, encoding="utf-8")
    server = start_server(home, f"experiments.file={file}", wait=False)
    try:
        assert server.child.process.wait(READY_TIMEOUT_S) == 1
    finally:
        stop_server(server)
    assert "[EXPERIMENT_WORD_PERSONAL]" in server.log
    assert "reply_instruction of variant 2 of experiment 1" in server.log
    assert "Lopez" not in server.log
