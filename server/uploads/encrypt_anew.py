"""Encrypts files of the spool with its newest key, one at a time; a kill at any point leaves each file readable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from models.errors import InternalError
from models.private_files import open_private, sync_folder
from server.runtime.disk_room import free_bytes
from server.runtime.keyring import key_id
from server.uploads.audio_log import log_cipher
from server.uploads.disk import disk_errors
from server.uploads.encrypted_frames import (
    HEADER_BYTES,
    FileKind,
    FrameCipher,
    OpenedFrame,
    TornFrame,
    corrupt,
    key_id_of,
    sealed_bytes,
)
from server.uploads.spool import ANEW, LOG, Spool, is_uuid


class Outcome(Enum):
    """What became of a file.

    Attributes:
        ENCRYPTED: It needs the newest key alone, or is gone.
        IN_USE: It is being written.
        DAMAGED: It cannot be read, or its key is not known.
        NO_ROOM: The disk has too little room for a copy now.
    """

    ENCRYPTED = auto()
    IN_USE = auto()
    DAMAGED = auto()
    NO_ROOM = auto()


class SpoolEncryption:
    """Finds the files that an earlier key is needed for, and encrypts them with the newest. Methods block.

    A damaged file is read once: its name is remembered until the file changes.

    Args:
        least_free_bytes: What a copy must leave free on the disk.
        free: Gives the free bytes of a folder.
    """

    def __init__(self, spool: Spool, least_free_bytes: int = 0, free: Callable[[Path], int] = free_bytes) -> None:
        self._spool = spool
        self._least_free_bytes = least_free_bytes
        self._free = free
        self._damaged: dict[str, _Version] = {}

    def outdated(self) -> list[str]:
        """Names of the files that need an earlier key, or may come to: those that are being written with one, too."""
        newest = key_id(self._spool.keys.current)
        # Files in use first, then those that exist: one that is committed meanwhile is found there.
        written = self._spool.in_use.now()
        with disk_errors():
            existing = {path.name for path in self._spool.folder.iterdir() if is_uuid(path.name.removesuffix(LOG))}
        found = []
        for name in sorted(existing | set(written)):
            used = self._key_of(name) or written.get(name, newest)
            if used != newest:
                found.append(name)
        self._damaged = {name: self._damaged[name] for name in found if name in self._damaged}
        return found

    def encrypt(self, name: str) -> Outcome:
        """Encrypt a file with the newest key, if that can be done now.

        Raises:
            VestibuleError: The disk refuses; the file is as it was.
        """
        with self._spool.in_use.alone(name) as alone:
            if not alone:
                return Outcome.IN_USE
            path = self._spool.folder / name
            with disk_errors():
                try:
                    version = _Version.of(path)
                except FileNotFoundError:
                    return Outcome.ENCRYPTED
            if self._damaged.get(name) == version:
                return Outcome.DAMAGED
            if self._free(path.parent) < version.size_bytes + self._least_free_bytes:
                return Outcome.NO_ROOM
            try:
                self._replace(path)
            except InternalError:
                self._damaged[name] = version
                return Outcome.DAMAGED
        self._damaged.pop(name, None)
        return Outcome.ENCRYPTED

    def _replace(self, path: Path) -> None:
        anew = path.with_name(path.name + ANEW)
        try:
            with disk_errors(), path.open("rb") as source:
                self._copy(source, anew, path.name)
                before, after = path.stat().st_size, anew.stat().st_size
                anew.replace(path)
                sync_folder(path.parent)
                self._uncount(path.name, before - after)
        finally:
            with disk_errors():
                anew.unlink(missing_ok=True)

    def _copy(self, source: BinaryIO, anew: Path, name: str) -> None:
        """Write a copy durably.

        Raises:
            InternalError: The file is damaged, or its key is not known.
        """
        uuid = UUID(name.removesuffix(LOG))
        if name.endswith(LOG):
            kind, opened = FileKind.AUDIO_LOG, log_cipher(source, self._spool.keys, uuid)
        else:
            kind = FileKind.MEDIA
            opened = FrameCipher(self._spool.keys, kind, uuid, source.read(HEADER_BYTES))
        sealing = FrameCipher(self._spool.keys, kind, uuid)
        whole = kind is FileKind.AUDIO_LOG  # a kill may have cut off its end
        with open(anew, "wb", buffering=0, opener=open_private) as target:
            _write(target, memoryview(sealing.header))
            with suppress(TornFrame):
                for number, frame in enumerate(opened.open_each(source) if opened else _NOTHING):
                    sealed = memoryview(bytearray(sealed_bytes(len(frame.data))))
                    sealing.seal(frame.data, number, sealed, last=frame.last)
                    _write(target, sealed)
                    whole = whole or frame.last
            if not whole:
                raise corrupt("its last frame is missing")
            os.fsync(target.fileno())

    def _uncount(self, name: str, size_bytes: int) -> None:
        """A copy may be shorter: a log loses a half frame that a kill left."""
        if name.endswith(LOG):
            self._spool.logs.remove(name.removesuffix(LOG), size_bytes)
        else:
            self._spool.usage.remove(size_bytes)

    def _key_of(self, name: str) -> bytes | None:
        try:
            with (self._spool.folder / name).open("rb") as file:
                return key_id_of(file.read(HEADER_BYTES))
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True)
class _Version:
    """Differs when a file was changed or replaced."""

    inode: int
    size_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> _Version:
        found = path.stat()
        return cls(found.st_ino, found.st_size, found.st_mtime_ns)


_NOTHING: Iterable[OpenedFrame] = ()


def _write(file: BinaryIO, rest: memoryview) -> None:
    while rest:
        rest = rest[file.write(rest) :]
