"""What the tests of the change of the spool's key work on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Final
from uuid import uuid4

from server.access.audit import AuditTrail
from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.records.vocabulary import VocabularySealer
from server.uploads.encrypted_frames import HEADER_BYTES, MAX_FRAME_BYTES, key_id_of
from server.uploads.key_rotation import SpoolKeyRotation
from server.uploads.keys import load_or_create_spool_keys
from server.uploads.spool import Spool

MEDIA: Final = (os.urandom(MAX_FRAME_BYTES + 1000), b"")
WORDS: Final = ("Maple Street", "Okonkwo")
TRAIL: Final = AuditTrail(bytes(32), bytes(32), utc_now)
LEAST_FREE_BYTES: Final = 1000


class World:
    """A spool with some files and a session with a vocabulary, as a process finds them on the disk.

    Attributes:
        now_s: What the clock of the calls says.
        step_s: By how much each look moves it.
        free_bytes: Of the disk.
    """

    def __init__(self, ledger: EmbeddedLedger, folder: Path, setting: str = "", wait_s: float = 30.0) -> None:
        self.now_s, self.step_s, self.free_bytes = 0.0, 0.0, 10**12
        self.ledger = ledger
        self.path = folder / "spool.key"
        self.keys = load_or_create_spool_keys(setting, self.path)
        self.spool = Spool(folder / "spool", self.keys)
        self.sealer = VocabularySealer(self.keys)
        self.alone = asyncio.Lock()
        self.rotation = SpoolKeyRotation(
            self.spool,
            ledger,
            self.sealer,
            TRAIL,
            self.alone,
            least_free_bytes=LEAST_FREE_BYTES,
            free=lambda _folder: self.free_bytes,
            wait_s=wait_s,
            monotonic=self.look,
        )

    def look(self) -> float:
        self.now_s += self.step_s
        return self.now_s

    def fill(self) -> None:
        self.media = {str(uuid4()): content for content in MEDIA}
        for name, content in self.media.items():
            self.spool.put(name, [content])
        self.log = str(uuid4())
        with self.spool.open_log(self.log) as log:
            log.append(b"sound")
            log.mark()
            log.append(b"more sound")
        self.session = self.start_session()

    def start_session(self) -> str:
        """One with a vocabulary; returns its id."""
        now, sealed = utc_now(), self.sealer.seal(WORDS)
        row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, sealed_vocabulary=sealed)
        self.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        return row.id

    def same(self, filled: World) -> None:
        """Everything that was filled in can be read."""
        for name, content in filled.media.items():
            assert self.spool.read(name) == content
        assert list(self.spool.log_pieces(filled.log)) == [b"sound", b"", b"more sound"]
        row = self.ledger.write_now(lambda cursor: sessions.get(cursor, filled.session))
        assert self.sealer.open(row.sealed_vocabulary) == WORDS

    @property
    def stored_keys(self) -> int:
        return len(self.path.read_bytes().splitlines())

    @property
    def needed_keys(self) -> set[bytes | None]:
        """Ids of the keys in the headers of all files."""
        files = [path.read_bytes()[:HEADER_BYTES] for path in self.spool.folder.iterdir()]
        return {key_id_of(header) for header in files}
