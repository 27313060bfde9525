"""An upload service with its dependencies, and the uploads that tests send."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import VestibuleError
from server.ledger import sessions
from server.ledger.types import SessionRow, SessionState, UploadRow, utc_now
from server.ledger.writer import Ledger
from server.records.pubsub import PubSub
from server.uploads.checks import CheckStage, DeclaredUpload, UploadCheck, default_checks
from server.uploads.service import UploadService
from server.uploads.spool import Spool

KIB = 1024
JPEG = b"\xff\xd8\xff\xe0" + os.urandom(300 * KIB)
WAV = b"RIFF\x24\0\0\0WAVEfmt " + os.urandom(5 * KIB)


@dataclass
class UploadHarness:
    """An upload service with its dependencies."""

    ledger: Ledger
    session: SessionRow
    folder: Path
    limits: dict[str, int] = field(default_factory=lambda: {"upload_bytes": 1024 * KIB, "open_jobs": 3})
    pubsub: PubSub = field(default_factory=PubSub)
    woken: int = 0
    more_checks: tuple[tuple[CheckStage, UploadCheck], ...] = ()

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder, bytes(32))
        checks = (*default_checks(**self.limits), *self.more_checks)
        self.intake = UploadService(self.ledger, self.spool, self.pubsub, checks, on_job=self.wake, stall_s=5.0)

    def wake(self) -> None:
        self.woken += 1

    def describe(self, content: bytes = JPEG, **changes: object) -> DeclaredUpload:
        described = DeclaredUpload(str(uuid4()), self.session.id, "", len(content), hashlib.sha256(content).digest())
        return replace(described, **changes)  # type: ignore[arg-type]

    async def accept(self, content: bytes = JPEG, piece: int = 64 * KIB, **changes: object) -> UploadRow:
        return await self.intake.accept(self.describe(content, **changes), pieces(content, piece))

    def files(self) -> list[str]:
        return [p.name for p in self.folder.iterdir()]

    async def close_session(self) -> None:
        await self.ledger.write(
            lambda cursor: sessions.transition(cursor, self.session.id, SessionState.ABANDONED, utc_now())
        )


async def pieces(content: bytes, piece: int = 64 * KIB) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


async def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(VestibuleError) as caught:
        await call()  # type: ignore[misc]
    return caught.value.reason


def reason_at_once(call: Callable[[], object]) -> str:
    """The same for what is not awaited."""
    with pytest.raises(VestibuleError) as caught:
        call()
    return caught.value.reason
