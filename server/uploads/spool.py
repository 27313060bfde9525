"""The spool: accepted media that wait for a worker, encrypted and durable, named by random ids.

Methods block; call them through ``asyncio.to_thread``. One process owns a spool. Several threads may use different
files at the same time, but not one file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from models.errors import InvalidInput, VestibuleError
from models.private_files import PART, make_private_folder, open_private, sync_folder
from models.reasons import Reason
from server.uploads.audio_log import AudioLogFile, LogPieces
from server.uploads.disk import begin_write_back, disk_errors
from server.uploads.encrypted_frames import (
    HEADER_BYTES,
    KEY_BYTES,
    MAX_FRAME_BYTES,
    FileKind,
    FrameCipher,
    TornFrame,
    corrupt,
    sealed_bytes,
)
from server.uploads.usage import NO_BOUNDS, LogBounds, LogUsage, OneLogUsage, SpoolUsage

_SEALED_AT_ONCE_BYTES = 64 * 1024
"""A piece of at least this size becomes a frame of its own; smaller ones are collected."""

PIECE_BYTES = 4 * 1024 * 1024
"""Of a file that is read in pieces."""

_WRITE_BACK_BYTES = 2 * 1024 * 1024
"""Bytes after which the disk is asked to start writing, so that ``commit`` is short.

