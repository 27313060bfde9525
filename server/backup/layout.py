"""What a backup consists of: a folder with a manifest, and a file with the keys that is kept elsewhere.

::

    FOLDER/manifest.json     what is in it, with the SHA-256 of each file
    FOLDER/ledger.duckdb     the ledger, without a write-ahead log
    FOLDER/audit.head        the end of the chain of the audit
    FOLDER/pictures/         redacted pictures and recordings that the ledger refers to
    FOLDER/spool/            encrypted media that jobs need, and audio of streams that can be resumed
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import InvalidInput
from models.reasons import Reason
from server.access.audit_head import HEAD_FILE
from server.runtime.keyring import KEY_BYTES

MANIFEST: Final = "manifest.json"
LEDGER: Final = "ledger.duckdb"
HEAD: Final = HEAD_FILE
PICTURES: Final = "pictures"
SPOOL: Final = "spool"

MOST_BYTES: Final = 256 * 1024 * 1024
"""Of a manifest: more than a million files."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PATH = re.compile(rf"ledger\.duckdb|audit\.head|pictures/{_UUID}\.[a-z0-9]{{1,8}}|spool/{_UUID}(?:\.log)?")
"""Every path that may be in a manifest. None of them leaves the folder."""

Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Document = TypeVar("Document", bound=BaseModel)


def is_known_path(path: str) -> bool:
    """Whether a backup may have a file of this path."""
    return _PATH.fullmatch(path) is not None


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class FileEntry(_Strict):
    """One file.

    Attributes:
        path: Within the folder, with slashes.
    """

    path: str = Field(max_length=100)
    size_bytes: int = Field(ge=0)
    sha256: Hex64


class Manifest(_Strict):
    """What is in a backup.

    Attributes:
        build: Version of the release that made it.
        schema_number: Last migration of the ledger that a release must know to use it.
        missing: Files that the ledger refers to, and that were gone before the backup was made.
        spool_keys: Ids of the keys that the files of the spool need.
        keys_id: Tells which keys belong to it; empty when there were none.
        seal: Keyed hash of all the rest, so that whoever has no keys cannot change it; empty when there were none.
    """

    format: Literal[1] = 1
    build: str = Field(max_length=100)
    create_time: datetime
    schema_number: int = Field(ge=1)
    files: tuple[FileEntry, ...]
    missing: tuple[str, ...] = ()
    spool_keys: tuple[KeyId, ...] = ()
    keys_id: str = Field("", pattern=r"^([0-9a-f]{16})?$")
    seal: str = Field("", pattern=r"^([0-9a-f]{64})?$")

    def sealed(self, audit_key: bytes) -> Manifest:
        """The same with its seal."""
        named = self.model_copy(update={"keys_id": keys_id(audit_key), "seal": ""})
        return named.model_copy(update={"seal": _keyed_hash(named, audit_key)})

    def is_sealed_with(self, audit_key: bytes) -> bool:
        """Whether it is as it was when it was sealed with this key."""
        return hmac.compare_digest(_keyed_hash(self.model_copy(update={"seal": ""}), audit_key), self.seal)


class BackupKeys(_Strict):
    """The keys of a server, which are kept apart from the backup.

    Attributes:
        spool: Of the spool, Base64, the newest first; empty when a setting gives them.
        audit: Of the chain of the audit, hexadecimal.
        subjects: Of the pseudonyms, hexadecimal.
        streams: Of the sealed state of streams, Base64; empty when no worker had made one.
    """

    format: Literal[1] = 1
    create_time: datetime
    spool: tuple[str, ...] = ()
    audit: Hex64
    subjects: Hex64
    streams: str = ""

    @property
    def audit_key(self) -> bytes:
        """The key of the chain."""
        return bytes.fromhex(self.audit)

    def spool_keys(self) -> list[bytes]:
        """The keys of the spool.

        Raises:
            InvalidInput: BACKUP_INVALID.
        """
        keys = [_decoded(key) for key in self.spool]
        if any(len(key) != KEY_BYTES for key in keys):
            raise invalid("A key of the spool in the file of keys cannot be read.")
        return keys

    def streams_key(self) -> bytes:
        """The key of the sealed state of streams; empty when there is none.

        Raises:
            InvalidInput: BACKUP_INVALID.
        """
        return _decoded(self.streams)


def _decoded(key: str) -> bytes:
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        raise invalid("A key in the file of keys cannot be read.") from None


def keys_id(audit_key: bytes) -> str:
    """Sixteen hexadecimal digits that identify the keys of a server without revealing them."""
    return hmac.new(audit_key, b"vestibule backup keys", hashlib.sha256).hexdigest()[:16]


def parsed(kind: type[Document], content: bytes, what: str) -> Document:
    """Read a document. Nothing of its content is repeated in an error.

    Raises:
        InvalidInput: BACKUP_INVALID.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise invalid(f"{what} cannot be read.") from None


def invalid(message: str) -> InvalidInput:
    """The error for a folder or a file that is not what it should be."""
    return InvalidInput(
        message,
        reason=Reason.BACKUP_INVALID,
        hint="Name a folder that `vestibule backup` made, and the file of its option --keys.",
    )


def _keyed_hash(manifest: Manifest, audit_key: bytes) -> str:
    return hmac.new(audit_key, b"vestibule backup\n" + manifest.model_dump_json().encode(), hashlib.sha256).hexdigest()
