"""The format of encrypted files: small sealed frames, so that a file can be streamed and no frame can be moved.

::

    file   = header frame*
    header = "VSP1" kind(1) key_id(8) salt(16)
    frame  = length(4, big endian, of what follows the nonce) nonce(12) ciphertext tag(16)

The key of a file is derived from the spool's key and the file's salt, so random nonces stay far below their bound.
Every frame authenticates the header, the id of the file, its own number and whether it is the last: a frame that was
changed, swapped, dropped or taken from another file does not open, and a file without its last frame is not whole.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from models.errors import InternalError
from models.reasons import Reason
from server.runtime.keyring import KEY_BYTES, Keyring, key_id

MAX_FRAME_BYTES = 256 * 1024
"""Largest plaintext of one frame; as large as the largest message of an upload, so that one needs no copying."""

_MAGIC = b"VSP1"
_HEADER = struct.Struct(">4sB8s16s")
_LENGTH = struct.Struct(">I")
_AAD_TAIL = struct.Struct(">16sQB")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PREFIX_BYTES = _LENGTH.size + _NONCE_BYTES
HEADER_BYTES = _HEADER.size


class FileKind(IntEnum):
    """Kind of a file. It is authenticated, so that one kind cannot be used as another."""

    MEDIA = 1
    AUDIO_LOG = 2


@dataclass(frozen=True, slots=True)
class OpenedFrame:
    """One frame: its plaintext, whether it is the last, and its size in the file."""

    data: bytes
    last: bool
    size_bytes: int


class TornFrame(Exception):
    """The file ends within a frame, or its last frame was never written. Internal to the spool."""


def corrupt(detail: str) -> InternalError:
    """The error for a damaged file; ``detail`` is a fixed phrase."""
    return InternalError(f"A file of the spool is damaged: {detail}.", reason=Reason.SPOOL_CORRUPT)


def sealed_bytes(plain_bytes: int) -> int:
    """Size of a frame in the file."""
    return _PREFIX_BYTES + plain_bytes + _TAG_BYTES


class FrameCipher:
    """Seals and opens the frames of one file.

    Args:
        keys: Those of the spool: a new file takes the newest, an existing one that of its header.
        kind: What the file is.
        object_id: Id of the file.
        header: Header of an existing file; None makes a new one.

    Raises:
        InternalError: The header is damaged (``SPOOL_CORRUPT``) or names another key (``SPOOL_KEY_UNKNOWN``).
    """

    def __init__(self, keys: Keyring, kind: FileKind, object_id: UUID, header: bytes | None = None) -> None:
        if header is None:
            header = _HEADER.pack(_MAGIC, kind, key_id(keys.current), os.urandom(16))
        salt, used = _check_header(header, kind)
        info = b"vestibule spool file" + bytes([kind]) + object_id.bytes
        self._aead = AESGCM(HKDF(SHA256(), KEY_BYTES, salt, info).derive(keys.find(used)))
        self._id = object_id.bytes
        self.header = header

    def seal(self, data: bytes | bytearray | memoryview, number: int, into: memoryview, *, last: bool = False) -> int:
        """Write one sealed frame to the beginning of ``into``; returns its size, ``sealed_bytes(len(data))``."""
        end = sealed_bytes(len(data))
        nonce = os.urandom(_NONCE_BYTES)
        _LENGTH.pack_into(into, 0, end - _PREFIX_BYTES)
        into[_LENGTH.size : _PREFIX_BYTES] = nonce
        self._aead.encrypt_into(nonce, data, self._aad(number, last), into[_PREFIX_BYTES:end])
        return end

    def open_each(self, file: BinaryIO) -> Iterator[OpenedFrame]:
        """Open the frames of a file one by one; no more than one is in memory. The header was read before.

        Raises:
            TornFrame: The file ends within a frame, or the rest was never written.
            InternalError: A frame is damaged.
        """
        at, number = HEADER_BYTES, 0
        while prefix := file.read(_PREFIX_BYTES):
            length = _LENGTH.unpack_from(prefix)[0] if len(prefix) == _PREFIX_BYTES else 0
            length = min(length, MAX_FRAME_BYTES + _TAG_BYTES)
            try:
                frame = self._open(memoryview(prefix + file.read(length)), number)
            except TornFrame:
                self._check_torn(file, at, number)
                raise
            yield frame
            at, number = at + frame.size_bytes, number + 1

    def _check_torn(self, file: BinaryIO, at: int, number: int) -> None:
        """Make sure that a frame which does not open is the last one: otherwise the file is damaged."""
        file.seek(at)
        with suppress(TornFrame):
            self._open(memoryview(file.read(sealed_bytes(MAX_FRAME_BYTES) + 1)), number)
        while more := file.read(MAX_FRAME_BYTES):
            if any(more):
                raise corrupt("a frame has an impossible length")

    def _open(self, content: memoryview, number: int) -> OpenedFrame:
        if len(content) < _PREFIX_BYTES + _TAG_BYTES:
            raise TornFrame
        (length,) = _LENGTH.unpack_from(content)
        end = _PREFIX_BYTES + length
        if not _TAG_BYTES <= length <= MAX_FRAME_BYTES + _TAG_BYTES:
            # after a power cut the end of a file may be zeros
            if not any(content):
                raise TornFrame
            raise corrupt("a frame has an impossible length")
        if end > len(content):
            raise TornFrame
        nonce = content[_LENGTH.size : _PREFIX_BYTES]
        for last in (False, True):
            try:
                data = self._aead.decrypt(nonce, content[_PREFIX_BYTES:end], self._aad(number, last))
            except InvalidTag:
                continue
            return OpenedFrame(data, last, end)
        if end == len(content):
            raise TornFrame
        raise corrupt("a frame does not open")

    def _aad(self, number: int, last: bool) -> bytes:
        return self.header + _AAD_TAIL.pack(self._id, number, last)


def key_id_of(header: bytes) -> bytes | None:
    """Id of the key that a file was written with; None for bytes that are no header."""
    if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
        return None
    return bytes(_HEADER.unpack(header)[2])


def _check_header(header: bytes, kind: FileKind) -> tuple[bytes, bytes]:
    """The salt of a file, and the id of its key."""
    if len(header) != HEADER_BYTES:
        raise corrupt("its header is cut off")
    magic, found_kind, found_key, salt = _HEADER.unpack(header)
    if magic != _MAGIC or found_kind != kind:
        raise corrupt("its header is not one of this kind")
    return bytes(salt), bytes(found_key)
