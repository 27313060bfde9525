"""Which files of the spool are being written, so that none is encrypted anew meanwhile."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.runtime.keyring import Keyring, key_id


class FilesInUse:
    """Counts the users of each file. Threads share it.

    Args:
        keys: Whose newest key each writer takes.
    """

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys
        self._changed = threading.Condition()
        self._users: Counter[str] = Counter()
        self._key_of: dict[str, bytes] = {}
        self._held: set[str] = set()

    def take(self, name: str) -> Callable[[], None]:
        """Begin to write or delete a file, once nobody encrypts it anew; returns what ends that. Safe to repeat."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._held)
            if not self._users[name]:
                self._key_of[name] = key_id(self._keys.current)
            self._users[name] += 1
        ended = threading.Event()

        def end() -> None:
            with self._changed:
                if ended.is_set():
                    return
                ended.set()
                self._users[name] -= 1
                if not self._users[name]:
                    del self._users[name], self._key_of[name]

        return end

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Keep others from a file within the block; gives False, and keeps nobody, if somebody uses it."""
        with self._changed:
            free = name not in self._users and name not in self._held
            if free:
                self._held.add(name)
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._held.discard(name)
                    self._changed.notify_all()

    def now(self) -> dict[str, bytes]:
        """The files that are being written, and the id of the newest key when that began."""
        with self._changed:
            return dict(self._key_of)
