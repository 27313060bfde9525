"""The clean form of one upload, on its way into the spool piece by piece, so that it is never in memory whole."""

from __future__ import annotations

import threading

from models.errors import Unavailable
from models.reasons import Reason
from server.uploads.spool import Spool
from server.uploads.spool_writer import SpoolWriter


class CleanForm:
    """A file of the spool that is being written. Nothing is on the disk before the first piece.

    The thread that decodes writes while the event loop may end the upload: what it writes afterwards is refused.

    Args:
        spool: Where the file will be.
        spool_id: Its id.
    """

    def __init__(self, spool: Spool, spool_id: str) -> None:
        self._spool = spool
        self._lock = threading.Lock()
        self._writer: SpoolWriter | None = None
        self._ended = False
        self.spool_id = spool_id

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece. Blocks.

        Raises:
            VestibuleError: From the spool, or the upload has ended.
        """
        with self._lock:
            self._open().write(piece)

    def commit(self) -> None:
        """Make the file durable, or leave nothing. Blocks."""
        with self._lock:
            writer = self._open()
            self._ended = True
            try:
                writer.commit()
            finally:
                writer.abort()

    def abort(self) -> None:
        """Leave nothing; after ``commit`` it does nothing. Blocks."""
        with self._lock:
            self._ended = True
            if self._writer is not None:
                self._writer.abort()

    def _open(self) -> SpoolWriter:
        if self._ended:
            raise Unavailable("The upload has ended.", reason=Reason.SPOOL_FAILED)
        if self._writer is None:
            self._writer = self._spool.writer(self.spool_id)
        return self._writer
