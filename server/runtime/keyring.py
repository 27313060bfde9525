"""The keys of the spool: the newest one encrypts, earlier ones still decrypt until nothing needs them."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from models.errors import Conflict, InternalError, InvalidInput
from models.private_files import write_atomically
from models.reasons import Reason

KEY_BYTES: Final = 32


def key_id(key: bytes) -> bytes:
    """Eight bytes that identify a key without revealing it; they distinguish a wrong key from a damaged file."""
    return hashlib.sha256(b"vestibule spool key id" + key).digest()[:8]


class Keyring:
    """The keys of one spool. Threads may share it.

    A key that was deleted from the file stays in memory until the process ends: somebody may still read a file that
    was opened before it was encrypted anew.

    Args:
        keys: The newest first.
        path: The file that keeps them; None when they were given by a setting, which nothing here can change.

    Raises:
        InvalidInput: SPOOL_KEY_INVALID, one of them has another size, or there is none.
    """

    def __init__(self, keys: Sequence[bytes], path: Path | None = None) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise InvalidInput(f"The spool key must have {KEY_BYTES} bytes.", reason=Reason.SPOOL_KEY_INVALID)
        self._path = path
        self._lock = threading.Lock()
        self._kept = tuple(keys)
        self._known = {key_id(key): key for key in keys}

    @property
    def current(self) -> bytes:
        """The newest key: everything new is encrypted with it."""
        return self._kept[0]

    @property
    def current_id(self) -> str:
        """Its id, 16 hexadecimal digits."""
        return key_id(self.current).hex()

    @property
    def kept(self) -> tuple[bytes, ...]:
        """The newest key, and the earlier ones that are kept for what they encrypted; the newest first."""
        return self._kept

    @property
    def known(self) -> tuple[bytes, ...]:
        """Every key of this process, the newest first."""
        kept = self._kept
        return (*kept, *(key for key in self._known.values() if key not in kept))

    @property
    def given(self) -> bool:
        """Whether a setting gives the keys."""
        return self._path is None

    def find(self, wanted: bytes) -> bytes:
        """The key with an id.

        Raises:
            InternalError: SPOOL_KEY_UNKNOWN.
        """
        found = self._known.get(wanted)
        if found is None:
            raise InternalError(
                "A file of the spool was written with another key.",
                reason=Reason.SPOOL_KEY_UNKNOWN,
                hint="Start the server with the spool key that it had before.",
            )
        return found

    def require_own(self) -> None:
        """Make sure that the keys can be changed here.

        Raises:
            Conflict: SPOOL_KEY_GIVEN.
        """
        self._own_path()

    def add(self, key: bytes) -> None:
        """Keep another key durably, and use it from now on.

        Raises:
            Conflict: SPOOL_KEY_GIVEN.
            OSError: The disk refuses; the keys are as they were.
        """
        self._replace(lambda kept: (key, *kept))

    def forget_earlier(self) -> None:
        """Delete every key but the newest from the file. Nothing may need them.

        Raises:
            Conflict: SPOOL_KEY_GIVEN.
            OSError: The disk refuses; the keys are as they were.
        """
        self._replace(lambda kept: kept[:1])

    def _own_path(self) -> Path:
        if self._path is None:
            raise Conflict(
                "The spool key is given by a setting, so the server cannot change it.",
                reason=Reason.SPOOL_KEY_GIVEN,
                hint="Put a new key before the old one in VESTIBULE_SPOOL_KEY, with a comma between them, and start "
                "the server again. Then run this command.",
            )
        return self._path

    def _replace(self, change: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> None:
        path = self._own_path()
        with self._lock:
            changed = change(self._kept)
            write_atomically(path, b"".join(base64.b64encode(key) + b"\n" for key in changed))
            # a new dictionary: another thread may iterate the present one
            self._known = self._known | {key_id(key): key for key in changed}
            self._kept = changed
