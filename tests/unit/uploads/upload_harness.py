"""An upload service with its dependencies, and the uploads that tests send."""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import VestibuleError
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, UploadRow, utc_now
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.refusal_events import RefusalEvents
from server.setting_groups import LimitSettings
from server.uploads.build import build_upload_service
from server.uploads.encode_anew import MediaCleaner
from server.uploads.pace import UploadPace
from server.uploads.spool import Spool
from server.uploads.types import CheckStep, DeclaredUpload
from tests.fakes.cleaner import SameBytes
from tests.fakes.gateway import FakeGateway
from tests.unit.jobs.clock import HandClock

KIB = 1024
JPEG = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(300 * KIB)
WAV = b"RIFF\x24\0\0\0WAVEfmt " + random.Random(2).randbytes(5 * KIB)


@dataclass
class UploadHarness:
    """An upload service with its dependencies."""

    ledger: EmbeddedLedger
    session: SessionRow
    folder: Path
    limits: LimitSettings = field(default_factory=lambda: LimitSettings(upload_bytes=1024 * KIB, open_jobs=3))
    clock: HandClock = field(default_factory=lambda: HandClock(utc_now()))
    pubsub: PubSub = field(default_factory=PubSub)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    cleaner: MediaCleaner = field(default_factory=SameBytes)
    woken: int = 0
    more_checks: tuple[CheckStep, ...] = ()

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder, bytes(32), limit_bytes=self.limits.spool_bytes)
        self.metrics = Metrics()
        self.intake = build_upload_service(
            self.ledger,
            self.spool,
            self.pubsub,
            self.gateway,
            self.metrics,
            self.limits,
            self.cleaner,
            on_job=self.wake,
            clock=self.clock,
            refusals=RefusalEvents(self.ledger, self.clock),
        )
        *checks, encode_anew = self.intake._checks
        self.intake._checks = (*checks, *self.more_checks, encode_anew)
        self.intake._pace = UploadPace(stall_s=5.0)

    def wake(self) -> None:
        self.woken += 1

    def describe(self, content: bytes = JPEG, **changes: object) -> DeclaredUpload:
        described = DeclaredUpload(str(uuid4()), self.session.id, "", len(content), hashlib.sha256(content).digest())
        return replace(described, **changes)  # type: ignore[arg-type]

    async def accept(self, content: bytes = JPEG, piece: int = 64 * KIB, **changes: object) -> UploadRow:
        return await self.intake.accept(self.describe(content, **changes), pieces(content, piece))

    def with_limits(self, **changes: float) -> UploadHarness:
        """Another service on the same ledger and spool, as after a restart with other settings."""
        return replace(self, limits=LimitSettings.model_validate({**self.limits.model_dump(), **changes}))

    def refused(self, reason: str) -> float:
        """What the metric says."""
        return self.metrics.registry.get_sample_value("vestibule_refused_uploads_total", {"reason": reason}) or 0.0

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