Found in docs/evaluation/constants/jobs.md, write-back."""

_LOG = ".log"


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


class SpoolWriter:
    """Writes one file. Ends with ``commit`` or ``abort``; before ``commit`` returns the file does not exist."""

    def __init__(self, final: Path, cipher: FrameCipher, usage: SpoolUsage) -> None:
        self._final = final
        self._part = final.with_name(final.name + PART)
        self._cipher = cipher
        self._usage = usage
        self._written_bytes = 0
        self._pending = bytearray()
        self._buffer = bytearray()
        self._frames = 0
        self._unasked_bytes = 0
        with disk_errors():
            self._file = open(self._part, "xb", buffering=0, opener=open_private)  # noqa: SIM115
            try:
                self._write(memoryview(cipher.header))
            except (OSError, VestibuleError):
                self.abort()
                raise

    def write(self, data: bytes | memoryview) -> None:
        """Append a piece of any size; about a megabyte is most efficient."""
        if not self._pending and len(data) >= _SEALED_AT_ONCE_BYTES:
            self._seal(data)
            return
        self._pending += data
        if len(self._pending) >= _SEALED_AT_ONCE_BYTES:
            self._seal(self._pending)
            self._pending = bytearray()

    def commit(self) -> None:
        """Make the file durable under its name."""
        self._seal(self._pending, last=True)
        with disk_errors():
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._final)
            self._written_bytes = 0  # from now on those of the file
            sync_folder(self._final.parent)

    def abort(self) -> None:
        """Remove the file. Safe to repeat; after ``commit`` it does nothing."""
        self._file.close()
        with disk_errors():
            self._part.unlink(missing_ok=True)
        self._usage.remove(self._written_bytes)
        self._written_bytes = 0

    def _seal(self, data: bytes | bytearray | memoryview, *, last: bool = False) -> None:
        """Seal a piece frame by frame into one buffer, and write it with one call.

        Each write releases the interpreter lock and has to wait for it again, so few calls are faster.
        """
        starts = range(0, max(1, len(data)), MAX_FRAME_BYTES)
        size = len(data) + len(starts) * sealed_bytes(0)
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        with memoryview(data) as plain, memoryview(self._buffer) as sealed:
            end = 0
            for start in starts:
                frame = plain[start : start + MAX_FRAME_BYTES]
                end += self._cipher.seal(frame, self._frames, sealed[end:], last=last)
                self._frames += 1
            self._write(sealed[:end])

    def _write(self, rest: memoryview) -> None:
        self._usage.add(len(rest))
        self._written_bytes += len(rest)
        self._unasked_bytes += len(rest)
        with disk_errors():
            while rest:
                rest = rest[self._file.write(rest) :]
            if self._unasked_bytes >= _WRITE_BACK_BYTES:
                self._unasked_bytes = 0
                begin_write_back(self._file.fileno())


class Spool:
    """Encrypted files in one folder.

    Args:
        folder: Made with mode 0700 when missing.
        key: 32 bytes.
        limit_bytes: Largest size of all files together; None for no bound.
        client_logs: Bounds on the audio logs of one client.

    Attributes:
        usage: Bytes of all files.
        logs: Bytes of the audio logs, and whose they are.
    """

    def __init__(
        self, folder: Path, key: bytes, *, limit_bytes: int | None = None, client_logs: LogBounds = NO_BOUNDS
    ) -> None:
        if len(key) != KEY_BYTES:
            raise InvalidInput(f"The spool key must have {KEY_BYTES} bytes.", reason=Reason.SPOOL_KEY_INVALID)
        self._folder = folder
        self._key = key
        with disk_errors():
            make_private_folder(folder)
            self.usage = SpoolUsage(folder, limit_bytes)
            self.logs = LogUsage(self.usage, self._log_sizes(), client_logs)

    def writer(self, object_id: str) -> SpoolWriter:
        """Start a file."""
        uuid = checked_id(object_id)
        return SpoolWriter(self._folder / str(uuid), FrameCipher(self._key, FileKind.MEDIA, uuid), self.usage)

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
        with disk_errors(), (self._folder / str(uuid)).open("rb") as file:
            cipher = FrameCipher(self._key, FileKind.MEDIA, uuid, file.read(HEADER_BYTES))
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

    def delete(self, object_id: str) -> None:
        """Remove a file, if there is one."""
        self._remove(str(checked_id(object_id)))

    def ids(self) -> set[str]:
        """Ids of all files that were committed."""
        with disk_errors():
            return {p.name for p in self._folder.iterdir() if not p.suffix}

    def size_bytes(self, object_ids: Iterable[str]) -> int:
        """Bytes of these files; one that is gone has none."""
        size_bytes = 0
        for object_id in object_ids:
            with disk_errors(), suppress(FileNotFoundError):
                size_bytes += (self._folder / str(checked_id(object_id))).stat().st_size
        return size_bytes

    def open_log(self, stream_id: str, *, durable_bytes: int = 0) -> AudioLogFile:
        """The audio log of a stream, positioned after its last whole frame; made when missing.

        Args:
            stream_id: Id of the stream.
            durable_bytes: Audio that was synced; a log with less is damaged, and is left as it is.

        Raises:
            InternalError: The log is damaged.
        """
        uuid = checked_id(stream_id)
        with disk_errors():
            return AudioLogFile(self._log_path(uuid), self._key, uuid, durable_bytes, OneLogUsage(self.logs, str(uuid)))

    def log_bytes(self, stream_id: str, *, durable_bytes: int = 0) -> int:
        """Bytes of audio in a log up to its last whole frame; arguments as for ``open_log``.

        Raises:
            InternalError: The log is missing or damaged.
        """
        uuid = checked_id(stream_id)
        with disk_errors(), self._log_path(uuid).open("rb") as file:
            return AudioLogFile.measure(file, self._key, uuid, durable_bytes).size_bytes

    def log_pieces(self, stream_id: str) -> LogPieces:
        """The audio of a log up to its last whole frame, in pieces; no more than that is in memory.

        Raises:
            InternalError: As ``log_bytes``, when the first or a later piece is asked for.
        """
        uuid = checked_id(stream_id)
        with disk_errors(), self._log_path(uuid).open("rb") as file:
            yield from AudioLogFile.pieces(file, self._key, uuid)

    def delete_log(self, stream_id: str) -> None:
        """Remove a log, if there is one."""
        uuid = checked_id(stream_id)
        self._remove(self._log_path(uuid).name)
        self.logs.forget(str(uuid))

    def log_ids(self) -> set[str]:
        """Ids of all streams that have a log."""
        with disk_errors():
            return {p.stem for p in self._folder.iterdir() if p.suffix == _LOG and is_uuid(p.stem)}

    def part_ids(self) -> set[str]:
        """Ids of files that are being written, or were when the process was killed."""
        with disk_errors():
            return {p.stem for p in self._folder.iterdir() if p.suffix == PART}

    def delete_part(self, object_id: str) -> None:
        """Remove a file that is no longer written, if there is one."""
        self._remove(f"{checked_id(object_id)}{PART}")

    def _log_path(self, uuid: UUID) -> Path:
        return self._folder / f"{uuid}{_LOG}"

    def _log_sizes(self) -> dict[str, int]:
        return {stream_id: self._log_path(UUID(stream_id)).stat().st_size for stream_id in self.log_ids()}

    def _remove(self, name: str) -> None:
        file = self._folder / name
        with disk_errors(), suppress(FileNotFoundError):
            size_bytes = file.stat().st_size
            file.unlink()
            self.usage.remove(size_bytes)


def is_uuid(name: str) -> bool:
    """Whether a name is one that we gave; other files in a folder are left alone."""
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
