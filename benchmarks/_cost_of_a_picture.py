"""CPU of a large photograph through all checks of an upload, without ClamAV, the spool and the ledger included."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import numpy as np
import psutil
from PIL import Image

from ray_tasks.types import Gateway
from server.access.caller import Caller, Scope, acting_as
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.refusal_events import RefusalEvents
from server.runtime.malloc import keep_freed_memory
from server.sandbox.build import build_sandbox
from server.setting_groups import LimitSettings
from server.settings import Settings
from server.uploads.build import build_upload_service
from server.uploads.service import UploadService
from server.uploads.spool import Spool
from server.uploads.types import DeclaredUpload

CHUNK_BYTES = 64 * 1024
ROUNDS = 20
APP = Caller("key:app", "app", frozenset({Scope.APP}))
MANY = LimitSettings(client_uploads=1000, client_upload_bytes=1 << 40, session_spool_bytes=1 << 40)


def photograph(size_bytes: int = 5_000_000) -> bytes:
    """A JPEG of about that size, with the detail of a photograph of 12 million pixels."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 255, (300, 400, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((4000, 3000), Image.Resampling.BICUBIC))
    noise = rng.normal(0.0, 9.0, (3000, 4000, 1))
    picture = Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))
    low, high = 20, 100
    while high - low > 1:  # the quality at which the file has the size
        quality = (low + high) // 2
        low, high = (quality, high) if len(_jpeg(picture, quality)) < size_bytes else (low, quality)
    return _jpeg(picture, low)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


async def milliseconds(folder: Path) -> tuple[float, int]:
    """CPU of one upload, in this process and its children, mean of some; and the size of the picture.

    This process keeps freed memory as the server does, and the upload is one of an app.
    The system counts the time of other processes in steps of 10 ms, too coarse for a single upload.
    """
    content, settings = photograph(), Settings()
    keep_freed_memory()
    sha256 = hashlib.sha256(content).digest()
    ledger, sandbox = EmbeddedLedger.open(folder / "ledger.duckdb"), build_sandbox(settings.media, MANY, Metrics())
    await sandbox.start()
    try:
        row = SessionRow(str(uuid.uuid4()), "app", str(uuid.uuid4()), SessionState.STARTED, utc_now(), utc_now())
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        uploads = build_upload_service(
            ledger,
            Spool(folder / "spool", bytes(32)),
            PubSub(),
            cast(Gateway, None),  # it redacts names of files, and these have none
            Metrics(),
            MANY,
            sandbox,
            on_job=lambda: None,
            clock=utc_now,
            refusals=RefusalEvents(ledger, utc_now),
        )
        await _one(uploads, row.id, content, sha256)  # the first one loads what is loaded once
        began = _cpu_s()
        for _ in range(ROUNDS):
            await _one(uploads, row.id, content, sha256)
        await uploads.drain()
        took_s = _cpu_s() - began
    finally:
        await sandbox.close()
        ledger.close()
    return 1000 * took_s / ROUNDS, len(content)


async def _one(uploads: UploadService, session_id: str, content: bytes, sha256: bytes) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), CHUNK_BYTES):
            yield content[start : start + CHUNK_BYTES]

    declared = DeclaredUpload(str(uuid.uuid4()), session_id, "", len(content), sha256, "image/jpeg")
    with acting_as(APP):
        await uploads.accept(declared, chunks())


def _cpu_s() -> float:
    """Of this process, its children, and those that have ended."""
    total = 0.0
    for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
        times = process.cpu_times()
        total += times.user + times.system + times.children_user + times.children_system
    return total
