"""What clients of other kinds find: health, reflection, another language, SQL, status."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from vestibule.v1 import admin_pb2, funnel_pb2

from models.errors import InvalidInput
from server.cli.demo.processes import serving
from server.ledger.client import connect
from server.services import SERVICE_NAMES
from tests.e2e.harness import DATA, App, Server

pytestmark = pytest.mark.e2e
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def test_health_says_serving(server: Server) -> None:
    assert serving(server.address)


def test_reflection_describes_every_service(server: Server) -> None:
    with grpc.insecure_channel(server.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICE_NAMES),
        ]
        listed, *files = list(stub.ServerReflectionInfo(iter(asked), timeout=10))
    names = {service.name for service in listed.list_services_response.service}
    assert set(SERVICE_NAMES) | {"grpc.health.v1.Health"} <= names
    for answer in files:
        described = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
        assert described.package == "vestibule.v1"


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js is not installed; CI runs this test")
def test_a_client_in_another_language_uploads_a_picture_and_gets_its_text(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    shutil.copytree(HERE / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True, timeout=180)
    descriptors = tmp_path / "protos.binpb"
    build = [sys.executable, str(ROOT / "protos" / "build.py"), "descriptors", str(descriptors)]
    subprocess.run(build, check=True, timeout=60)
    run = ["node", "client.mjs", server.address, str(descriptors), str(DATA / "register.jpg")]
    done = subprocess.run(run, cwd=folder, check=True, capture_output=True, timeout=150)
    seen = json.loads(done.stdout)
    assert seen["states"][-1] == "UPLOAD_STATE_DONE"
    assert seen["session"] == "SESSION_STATE_IN_PROGRESS"
    assert "[REDACTED_NAME]" in seen["text"]
    counts = {count["key"]: count["value"] for count in seen["counts"]}
    assert counts["NAME"] >= 4, "one of each visitor; a processor may see more"
    assert counts["EMAIL"] == counts["PHONE"] == 4
    assert seen["imageBytes"] == seen["announcedBytes"] > 10_000
    assert seen["refusedCode"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert "SESSION_NOT_FOUND" in seen["refusedDetails"]


async def test_an_analyst_reads_the_live_database_and_cannot_write(app: App, server: Server) -> None:
    session_id = await app.open_session()
    token = (server.state_dir / "quack.token").read_text(encoding="utf-8").strip()
    analyst = connect(server.quack_port, token)
    try:
        row = analyst.execute(f"SELECT state FROM v_sessions WHERE session_id = '{session_id}'").fetchone()
        assert row == ("STARTED",)
        for hostile in ("DELETE FROM sessions", "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM streams"):
            with pytest.raises(InvalidInput) as caught:
                analyst.execute(hostile).fetchall()
            assert caught.value.reason == "SQL_REFUSED"
    finally:
        analyst.close()


async def test_status_and_report_answer(app: App) -> None:
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    healthy = {c.name: c.healthy for c in status.components}
    assert healthy == dict.fromkeys(("speech", "vision", "redaction", "ledger", "llm", "quack"), True)
    report = await app.funnel.GetReport(funnel_pb2.GetReportRequest())
    assert [s.name for s in report.stages] == ["STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED"]


def test_the_reference_client_writes_subtitles_without_anything_personal(server: Server, tmp_path: Path) -> None:
    subtitles = tmp_path / "visit.srt"
    command = [sys.executable, "-m", "server.cli", "talk", str(DATA / "visit.webm"), "--address", server.address]
    done = subprocess.run(
        [*command, "--fast", "--language", "en", "--format", "srt", "--output", str(subtitles)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = subtitles.read_text(encoding="utf-8")
    assert written.startswith("1\n00:00:0")
    assert "[REDACTED_" in written
    assert str(subtitles) in done.stderr
