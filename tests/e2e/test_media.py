"""What phones and offices send, and what attackers send, against the real server."""

from __future__ import annotations

import io
import uuid
from contextlib import suppress

import grpc.aio
import psutil
import pytest
from PIL import Image, ImageOps
from vestibule.v1 import media_pb2, session_pb2

from tests.e2e.harness import DATA, App, Server, reason
from tests.unit.media.made_files import heic_file, pdf_file, with_jpeg_segment, zip_file
from tests.unit.vision.pictures import corners, encoded

pytestmark = pytest.mark.e2e

REGISTER = media_pb2.MEDIA_KIND_VISITOR_REGISTER
DOCUMENT = media_pb2.MEDIA_KIND_DOCUMENT


async def own_session(app: App) -> str:
    """A session of a client of its own, so that no quota counts."""
    request = session_pb2.StartSessionRequest(client_id=str(uuid.uuid4()), request_id=str(uuid.uuid4()), language="en")
    return (await app.sessions.StartSession(request)).session.id


async def refusal(app: App, content: bytes, media_type: str = "") -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await app.upload(await own_session(app), content, media_pb2.MEDIA_KIND_UNSPECIFIED, media_type)
    return reason(caught.value)


def fork_server(server: Server) -> psutil.Process:
    for child in psutil.Process(server.child.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # a child of another kind, which has ended
            if "server.sandbox.fork_server" in child.cmdline():
                return child
    raise AssertionError("no fork server")


async def test_a_photo_of_an_iphone_is_read(app: App) -> None:
    with Image.open(DATA / "register.jpg") as picture:
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    heic = heic_file(upright.resize((1600, 1600 * upright.height // upright.width // 2 * 2)))
    accepted = await app.upload(await own_session(app), heic, REGISTER, "image/heic")
    assert accepted.media_type == "image/heic"
    done = await app.finished(accepted.id)
    assert done.state == media_pb2.UPLOAD_STATE_DONE
    assert "[REDACTED_NAME]" in done.text.value
    with Image.open(io.BytesIO(await app.picture(accepted.id))) as masked:
        assert masked.format == "JPEG"


async def test_the_pages_of_a_pdf_are_read(app: App) -> None:
    accepted = await app.upload(
        await own_session(app), pdf_file(2, text="Meter reading 004711"), DOCUMENT, "application/pdf"
    )
    done = await app.finished(accepted.id)
    assert done.state == media_pb2.UPLOAD_STATE_DONE
    assert done.text.value.lower().count("meter reading") == 2
    with Image.open(io.BytesIO(await app.picture(accepted.id))) as masked:
        assert masked.size == (834, 668)


async def test_hidden_content_is_refused_with_its_reason(app: App) -> None:
    jpeg = encoded(corners(), "JPEG")
    assert await refusal(app, jpeg + zip_file()) == "FOREIGN_CONTENT"
    assert await refusal(app, with_jpeg_segment(0xFE, b"<?php system('id'); ?>")) == "FOREIGN_CONTENT"
    assert await refusal(app, jpeg + bytes(range(255)) * 4) == "TRAILING_DATA"
    assert await refusal(app, pdf_file(catalog=b"/OpenAction<</S/JavaScript/JS(x)>>")) == "ACTIVE_CONTENT"
    assert await refusal(app, pdf_file(6)) == "TOO_MANY_PAGES"
    assert await refusal(app, jpeg[:-40]) == "BROKEN_MEDIA"
    assert await refusal(app, jpeg, "image/png") == "MEDIA_TYPE_MISMATCH"


async def test_uploads_go_on_when_the_fork_server_was_killed(app: App, server: Server) -> None:
    killed = fork_server(server)
    killed.kill()
    killed.wait(60)
    accepted = await app.upload(await own_session(app), encoded(corners(), "PNG"), DOCUMENT, "image/png")
    assert (await app.finished(accepted.id)).state == media_pb2.UPLOAD_STATE_DONE
    assert fork_server(server).pid != killed.pid
