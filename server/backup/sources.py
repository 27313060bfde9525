"""Where a server keeps what a backup copies, and its keys."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import NotFound
from models.private_files import make_private_folder, write_atomically
from models.reasons import Reason
from server.access.audit import KEY_FILE as AUDIT_KEY_FILE
from server.access.audit import SUBJECTS_KEY_FILE, load_or_create_key, load_or_create_subjects_key
from server.backup import layout
from server.backup.layout import BackupKeys
from server.uploads.keys import KEY_FILE as SPOOL_KEY_FILE
from server.uploads.keys import load_or_create_spool_keys

if TYPE_CHECKING:
    from server.settings import Settings


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """The files of a server.

    Attributes:
        streams_key: Key of the sealed state of streams.
        given_spool_keys: Those that a setting gives; empty when they are in the state folder.
    """

    data_dir: Path
    state_dir: Path
    ledger: Path
    pictures: Path
    spool: Path
    streams_key: Path
    given_spool_keys: str

    @staticmethod
    def of(settings: Settings) -> ServerFiles:
        """Those that the settings name."""
        return ServerFiles(
            data_dir=settings.data_dir,
            state_dir=settings.state_dir,
            ledger=settings.ledger_path,
            pictures=settings.pictures_dir,
            spool=settings.spool_dir,
            streams_key=settings.state_key_path,
            given_spool_keys=settings.spool_key.get_secret_value(),
        )

    def place_of(self, path: str) -> Path:
        """Where a file of a backup belongs."""
        folder, _, name = path.rpartition("/")
        if path == layout.LEDGER:
            return self.ledger
        if path == layout.HEAD:
            return self.state_dir / layout.HEAD
        return (self.pictures if folder == layout.PICTURES else self.spool) / name

    def read_audit_key(self) -> bytes | None:
        """The key of the audit, if there is one; none is made."""
        return load_or_create_key(self.state_dir) if (self.state_dir / AUDIT_KEY_FILE).exists() else None

    def read_keys(self, now: datetime) -> BackupKeys:
        """All keys. None is made.

        Raises:
            NotFound: BACKUP_KEYS_MISSING.
        """
        own = not self.given_spool_keys
        needed = [AUDIT_KEY_FILE, SUBJECTS_KEY_FILE, *([SPOOL_KEY_FILE] if own else [])]
        gone = [name for name in needed if not (self.state_dir / name).exists()]
        if gone:
            raise NotFound(
                f"The state folder lacks {', '.join(gone)}.",
                reason=Reason.BACKUP_KEYS_MISSING,
                hint="Name the state folder of the server, or leave --keys out.",
            )
        kept = load_or_create_spool_keys("", self.state_dir / SPOOL_KEY_FILE).kept if own else ()
        return BackupKeys(
            create_time=now,
            spool=tuple(base64.b64encode(key).decode() for key in kept),
            audit=load_or_create_key(self.state_dir).hex(),
            subjects=load_or_create_subjects_key(self.state_dir).hex(),
            streams=base64.b64encode(self.streams_key.read_bytes()).decode() if self.streams_key.exists() else "",
        )

    def write_keys(self, keys: BackupKeys) -> None:
        """Put keys where a server looks for them."""
        for name, key in ((AUDIT_KEY_FILE, keys.audit), (SUBJECTS_KEY_FILE, keys.subjects)):
            write_atomically(self.state_dir / name, f"{key}\n".encode())
        if spool_keys := keys.spool_keys():
            lines = b"".join(base64.b64encode(key) + b"\n" for key in spool_keys)
            write_atomically(self.state_dir / SPOOL_KEY_FILE, lines)
        if streams_key := keys.streams_key():
            make_private_folder(self.streams_key.parent)
            write_atomically(self.streams_key, streams_key)
