"""Encrypts files of the spool with its newest key, one at a time; a kill at any point leaves each file readable."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from models.errors import InternalError
from models.private_files import open_private, sync_folder
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


class SpoolEncryption:
    """Finds the files that an earlier key is needed for, and encrypts them with the newest. Methods block."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

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
        return found

    def encrypt(self, name: str) -> bool:
        """Encrypt a file with the newest key; returns False if that cannot be done now, because it is used or damaged.

        Raises:
            VestibuleError: The disk refuses; the file is as it was.
        """
        with self._spool.in_use.alone(name) as alone:
            if not alone:
                return False
            path = self._spool.folder / name
            anew = path.with_name(name + ANEW)
            try:
                with disk_errors(), suppress(FileNotFoundError), path.open("rb") as source:
                    self._copy(source, anew, name)
                    before, after = path.stat().st_size, anew.stat().st_size
                    anew.replace(path)
                    sync_folder(path.parent)
                    self._uncount(name, before - after)
            except InternalError:
                return False
            finally:
                with disk_errors():
                    anew.unlink(missing_ok=True)
        return True

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


_NOTHING: Iterable[OpenedFrame] = ()


def _write(file: BinaryIO, rest: memoryview) -> None:
    while rest:
        rest = rest[file.write(rest) :]
