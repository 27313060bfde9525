"""Deletions that wait while a backup copies the files of the spool."""

from __future__ import annotations

import threading


class DeferredDeletions:
    """Remembers what is to be deleted later. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deferring = False
        self._names: set[str] = set()

    def begin(self) -> None:
        """Defer every deletion from now on."""
        with self._lock:
            self._deferring = True

    def end(self) -> set[str]:
        """Defer none any more; returns the names that are to be deleted now."""
        with self._lock:
            self._deferring = False
            names, self._names = self._names, set()
            return names

    @property
    def deferring(self) -> bool:
        """Whether deletions wait."""
        return self._deferring

    @property
    def waiting(self) -> bool:
        """Whether something is to be deleted."""
        return bool(self._names)

    def takes(self, name: str) -> bool:
        """Whether the deletion of a file waits; it is remembered then."""
        with self._lock:
            if self._deferring:
                self._names.add(name)
            return self._deferring
