from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from server.access.audit import AuditAction, AuditTrail, load_or_create_key, load_or_create_subjects_key
from server.access.audit_head import head_kept
from server.access.caller import OFFLINE, acting_as
from server.backup.layout import Manifest
from server.backup.sources import ServerFiles
from server.backup.take import BackupWriter, StoppedLedger
from server.ledger import needed_media
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.uploads.keys import load_or_create_spool_keys
from server.uploads.spool import Spool
from tests.unit.erasure.filled import Store
from tests.unit.ledger.migrated import open_ledger

NOW = datetime(2026, 11, 27, 13, 0, tzinfo=UTC)
BUILD = "1.2.3"


class Home(Store):
    """A server's folders with a session of everything, and its keys."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.files = files_in(self.home)
        self.pictures = self.files.pictures
        self.pictures.mkdir()
        self.spool = Spool(self.files.spool, load_or_create_spool_keys("", self.files.state_dir / "spool.key"))
        self.trail = AuditTrail(self._audit_key, load_or_create_subjects_key(self.files.state_dir), utc_now)
        self.files.streams_key.parent.mkdir()
        self.files.streams_key.write_bytes(bytes(range(32)))
        self.session = self.fill("jane")
        asyncio.run(self.audit())

    @property
    def _audit_key(self) -> bytes:
        return load_or_create_key(self.files.state_dir)

    async def audit(self) -> None:
        """Add three rows to the audit and keep its head."""
        with acting_as(OFFLINE):
            entries = [self.trail.entry(AuditAction.APPROVE, ("recommendation", f"r{n}")) for n in range(3)]
        async with head_kept(self.ledger, self._audit_key, self.files.state_dir):
            for entry in entries:
                await self.ledger.write(lambda cursor, entry=entry: self.trail.append(cursor, entry))  # type: ignore[misc]

    @property
    def needed(self) -> set[str]:
        """Media of the spool that jobs need."""
        return self.ledger.write_now(needed_media.needed_spool_ids)

    def writer(self, target: Path, keys: Path | None = None) -> BackupWriter:
        return writer_of(self.files, target, keys)

    def backup(self, target: Path, keys: Path | None = None) -> Manifest:
        return self.writer(target, keys).write(NOW)


def writer_of(files: ServerFiles, target: Path, keys: Path | None = None) -> BackupWriter:
    """Makes a backup of a server that does not run."""
    return BackupWriter(files, StoppedLedger.of(files.ledger).mark, target, keys, BUILD)


def files_in(home: Path) -> ServerFiles:
    """The files of a server that lives in a folder."""
    data, state = home / "data", home / "state"
    return ServerFiles(
        data, state, data / "ledger.duckdb", data / "pictures", state / "spool", state / "workers" / "carry.key", ""
    )


def opened(files: ServerFiles) -> tuple[EmbeddedLedger, Spool]:
    """What a server opens when it starts."""
    keys = load_or_create_spool_keys("", files.state_dir / "spool.key")
    return open_ledger(files.ledger), Spool(files.spool, keys)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    yield made
    made.ledger.close()
