"""The spool: accepted media that wait for a worker, encrypted and durable, named by random ids.

Methods block; call them through ``asyncio.to_thread``. Several threads, and servers that share the folder, may use
different files at the same time, but not one file.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from models.errors import InvalidInput
from models.private_files import PART, make_private_folder
from models.reasons import Reason
from server.runtime.exclusive_file import locked
from server.runtime.keyring import Keyring
from server.uploads.audio_log import AudioLogFile, LogPieces
from server.uploads.deferred import DeferredDeletions
from server.uploads.disk import disk_errors
from server.uploads.encrypted_frames import (
    HEADER_BYTES,
    FileKind,
    FrameCipher,
    TornFrame,
    corrupt,
)
from server.uploads.files_in_use import FilesInUse
from server.uploads.spool_writer import SpoolWriter
from server.uploads.usage import NO_BOUNDS, LogBounds, LogUsage, OneLogUsage, SpoolUsage

PIECE_BYTES = 4 * 1024 * 1024
"""Of a file that is read in pieces."""

STORED_S = 600.0
"""From the last byte of a file until the ledger says that it is needed; a server takes seconds for that."""
LOG = ".log"
"""Suffix of the audio logs of streams."""

ANEW = ".anew"
"""Suffix of a file that is being encrypted with another key."""


def checked_id(value: str) -> UUID:
    """Parse an id. Only its result becomes a part of a path.

    Raises:
        InvalidInput: It is not a UUID in its usual form.
    """
    try:
        parsed = UUID(value)
    except ValueError as exc:
        raise InvalidInput("An id must be a UUID.", reason=Reason.INVALID_ID) from exc
    if str(parsed) != value.lower():
        raise InvalidInput("An id must be a UUID in its usual form.", reason=Reason.INVALID_ID)
    return parsed


class Spool:
    """Encrypted files in one folder.

    Args:
        folder: Made with mode 0700 when missing. Half copies of an interrupted change of keys are deleted.
        keys: A key of 32 bytes, or several.
        limit_bytes: Largest size of all files together; None for no bound.
        client_logs: Bounds on the audio logs of one client.
        together: Whether other servers use the folder, too. Then ``recount`` brings the numbers of bytes up to date.

    Attributes:
        keys: Its keys.
        in_use: Files that are being written.
        usage: Bytes of all files.
        logs: Bytes of the audio logs, and whose they are.
    """

    def __init__(
        self,
        folder: Path,
        keys: Keyring | bytes,
        *,
        limit_bytes: int | None = None,
        client_logs: LogBounds = NO_BOUNDS,
        together: bool = False,
    ) -> None:
        self.folder = folder
        self.keys = Keyring([keys]) if isinstance(keys, bytes) else keys
        self.in_use = FilesInUse(self.keys)
        self._together = together
        self._deferred = DeferredDeletions()
        with disk_errors():
            make_private_folder(folder)
            for half in () if together else folder.glob(f"*{ANEW}"):
                half.unlink()
            self.usage = SpoolUsage(folder, limit_bytes)
            self.logs = LogUsage(self.usage, self._log_sizes(), client_logs)

    def writer(self, object_id: str) -> SpoolWriter:
        """Start a file."""
        uuid = checked_id(object_id)
        end = self.in_use.take(str(uuid))
        try:
            cipher = FrameCipher(self.keys, FileKind.MEDIA, uuid)
            return SpoolWriter(self.folder / str(uuid), cipher, self.usage, end)
        except BaseException:
            end()
            raise

    def put(self, object_id: str, chunks: Iterable[bytes]) -> None:
        """Write a whole file, durably."""
        writer = self.writer(object_id)
        try:
            for chunk in chunks:
                writer.write(chunk)
            writer.commit()
        finally:
            writer.abort()

    def read(self, object_id: str) -> bytes:
        """A whole file.

        Raises:
            InternalError: It is missing, damaged, or was written with another key.
        """
        plain = io.BytesIO()  # one buffer: many small pieces would stay with the process
        for data in self._frames(object_id):
            plain.write(data)
        return plain.getvalue()  # without a copy

    def pieces(self, object_id: str) -> Iterator[bytes]:
        """A whole file in pieces of about ``PIECE_BYTES``. That it is damaged may show at its end only.

        Raises:
            InternalError: As ``read``.
        """
        piece = bytearray()
        for data in self._frames(object_id):
            piece += data
            if len(piece) >= PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)

    def _frames(self, object_id: str) -> Iterator[bytes]:
        uuid = checked_id(object_id)
        ended = False
        with disk_errors(), (self.folder / str(uuid)).open("rb") as file:
            cipher = FrameCipher(self.keys, FileKind.MEDIA, uuid, file.read(HEADER_BYTES))
            try:
                for frame in cipher.open_each(file):
                    if ended:
                        raise corrupt("something follows its last frame")
                    yield frame.data
                    ended = frame.last
            except TornFrame as exc:
                raise corrupt("a frame is cut off or does not open") from exc
        if not ended:
            raise corrupt("its last frame is missing")

    def delete(self, object_id: str) -> bool:
        """Remove a file, if there is one; returns whether it is removed now. A backup makes it wait."""
        return self._remove(str(checked_id(object_id)))

    def ids(self) -> set[str]:
        """Ids of all files that were committed."""
        with disk_errors():
            return {p.name for p in self.folder.iterdir() if not p.suffix}

    def size_bytes(self, object_ids: Iterable[str]) -> int:
        """Bytes of these files; one that is gone has none."""
        size_bytes = 0
        for object_id in object_ids:
            with disk_errors(), suppress(FileNotFoundError):
                size_bytes += (self.folder / str(checked_id(object_id))).stat().st_size
        return size_bytes

    def open_log(self, stream_id: str, *, durable_bytes: int = 0) -> AudioLogFile:
        """The audio log of a stream, positioned after its last whole frame; made when missing.

        Args:
            stream_id: Id of the stream.
            durable_bytes: Audio that was synced; a log with less is damaged, and is left as it is.

        Raises:
            InternalError: The log is damaged.
            Overloaded: CLIENT_AUDIO_FULL or SPOOL_FULL, there is no room for it.
        """
        uuid = checked_id(stream_id)
        path, usage = self._log_path(uuid), OneLogUsage(self.logs, str(uuid))
        end = self.in_use.take(path.name)
        try:
            with disk_errors():
                return AudioLogFile(path, self.keys, uuid, durable_bytes, usage, end)
        except BaseException:
            end()
            raise

    def log_bytes(self, stream_id: str, *, durable_bytes: int = 0) -> int:
        """Bytes of audio in a log up to its last whole frame; arguments as for ``open_log``.

        Raises:
            InternalError: The log is missing or damaged.
        """
        uuid = checked_id(stream_id)
        with disk_errors(), self._log_path(uuid).open("rb") as file:
            return AudioLogFile.measure(file, self.keys, uuid, durable_bytes).size_bytes

    def log_pieces(self, stream_id: str) -> LogPieces:
        """The audio of a log up to its last whole frame, in pieces; no more than that is in memory.

        Raises:
            InternalError: As ``log_bytes``, when the first or a later piece is asked for.
        """
        uuid = checked_id(stream_id)
        with disk_errors(), self._log_path(uuid).open("rb") as file:
            yield from AudioLogFile.pieces(file, self.keys, uuid)

    def delete_log(self, stream_id: str) -> bool:
        """Remove a log, if there is one; returns as ``delete``."""
        return self._remove(self._log_path(checked_id(stream_id)).name)

    def delete_empty_log(self, stream_id: str) -> None:
        """Remove a log that holds no audio. Its stream may be open again soon, so this is never put off."""
        path = self._log_path(checked_id(stream_id))
        with disk_errors(), suppress(FileNotFoundError), path.open("rb+") as file:
            if locked(file) and path.stat().st_size <= HEADER_BYTES and not self._deferred.deferring:
                self._remove(path.name)

    def log_in_use(self, stream_id: str) -> bool:
        """Whether a server has the log of a stream open to append to it."""
        with disk_errors(), suppress(FileNotFoundError), self._log_path(checked_id(stream_id)).open("rb+") as file:
            return not locked(file)
        return False

    def recount(self) -> None:
        """Count all files again: other servers write and delete some."""
        with disk_errors():
            self.usage.recount()
            self.logs.recount(self._log_sizes(), self._open_logs)

    def has_log(self, stream_id: str) -> bool:
        """Whether a stream has a log."""
        return self._log_path(checked_id(stream_id)).exists()

    def log_ids(self) -> set[str]:
        """Ids of all streams that have a log."""
        with disk_errors():
            return {p.stem for p in self.folder.iterdir() if p.suffix == LOG and is_uuid(p.stem)}

    def part_ids(self) -> set[str]:
        """Ids of files that are being written, or were when the process was killed."""
        with disk_errors():
            return {p.stem for p in self.folder.iterdir() if p.suffix == PART}

    def delete_part(self, object_id: str) -> bool:
        """Remove a file that is no longer written, if there is one; returns whether there was."""
        return self._remove(f"{checked_id(object_id)}{PART}")

    def _open_logs(self) -> set[str]:
        return {name.removesuffix(LOG) for name in self.in_use.now() if name.endswith(LOG)}

    def _log_path(self, uuid: UUID) -> Path:
        return self.folder / f"{uuid}{LOG}"

    def _log_sizes(self) -> dict[str, int]:
        sizes = {}
        for stream_id in self.log_ids():
            with suppress(FileNotFoundError):  # another server may delete it
                sizes[stream_id] = self._log_path(UUID(stream_id)).stat().st_size
        return sizes

    def of_others(self, object_ids: Iterable[str]) -> set[str]:
        """Those of these files, or of their unfinished forms, that another server may be about to store."""
        since = time.time() - STORED_S
        names = {name: each for each in object_ids for name in (each, f"{each}{PART}")} if self._together else {}
        return {each for name, each in names.items() if self._changed_since(name, since)}

    def _changed_since(self, name: str, since: float) -> bool:
        with disk_errors(), suppress(FileNotFoundError):
            return (self.folder / name).stat().st_mtime > since
        return False

    def keep(self) -> None:
        """Delete no file that was committed, and no log, until ``let_go``."""
        self._deferred.begin()

    @property
    def needs_room(self) -> bool:
        """Whether it is nearly full while files that are no longer needed are kept."""
        return self.usage.nearly_full and self._deferred.waiting

    def let_go(self) -> None:
        """Delete what was to be deleted since ``keep``."""
        for name in self._deferred.end():
            self._remove(name)

    def _remove(self, name: str) -> bool:
        if not name.endswith(PART) and self._deferred.takes(name):
            return False
        file = self.folder / name
        end = self.in_use.take(name)  # a copy under another key would bring it back
        try:
            with disk_errors():
                return self._unlink(file)
        finally:
            end()

    def _unlink(self, file: Path) -> bool:
        """Delete a file that may be missing, and count it no more; returns whether it was there."""
        try:
            size_bytes = file.stat().st_size
            file.unlink()
        except FileNotFoundError:
            size_bytes = None
        if file.suffix == LOG:
            self.logs.forget(file.stem)
        elif size_bytes is not None:
            self.usage.remove(size_bytes)
        return size_bytes is not None


def is_uuid(name: str) -> bool:
    """Whether a name is one that we gave; other files in a folder are left alone."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
