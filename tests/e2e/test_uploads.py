"""What a real server refuses to take in, and that a malware scanner beside it is asked."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import grpc.aio
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from PIL import Image
from vestibule.v1 import admin_pb2, media_pb2

from server.cli.channel import open_aio_channel
from server.uploads.malware_scan import EICAR
from tests.clamav.conftest import clamd
from tests.e2e.harness import DATA, App, Server, detail, reason, refusal, start_server, stop_server
from tests.e2e.shared_ray import SharedRay
from tests.eventually import eventually

pytestmark = pytest.mark.e2e

METER = media_pb2.MEDIA_KIND_METER
EXE = b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00" + bytes(64 * 1024)
NAME = "../../../etc/passwd"


def picture(comment: bytes = b"") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (400, 300), "white").save(written, "JPEG", comment=comment)
    return written.getvalue()


async def test_11_mb_is_refused(app: App) -> None:
    session_id = await app.open_session(client_id="large-files")
    content = picture() + bytes(11 * 1024 * 1024)
    error = await refusal(app.upload(session_id, content, METER))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "UPLOAD_TOO_LARGE")


async def test_an_exe_is_refused(app: App, server: Server) -> None:
    session_id = await app.open_session(client_id="programs")
    for media_type in ("image/jpeg", "application/x-msdownload"):
        error = await refusal(app.upload(session_id, EXE, METER, media_type, "holiday.jpg"))
        assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED_MEDIA")
    # Media of finished uploads of earlier tests is deleted in a step of its own, maybe only now.
    await eventually(lambda: not list((server.state_dir / "spool").iterdir()))


async def test_path_traversal_in_a_name_goes_nowhere(app: App, server: Server) -> None:
    session_id = await app.open_session(client_id="travellers")
    upload = await app.upload(session_id, (DATA / "meter.jpg").read_bytes(), METER, display_name=NAME)
    assert upload.display_name.value in ("passwd", "[REDACTED_NAME]")
    named = await app.upload(session_id, picture(), METER, display_name="maria_lopez-passport.jpg")
    assert named.display_name.value.endswith("passport.jpg")
    assert "[REDACTED_NAME]" in named.display_name.value
    await app.finished(upload.id)
    await app.finished(named.id)
    searched = set()
    for file, content in server.contents():
        searched.add(file)
        assert "passwd" not in file.name
        for trace in (b"etc/passwd", b"maria_lopez", b"maria lopez"):
            assert trace not in content, file
    assert server.ledger in searched


@dataclass(slots=True)
class Scanned:
    """A client of a server that has the default quotas and requires a malware scanner; ``scanner`` ends that."""

    app: App
    scanner: ExitStack


@pytest.fixture(scope="module")
def scanned_server(
    tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay
) -> Iterator[tuple[Server, ExitStack]]:
    with ExitStack() as scanner:
        address = scanner.enter_context(clamd(tmp_path_factory.mktemp("clamd"), "AlertExceedsMax yes"))
        settings = ("clamav.mode=required", f"clamav.address={address}")
        server = start_server(tmp_path_factory.mktemp("scanned"), *settings, ray=shared_ray)
        try:
            yield server, scanner
        finally:
            stop_server(server)


@pytest_asyncio.fixture
async def scanned(scanned_server: tuple[Server, ExitStack]) -> AsyncIterator[Scanned]:
    server, scanner = scanned_server
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        yield Scanned(App(channel), scanner)


async def test_the_eleventh_upload_is_refused(scanned: Scanned) -> None:
    """That a restart forgets none of them is tested with a server that is killed, in ``test_shutdown``."""
    app = scanned.app
    session_id = await app.open_session(client_id="eleven-files")
    for _ in range(10):
        await app.upload(session_id, picture(), METER)
    error = await refusal(app.upload(session_id, picture(), METER))
    assert (error.code(), reason(error)) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "UPLOAD_QUOTA")
    assert 0 < detail(error, error_details_pb2.RetryInfo).retry_delay.ToSeconds() <= 300
    assert detail(error, error_details_pb2.QuotaFailure).violations


async def test_a_scanner_that_is_required_is_asked(scanned: Scanned) -> None:
    app = scanned.app
    session_id = await app.open_session(client_id="scanned-files")
    assert (await app.upload(session_id, picture(), METER)).id
    error = await refusal(app.upload(session_id, picture(EICAR), METER))
    assert (error.code(), reason(error)) == (grpc.StatusCode.INVALID_ARGUMENT, "MALWARE_FOUND")
    assert "ClamAV" in await component(app)
    scanned.scanner.close()  # so this test is the last one with it
    error = await refusal(app.upload(session_id, picture(), METER))
    assert (error.code(), reason(error)) == (grpc.StatusCode.UNAVAILABLE, "SCANNER_UNREACHABLE")
    assert detail(error, error_details_pb2.RetryInfo).retry_delay.ToSeconds() == 30
    assert "cannot be reached" in await component(app)


async def component(app: App) -> str:
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    return next(part.detail for part in status.components if part.name == "malware_scanner")
