"""What clients of other kinds find: health, reflection, another language, SQL, status."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from vestibule.v1 import admin_pb2, funnel_pb2

from models.errors import InvalidInput
from server.analytics.client import connect
from server.cli.channel import open_channel
from server.cli.demo.processes import serving
from server.services import SERVICE_NAMES
from tests.e2e.harness import DATA, App, Server, visit_pcm
from tests.e2e.outages import unhealthy

pytestmark = pytest.mark.e2e
HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ASOUND = """
pcm.!null {{ type null }}
pcm.mic {{ type file slave.pcm null file "/dev/null" infile "{pipe}" format "raw" }}
"""


def test_health_says_serving(server: Server) -> None:
    assert serving(server.address)


def test_reflection_describes_every_service(server: Server) -> None:
    with open_channel(server.address, credential=server.operator_key) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICE_NAMES),
        ]
        listed, *files = list(stub.ServerReflectionInfo(iter(asked), timeout=60))
    names = {service.name for service in listed.list_services_response.service}
    assert set(SERVICE_NAMES) | {"grpc.health.v1.Health"} <= names
    for answer in files:
        described = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
        assert described.package == "vestibule.v1"


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
    assert {"speech", "vision", "redaction", "ledger", "llm", "quack"} <= {part.name for part in status.components}
    assert await unhealthy(app) == set()
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
        env=server.environment,
    )
    assert done.returncode == 0, done.stderr
    written = subtitles.read_text(encoding="utf-8")
    assert written.startswith("1\n00:00:0")
    assert "[REDACTED_" in written
    assert str(subtitles) in done.stderr


@pytest.mark.skipif(
    sys.platform != "linux", reason="ALSA, whose configuration makes a microphone of a pipe, is Linux's"
)
def test_the_reference_client_records_a_microphone_until_ctrl_c(server: Server, tmp_path: Path) -> None:
    pipe, config = tmp_path / "voice", tmp_path / "asound.conf"
    os.mkfifo(pipe)
    config.write_text(ASOUND.format(pipe=pipe), encoding="utf-8")
    threading.Thread(target=_speak, args=(pipe,), daemon=True).start()
    command = [sys.executable, "-m", "server.cli", "talk", "--device", "mic", "--address", server.address]
    with subprocess.Popen(
        [*command, "--language", "en"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=server.environment | {"ALSA_CONFIG_PATH": str(config)},
    ) as talking:
        assert talking.stdout is not None
        assert talking.stderr is not None
        opened, question, listening, first = (talking.stderr.readline() for _ in range(4))
        talking.send_signal(signal.SIGINT)
        rest, result = talking.stderr.read(), talking.stdout.read()
    assert opened.startswith("Session ")
    assert question == "[0/6] Site: Which site are you at?\n"
    assert listening == "Listening. Ctrl-C ends the recording.\n"
    assert talking.returncode == 0, rest
    assert result.startswith(first)
    assert "[REDACTED_" in result


def _speak(pipe: Path) -> None:
    """The spoken visit at its pace, as the device is read, 16-bit mono at 48 kHz; then silence, until nobody reads."""
    frame = AudioFrame.from_ndarray(np.frombuffer(visit_pcm(), "<i2")[None], "s16", "mono")
    frame.sample_rate = 16_000
    speech = b"".join(part.to_ndarray().tobytes() for part in AudioResampler("s16", "mono", 48_000).resample(frame))
    with pipe.open("wb", buffering=0) as voice, suppress(BrokenPipeError):
        began, tenth_bytes = time.monotonic(), 9600
        for tenth in itertools.count():
            voice.write(speech[tenth * tenth_bytes : (tenth + 1) * tenth_bytes] or bytes(tenth_bytes))
            time.sleep(max(0.0, began + tenth / 10 - time.monotonic()))
