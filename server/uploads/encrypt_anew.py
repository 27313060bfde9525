"""Encrypts files of the spool with its newest key, one at a time; a kill at any point leaves each file readable."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from models.errors import InternalError, Overloaded, Unavailable
from models.private_files import open_private, sync_folder
from server.observability.log import get_logger
from server.runtime.free_bytes import free_bytes
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

log = get_logger("spool_key")

REFUSED_AGAIN_S: Final = 600.0
"""When a file that the disk refused is tried again. A disk that fails may take half a minute to say so."""


class Outcome(Enum):
    """What became of a file.

    Attributes:
        ENCRYPTED: It needs the newest key alone, or is gone.
        IN_USE: It is being written.
        DAMAGED: It cannot be read, or its key is not known.
        NO_ROOM: The disk has too little room for a copy now.
        REFUSED: The disk does not read it, or does not take a copy.
    """

    ENCRYPTED = auto()
    IN_USE = auto()
    DAMAGED = auto()
    NO_ROOM = auto()
    REFUSED = auto()


class SpoolEncryption:
    """Finds the files that an earlier key is needed for, and encrypts them with the newest. Methods block.

    A damaged file is read once: its name is remembered until the file changes. One that the disk refuses is left alone
    for ``REFUSED_AGAIN_S``.

    Args:
        least_free_bytes: What a copy must leave free on the disk.
        free: Gives the free bytes of a folder.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        spool: Spool,
        least_free_bytes: int = 0,
        free: Callable[[Path], int] = free_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._least_free_bytes = least_free_bytes
        self._free = free
        self._monotonic = monotonic
        self._damaged: dict[str, _Version] = {}
        self._refused: dict[str, float] = {}
        """When each of them is tried again."""

    def outdated(self) -> list[str]:
        """Names of the files that need an earlier key, or may come to: those that are being written with one, too.

        A file that the disk does not read may need one. Those that it refused come last.
        """
        newest = key_id(self._spool.keys.current)
        now_s = self._monotonic()
        self._refused = {name: again_s for name, again_s in self._refused.items() if now_s < again_s}
        # Files in use first, then those that exist: one that is committed meanwhile is found there.
        written = self._spool.in_use.now()
        with disk_errors():
            existing = {path.name for path in self._spool.folder.iterdir() if is_uuid(path.name.removesuffix(LOG))}
        found = []
        for name in sorted(existing | set(written)):
            used = _UNKNOWN if self.is_refused(name) else self._key_of(name)
            if (written.get(name, newest) if used is None else used) != newest:
                found.append(name)
        self._damaged = {name: self._damaged[name] for name in found if name in self._damaged}
        self._refused = {name: self._refused[name] for name in found if name in self._refused}
        return sorted(found, key=self.is_refused)

    def is_refused(self, name: str) -> bool:
        """Whether the disk refused a file, and it is left alone for a while."""
        return name in self._refused

    def forget_refusals(self) -> None:
        """Try what the disk refused again from now on."""
        self._refused.clear()

    def sync(self) -> None:
        """Make sure that every file that was replaced is on the disk.

        Raises:
            VestibuleError: The disk refuses.
        """
        with disk_errors():
            sync_folder(self._spool.folder)

    def encrypt(self, name: str) -> Outcome:
        """Encrypt a file with the newest key, if that can be done now. In any case one of the keys opens it then."""
        with self._spool.in_use.alone(name) as alone:
            if not alone:
                return Outcome.IN_USE
            if self.is_refused(name):
                return Outcome.REFUSED
            try:
                return self._encrypt(name)
            except Overloaded:
                return Outcome.NO_ROOM
            except Unavailable as error:
                self._refuse(name, error.__cause__)
                return Outcome.REFUSED

    def _encrypt(self, name: str) -> Outcome:
        """Encrypt a file that nobody else uses.

        Raises:
            VestibuleError: The disk refuses.
        """
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
                self._uncount(path.name, before - after)
                sync_folder(path.parent)
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
        except OSError as error:
            self._refuse(name, error)
            return _UNKNOWN

    def _refuse(self, name: str, error: BaseException | None) -> None:
        self._refused[name] = self._monotonic() + REFUSED_AGAIN_S
        number = error.errno if isinstance(error, OSError) else None
        log.warning("spool_file_refused", file=name, code=errno.errorcode.get(number or 0, "unknown"))


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
_UNKNOWN: Final = b""
"""The id of no key: for a file whose header cannot be read."""


def _write(file: BinaryIO, rest: memoryview) -> None:
    while rest:
        rest = rest[file.write(rest) :]
