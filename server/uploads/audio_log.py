"""The audio of one conversation stream, appended as it arrives, so that the stream can be resumed after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final
from uuid import UUID

from models.errors import Conflict, VestibuleError
from models.private_files import open_private, sync_folder
from models.reasons import Reason
from server.runtime.exclusive_file import locked
from server.runtime.keyring import Keyring
from server.uploads.disk import disk_errors
from server.uploads.encrypted_frames import (
    HEADER_BYTES,
    MAX_FRAME_BYTES,
    FileKind,
    FrameCipher,
    TornFrame,
    corrupt,
    sealed_bytes,
)
from server.uploads.usage import OneLogUsage

LOG_PIECE_BYTES: Final = 64 * 1024
"""Of a log that is read in pieces."""

LogPieces = Generator[bytes, None, None]
"""The audio of a log in pieces that are not empty, and an empty one where ``mark`` was called. Reads it as it goes."""


@dataclass(frozen=True, slots=True)
class AudioLogSize:
    """How long a log is up to its last whole frame.

    Attributes:
        size_bytes: Of the audio.
        frames: Their number.
        end: Where in the file the last one ends.
    """

    size_bytes: int = 0
    frames: int = 0
    end: int = 0


class AudioLogFile:
    """An encrypted file that only grows. ``Spool.open_log`` makes it.

    A kill may leave the last frame incomplete; what was synced before it is whole. Opening cuts it off. The file is
    locked while it is open, so that of several servers with one folder only one appends.

    Attributes:
        size_bytes: Audio in the log so far.
    """

    def __init__(
        self,
        path: Path,
        keys: Keyring,
        stream_id: UUID,
        durable_bytes: int,
        usage: OneLogUsage,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_close = on_close
        self._file = _opened_and_locked(path)
        try:
            size_bytes = os.fstat(self._file.fileno()).st_size
            with path.open("rb") as file:
                found = AudioLogFile.measure(file, keys, stream_id, durable_bytes)
                header = os.pread(file.fileno(), HEADER_BYTES, 0) if found.end else None
            usage.begin(size_bytes)
            self._cipher = FrameCipher(keys, FileKind.AUDIO_LOG, stream_id, header)
            self._frames = found.frames
            self._usage = usage
            self.size_bytes = found.size_bytes
            self._end = found.end
            self._file.truncate(self._end)
            usage.remove(size_bytes - self._end)
            if header is None:
                self._write(memoryview(self._cipher.header))
                sync_folder(path.parent)
        except (OSError, VestibuleError):
            self._file.close()
            raise

    def __enter__(self) -> AudioLogFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, data: bytes) -> None:
        """Append audio. It survives a kill of the process at once, and a power cut after ``sync``.

        Raises:
            Overloaded: The disk, the spool or the client's share of it is full; only whole frames of ``data`` were
                kept.
            NotFound: STREAM_NOT_FOUND, the file was deleted.
        """
        with disk_errors():
            for start in range(0, len(data), MAX_FRAME_BYTES):
                self._add(data[start : start + MAX_FRAME_BYTES])

    def mark(self) -> None:
        """Append a mark: a frame without audio, as durable as what ``append`` adds.

        Raises:
            VestibuleError: As ``append``.
        """
        with disk_errors():
            self._add(b"")

    def sync(self) -> None:
        """Make everything appended so far durable."""
        with disk_errors():
            os.fdatasync(self._file.fileno())

    def close(self) -> None:
        """Close the file, which stays. Safe to repeat."""
        self._file.close()
        self._on_close()

    def _add(self, piece: bytes) -> None:
        frame = memoryview(bytearray(sealed_bytes(len(piece))))
        self._cipher.seal(piece, self._frames, frame)
        self._write(frame)
        self._frames += 1
        self.size_bytes += len(piece)

    def _write(self, frame: memoryview) -> None:
        self._usage.add(len(frame))
        rest = frame
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            # an incomplete frame would make all later frames unreadable
            self._file.truncate(self._end)
            self._usage.remove(len(frame))
            raise
        self._end += len(frame)

    @staticmethod
    def measure(file: BinaryIO, keys: Keyring, stream_id: UUID, durable_bytes: int) -> AudioLogSize:
        """Look through a log up to its last whole frame, a frame at a time.

        Args:
            file: At its beginning.
            keys: Of the spool.
            stream_id: Id of the stream.
            durable_bytes: Audio that was synced.

        Raises:
            InternalError: It is damaged, or holds less than ``durable_bytes`` of audio.
        """
        size = frames = end = 0
        if (cipher := log_cipher(file, keys, stream_id)) is not None:
            end = HEADER_BYTES
            with suppress(TornFrame):
                for frame in cipher.open_each(file):
                    size += len(frame.data)
                    frames += 1
                    end += frame.size_bytes
        if size < durable_bytes:
            raise corrupt("audio that was acknowledged is missing")
        return AudioLogSize(size, frames, end)

    @staticmethod
    def pieces(file: BinaryIO, keys: Keyring, stream_id: UUID) -> LogPieces:
        """The audio of a log up to its last whole frame. About ``LOG_PIECE_BYTES`` and a frame are in memory.

        Raises:
            InternalError: It is damaged.
        """
        held = bytearray()
        if (cipher := log_cipher(file, keys, stream_id)) is not None:
            with suppress(TornFrame):
                for frame in cipher.open_each(file):
                    held += frame.data
                    while len(held) >= (LOG_PIECE_BYTES if frame.data else 1):
                        yield bytes(held[:LOG_PIECE_BYTES])
                        del held[:LOG_PIECE_BYTES]
                    if not frame.data:
                        yield b""
        if held:
            yield bytes(held)


def _opened_and_locked(path: Path) -> FileIO:
    """Open a log to append to it, made if it is missing, and lock it.

    Raises:
        Conflict: STREAM_IN_USE, another server has it open.
    """
    while True:
        file = open(path, "ab", buffering=0, opener=open_private)  # noqa: SIM115
        if not locked(file):
            file.close()
            raise log_in_use()
        if _is_at(path, file):
            return file
        file.close()  # it was deleted before it was locked


def _is_at(path: Path, file: FileIO) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


def log_in_use() -> Conflict:
    """The error that says that the log of a stream is open elsewhere."""
    return Conflict(
        "Another server still has this stream open.", reason=Reason.STREAM_IN_USE, hint="Resume in a few seconds."
    )


def log_cipher(file: BinaryIO, keys: Keyring, stream_id: UUID) -> FrameCipher | None:
    """What opens the frames that follow the header; None in a file that was killed while it was made."""
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not (any(header) or _holds_something(file)):
        return None
    return FrameCipher(keys, FileKind.AUDIO_LOG, stream_id, header)


def _holds_something(file: BinaryIO) -> bool:
    """Whether anything but zeros follows."""
    return any(any(piece) for piece in iter(partial(file.read, MAX_FRAME_BYTES), b""))
