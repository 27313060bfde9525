"""Writes one file of the spool, which exists once it is whole and durable."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from models.errors import VestibuleError
from models.private_files import PART, open_private, sync_folder
from server.uploads.disk import begin_write_back, disk_errors
from server.uploads.encrypted_frames import MAX_FRAME_BYTES, FrameCipher, sealed_bytes
from server.uploads.usage import SpoolUsage

_SEALED_AT_ONCE_BYTES = 64 * 1024
"""A piece of at least this size becomes a frame of its own; smaller ones are collected."""

_WRITE_BACK_BYTES = 2 * 1024 * 1024
"""Bytes after which the disk is asked to start writing, so that ``commit`` is short.

Found in docs/evaluation/constants/jobs.md, write-back."""


class SpoolWriter:
    """Writes one file. Ends with ``commit`` or ``abort``; before ``commit`` returns the file does not exist."""

    def __init__(self, final: Path, cipher: FrameCipher, usage: SpoolUsage, on_end: Callable[[], None]) -> None:
        self._final = final
        self._part = final.with_name(final.name + PART)
        self._cipher = cipher
        self._usage = usage
        self._on_end = on_end
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
        self._on_end()

    def abort(self) -> None:
        """Remove the file. Safe to repeat; after ``commit`` it does nothing."""
        self._file.close()
        self._on_end()
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
