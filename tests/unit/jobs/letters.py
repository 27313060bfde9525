"""Dead letters in a ledger whose runner claims nothing, so that they stay as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc.aio
from vestibule.v1 import admin_pb2_grpc

from server.access.audit_book import AuditBook
from server.jobs.letter_operations import LetterOperations
from server.jobs.types import Completion, Handler
from server.ledger import dead_letters, jobs
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.types import DeadLetterRow, JobRow
from server.records.machine_words import MachineWords
from server.rpc.interceptors.base import HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.validate import Validate
from server.services.admin import AdminService
from server.setting_groups import AuditSettings
from tests.unit.jobs.conftest import World


class NeverRuns(Handler):
    """Stands for the handler of a redriven job."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def run(self, job: JobRow) -> Completion[Any]:
        raise AssertionError("no job is claimed in these tests")


class Letters:
    """Writes dead letters and operates on them."""

    def __init__(self, world: World, per_s: float = 10.0) -> None:
        self.world = world
        world.runner._handlers = {kind: NeverRuns(kind) for kind in ("read_picture", "reply")}
        self.audit = AuditBook(world.ledger, AuditSettings(), world.folder / "state", world.clock, "1.2.3")
        self.operations = LetterOperations(
            world.ledger, world.runner, self.audit.trail, world.clock, per_s, world.pause
        )

    async def add(
        self,
        kind: str = "read_picture",
        reason: str = "WORKER_LOST",
        session_id: str = "",
        age: timedelta | None = None,
    ) -> str:
        """Write a letter; returns its id."""
        now = self.world.clock() - (age or timedelta())
        job = new_job(
            kind, str(uuid4()), session_id or self.world.session_id, {"upload_id": str(uuid4())}, "network", now
        )
        row = DeadLetterRow(str(uuid4()), job.id, kind, job.session_id, reason, "It died.", 6, "network", now)

        def write(cursor: Cursor) -> None:
            jobs.enqueue(cursor, job)
            cursor.execute("UPDATE jobs SET state = 'DEAD', attempts = 6 WHERE id = ?", [job.id])
            dead_letters.insert_letter(cursor, row)

        await self.world.ledger.write(write)
        return row.id

    async def get(self, letter_id: str) -> DeadLetterRow:
        """A letter as it is now."""
        return await self.world.read(lambda cursor: dead_letters.get(cursor, letter_id))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The address of a port with the real service."""
        nothing: Any = None
        words = MachineWords(self.world.gateway)
        service = AdminService(
            nothing,
            self.world.ledger,
            self.world.runner,
            nothing,
            words,
            nothing,
            self.audit,
            self.operations,
            nothing,
            nothing,
            nothing,
        )
        server = grpc.aio.server(interceptors=[HookInterceptor(hook) for hook in (MapErrors(), Validate())])
        admin_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)
