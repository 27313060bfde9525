"""The real ``clamd``: what it finds, what it leaves out, and that its settings are seen through."""

from __future__ import annotations

import io
import random
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image

from models.errors import Unavailable
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.observability.metrics import Metrics
from server.setting_groups import MEBIBYTE, LimitSettings
from server.uploads.clamav import ClamavClient, Verdict
from server.uploads.malware_scan import EICAR, MalwareScan, nested_archives
from server.uploads.types import CheckStage, CheckStep
from tests.clamav.conftest import clamd
from tests.unit.ledger.migrated import open_ledger
from tests.unit.uploads.upload_harness import UploadHarness, reason_of


def picture(kind: str, **options: object) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(written, kind, **options)
    return written.getvalue()


def png_with_text_chunk() -> bytes:
    content = picture("PNG")
    data = b"Comment\0" + EICAR
    chunk = struct.pack("!I", len(data)) + b"tEXt" + data + struct.pack("!I", zlib.crc32(b"tEXt" + data))
    return content[:33] + chunk + content[33:]  # after the header, which is first


def wav_with_list_chunk() -> bytes:
    sound = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16) + b"data" + struct.pack("<I", 3200)
    note = b"LIST" + struct.pack("<I", len(EICAR)) + EICAR
    body = b"WAVE" + note + sound + bytes(3200)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = EICAR.decode()  # description of the picture
    return picture("JPEG", exif=exif)


HIDDEN = {
    "the test file itself": EICAR,
    "a comment of a JPEG": picture("JPEG", comment=EICAR),
    "EXIF of a JPEG": jpeg_with_exif(),
    "a text chunk of a PNG": png_with_text_chunk(),
    "after the end of a JPEG": picture("JPEG") + EICAR,
    "a chunk of a WAV": wav_with_list_chunk(),
}


def client(address: str) -> ClamavClient:
    return ClamavClient(address, timeout_s=30.0, at_once=4)


@pytest.mark.parametrize("where", HIDDEN)
async def test_eicar_is_found_wherever_it_hides(sound: str, where: str) -> None:
    assert EICAR in HIDDEN[where]
    result = await client(sound).scan(HIDDEN[where])
    assert (result.verdict, result.signature) == (Verdict.FOUND, "Vestibule.Test.Eicar.UNOFFICIAL")


@pytest.mark.parametrize("content", [picture("JPEG"), picture("PNG"), picture("WEBP"), bytes(MEBIBYTE)])
async def test_what_is_harmless_is_clean(sound: str, content: bytes) -> None:
    assert (await client(sound).scan(content)).verdict is Verdict.CLEAN


async def test_a_file_beyond_a_limit_is_not_clean(sound: str, lenient: str) -> None:
    assert (await client(sound).scan(nested_archives(110))).verdict is Verdict.INCOMPLETE
    assert (await client(sound).scan(bytes(20 * MEBIBYTE))).verdict is Verdict.INCOMPLETE
    # This is what the probe at the start is for.
    assert (await client(lenient).scan(nested_archives(110))).verdict is Verdict.CLEAN


async def test_the_version_is_told(sound: str) -> None:
    assert (await client(sound).version()).startswith("ClamAV ")


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[UploadHarness]:
    ledger: EmbeddedLedger = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * MEBIBYTE)
    now = utc_now()
    session = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, language="en")
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session))
    yield UploadHarness(ledger, session, tmp_path / "spool", limits=LimitSettings())
    ledger.close()


def scan_of(harness: UploadHarness, address: str, *, required: bool = True) -> MalwareScan:
    scan = MalwareScan(
        client(address),
        harness.ledger,
        Metrics(),
        utc_now,
        required=required,
        largest_bytes=harness.limits.upload_bytes,
        now_s=time.monotonic,
    )
    harness.intake._checks = (*harness.intake._checks, CheckStep(CheckStage.ARRIVED, scan, (), ""))
    return scan


async def test_a_picture_with_eicar_in_its_metadata_is_refused(harness: UploadHarness, sound: str) -> None:
    scan = scan_of(harness, sound)
    await scan.start()
    assert scan.component.healthy
    for content in (jpeg_with_exif(), png_with_text_chunk(), wav_with_list_chunk()):
        assert await reason_of(lambda given=content: harness.accept(given)) == "MALWARE_FOUND"  # type: ignore[misc]
    assert harness.files() == []
    await harness.accept(picture("JPEG"))
    assert len(harness.files()) == 1


async def test_the_largest_upload_is_scanned(harness: UploadHarness, sound: str) -> None:
    scan_of(harness, sound)
    content = b"\xff\xd8\xff\xe0" + random.Random(5).randbytes(harness.limits.upload_bytes - 4)
    assert (await harness.accept(content)).size_bytes == harness.limits.upload_bytes


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("AlertExceedsMax no",), "did not read to the end"),
        (("AlertExceedsMax yes", "StreamMaxLength 5M"), "does not read files of"),
        (("AlertExceedsMax yes", "MaxFileSize 5M"), "does not read files of"),
    ],
)
async def test_a_daemon_whose_settings_let_files_through_is_refused_at_the_start(
    harness: UploadHarness, tmp_path: Path, settings: tuple[str, ...], told: str
) -> None:
    (folder := tmp_path / "clamd").mkdir()
    with clamd(folder, *settings) as address:
        with pytest.raises(Unavailable, match=told) as caught:
            await scan_of(harness, address).start()
        assert caught.value.reason == "SCANNER_UNSAFE"
        optional = scan_of(harness, address, required=False)
        await optional.start()
        assert not optional.component.healthy


async def test_a_daemon_that_is_killed_is_noticed(harness: UploadHarness, tmp_path: Path) -> None:
    (folder := tmp_path / "clamd").mkdir()
    with clamd(folder, "AlertExceedsMax yes") as address:
        scan = scan_of(harness, address)
        await scan.start()
        await harness.accept(picture("JPEG"))
    assert await reason_of(lambda: harness.accept(picture("JPEG"))) == "SCANNER_UNREACHABLE"
    await scan.look()
    assert not scan.component.healthy
