from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from models.retry import POLICIES, RetryPolicies
from models.tracing.spans import NO_TRACER, Tracer
from server.access.audit import AuditTrail
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.flows.catalogue import Flows, shipped_catalogue
from server.jobs.handlers import build_handlers
from server.jobs.runner import JobRunner
from server.jobs.types import Handler, JobDetails
from server.ledger import recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.types import (
    JobRow,
    RecommendationRow,
    SessionRow,
    SessionState,
    TurnRow,
    UploadRow,
)
from server.llm.labels import NO_LABELLER, Labeller
from server.observability.metrics import Metrics
from server.records.guide import Guide
from server.records.pubsub import PubSub
from server.records.recommender import Recommender
from server.records.refusal_events import RefusalEvents
from server.records.session_progress import note_new_input
from server.setting_groups import ApprovalSettings, LimitSettings
from server.uploads.build import build_upload_service
from server.uploads.spool import Spool
from server.uploads.types import DeclaredUpload
from tests.eventually import eventually
from tests.fakes.assistant import FakeAssistant
from tests.fakes.cleaner import SameBytes
from tests.fakes.gateway import FakeGateway, redacted
from tests.unit.jobs.clock import HandClock
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import jobs_of_session

T = TypeVar("T")
JPEG = b"\xff\xd8\xff\xe0" + b"a photograph " * 1000
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"a recording " * 1000


@dataclass
class World:
    """A server without gRPC and Ray; ``boot`` starts a new process on the same disk."""

    folder: Path
    clock: HandClock = field(default_factory=HandClock)
    gateway: FakeGateway = field(default_factory=FakeGateway)
    assistant: FakeAssistant = field(default_factory=FakeAssistant)
    attempts: list[JobDetails] = field(default_factory=list)
    more_handlers: list[Handler] = field(default_factory=list)
    keep_recordings: bool = False
    policies: RetryPolicies = field(default_factory=lambda: POLICIES)
    paused_s: list[float] = field(default_factory=list)
    approval: ApprovalSettings = field(default_factory=ApprovalSettings)
    workers_up: bool = True
    experiments: Experiments = NO_EXPERIMENTS
    labeller: Labeller = NO_LABELLER
    label_wait_s: float = 0.0
    flows: Flows = field(default_factory=shipped_catalogue)
    tracer: Tracer = NO_TRACER

    def __post_init__(self) -> None:
        self.ledger = open_ledger(self.folder / "data" / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
        now = self.clock()
        row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, language="en")
        self.session_id = row.id
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        self.boot()

    async def pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)

    def boot(self) -> None:
        self.pubsub = PubSub()
        self.spool = Spool(self.folder / "spool", bytes(32))
        self.artifacts = self.folder / "artifacts"
        self.audit = AuditTrail(bytes(32), bytes(32), self.clock)
        self.runner = JobRunner(
            self.ledger,
            clock=self.clock,
            owner=str(uuid4()),
            audit=self.audit,
            observer=self.attempts.append,
            chance=random.Random(7),
            policies=self.policies,
            sleep=self.pause,
            workers_up=lambda: self.workers_up,
            tracer=self.tracer,
        )
        refusals = RefusalEvents(self.ledger, self.clock)
        self.recommender = Recommender(
            self.ledger,
            self.gateway,
            self.assistant,
            self.pubsub,
            clock=self.clock,
            audit=self.audit,
            flows=self.flows,
            approval=self.approval,
            on_job=self.runner.wake,
            label_wait_s=lambda: self.label_wait_s,
            refusals=refusals,
        )
        self.intake = build_upload_service(
            self.ledger,
            self.spool,
            self.pubsub,
            self.gateway,
            Metrics(),
            LimitSettings(client_uploads=1000),
            SameBytes(),
            on_job=self.runner.wake,
            clock=self.clock,
            refusals=refusals,
        )

    async def start(self) -> int:
        built = build_handlers(
            self.ledger,
            self.spool,
            self.gateway,
            self.assistant,
            self.recommender,
            self.pubsub,
            artifacts=self.artifacts,
            guide=Guide(self.flows),
            clock=self.clock,
            keep_recordings=self.keep_recordings,
            experiments=self.experiments,
            labeller=self.labeller,
        )
        return await self.runner.start([*built, *self.more_handlers])

    async def settle(self) -> None:
        """Begin what is due and wait until nothing runs."""
        while True:
            was_busy = self.runner.running > 0  # then there may have been no room to claim
            if not await self.runner.claim() and not self.runner.running and not was_busy:
                return
            if tasks := [task for _, task in self.runner._running.values()]:
                await asyncio.wait(tasks)

    async def until_called(self, method: str, times: int = 1) -> None:
        """Wait until the workers have been asked."""
        await eventually(lambda: len(self.gateway.called(method)) >= times and self.gateway.running)

    async def new_session(self) -> str:
        """One more session; returns its id."""
        now = self.clock()
        row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, language="en")
        await self.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
        return row.id

    async def upload(self, content: bytes = JPEG, kind: str = "", session_id: str = "") -> UploadRow:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        description = DeclaredUpload(
            str(uuid4()), session_id or self.session_id, kind, len(content), hashlib.sha256(content).digest()
        )
        return await self.intake.accept(description, chunks())

    async def say(self, text: str, *, reply: str = "") -> TurnRow:
        row = TurnRow(
            str(uuid4()),
            self.session_id,
            str(uuid4()),
            0,
            "speech",
            redacted(text),
            self.clock(),
            language="en",
            reply=redacted(reply) if reply else None,
        )

        def write(cursor: Cursor) -> None:
            turns.insert_turn(cursor, row)
            note_new_input(cursor, sessions.get(cursor, self.session_id), self.clock())

        await self.ledger.write(write)
        return row

    async def read(self, function: Callable[[Cursor], T]) -> T:
        return await self.ledger.read(function)

    async def session(self) -> SessionRow:
        return await self.read(lambda cursor: sessions.get(cursor, self.session_id))

    async def uploaded(self, upload_id: str) -> UploadRow:
        return await self.read(lambda cursor: uploads.get(cursor, upload_id))

    async def jobs(self) -> list[JobRow]:
        return await self.read(lambda cursor: jobs_of_session(cursor, self.session_id))

    async def recommendations(self) -> list[RecommendationRow]:
        return await self.read(lambda cursor: recommendations.list_of_session(cursor, self.session_id))

    @property
    def outcomes(self) -> list[str]:
        return [details.outcome.value for details in self.attempts]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    built = World(tmp_path)
    yield built
    await built.runner.stop(0)
    built.ledger.close()
