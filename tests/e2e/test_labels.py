"""A vision upstream sees only what redaction left of a picture: real server, real models, real HTTP."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import zxingcpp
from PIL import Image
from vestibule.v1 import admin_pb2, media_pb2

from models.vision.faces import YunetFaceDetector
from server.cli.channel import open_aio_channel
from server.cli.demo.part_probe import PartProbe
from server.cli.demo.picture_text import read_print
from server.cli.demo.planted import REGISTER, Medium, Planted, planted_media
from server.cli.demo.probe import Probe
from server.cli.demo.processes import Child, wait_until
from server.cli.demo.vision_replies import pictures_of_requests
from server.settings import Settings
from tests.data.make_badge import AUTHOR, PLACE, VCARD, draw_badge, with_metadata
from tests.e2e.harness import DATA, READY_TIMEOUT_S, App, Server, start_server, stop_server
from tests.e2e.shared_ray import SharedRay

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = Planted("NAME", AUTHOR, "", "badge")
PHONE = Planted("PHONE", "+351912345678", "", "badge")
BADGE = Medium("badge", f"VISITOR BADGE\nName: {AUTHOR}\nValid until 18:00", (NAME,))


@dataclass(slots=True)
class Running:
    """The server under test, and what the stand-in for a vision upstream received."""

    server: Server
    received: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, shared_ray: SharedRay) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("labels")
    received, log = home / "received.bin", home / "upstream.log"
    arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(received)]
    upstream = Child.start("stand-in vision upstream", arguments, log)
    server: Server | None = None
    try:
        wait_until(lambda: "http://" in log.read_text(), upstream, READY_TIMEOUT_S, "The upstream did not start")
        [url] = re.findall(r"http://[\w.:]+", log.read_text())
        server = start_server(home / "own", f"labels_base_url={url}/v1", ray=shared_ray)
        yield Running(server, received)
    finally:
        if server is not None:
            stop_server(server)
        upstream.stop()


@pytest_asyncio.fixture
async def app(running: Running) -> AsyncIterator[App]:
    async with open_aio_channel(running.server.address, credential=running.server.operator_key) as channel:
        yield App(channel)


async def labelled(app: App, upload_id: str) -> media_pb2.Upload:
    """The upload once it has labels."""
    async with asyncio.timeout(60):
        while True:
            upload = (await app.media.GetUpload(media_pb2.GetUploadRequest(upload_id=upload_id))).upload
            if upload.labels:
                return upload
            await asyncio.sleep(0.1)


async def test_the_upstream_sees_no_name_no_face_no_code_and_no_metadata(
    app: App, running: Running, tmp_path: Path
) -> None:
    session_id = await app.open_session()
    drawn = with_metadata(draw_badge()[0], "PNG")
    photograph = (DATA / REGISTER).read_bytes()
    uploads = [
        await app.upload(session_id, drawn, media_pb2.MEDIA_KIND_DOCUMENT, "image/png"),
        await app.upload(session_id, photograph, media_pb2.MEDIA_KIND_VISITOR_REGISTER),
    ]
    for upload in uploads:
        await app.finished(upload.id)
        labels = (await labelled(app, upload.id)).labels
        assert "wide picture" in [label.text.value for label in labels]
        assert all(label.text.safe_for_llm for label in labels)

    received = running.received.read_bytes()
    pictures = pictures_of_requests(received)
    assert len(pictures) == 2
    media = [BADGE, *planted_media(DATA, (REGISTER,))]
    values = [PHONE, *(value for medium in media for value in medium.values)]
    whole, parts = Probe(values), PartProbe(media)
    detector = YunetFaceDetector(Settings().weights_dir)
    assert len(detector.detect(draw_badge()[0])) == 1, "there was a face"
    for number, picture in enumerate(pictures):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(picture)
        printed = read_print(path)
        assert "VISITOR" in printed.upper(), "what is not personal can be read"
        assert whole.search(printed.encode()) == parts.search([printed]) == []
        with Image.open(io.BytesIO(picture)) as opened:
            assert (opened.format, max(opened.size)) == ("JPEG", 1024)
            assert not opened.getexif()
            pixels = np.asarray(opened.convert("RGB"))
        assert detector.detect(pixels) == []
        assert VCARD not in [code.text for code in zxingcpp.read_barcodes(pixels)]
    for secret in (drawn[:4000], photograph[:4000], AUTHOR.encode(), PLACE.encode()):
        assert secret not in received
        assert not any(secret in picture for picture in pictures)
    assert whole.search(received) == []


async def test_status_and_breakers_show_the_upstream(app: App) -> None:
    status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
    assert [c.detail for c in status.components if c.name == "labels"] == ["The breaker is closed."]
    listed = await app.admin.ListBreakers(admin_pb2.ListBreakersRequest())
    assert "vision_api" in [breaker.name for breaker in listed.breakers]
