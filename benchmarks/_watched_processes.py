"""Watches the processes of a server: which ended, and how much memory each one took."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from pathlib import Path

import psutil

EVERY_S = 0.05


@dataclass
class Growth:
    """Memory of one process."""

    name: str
    first: int
    most: int
    forked: bool = False

    @property
    def bytes(self) -> int:
        """How much it grew."""
        return self.most - self.first


@dataclass
class WatchedProcesses:
    """Samples the resident memory of a server and all its descendants in a thread. A context manager.

    A process that starts later, such as a child that decodes, is compared with its parent, which it was forked from.

    Attributes:
        growth: By process id.
    """

    root: int
    growth: dict[int, Growth] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._sample(first=True)
        # A child that was forked without a new program, and so has the name of its parent, is meant to end.
        self.there_at_first = frozenset(pid for pid, one in self.growth.items() if not one.forked)

    def __enter__(self) -> WatchedProcesses:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def ended(self) -> list[str]:
        """Names of the processes that were there at first and are not any more."""
        return [self.growth[pid].name for pid in self.there_at_first if not psutil.pid_exists(pid)]

    def largest(self) -> Growth:
        """The process that grew most."""
        return max(self.growth.values(), key=lambda growth: growth.bytes)

    def _watch(self) -> None:
        while not self._end.wait(EVERY_S):
            self._sample()

    def _sample(self, *, first: bool = False) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self.root)
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._note(process, first)

    def _note(self, process: psutil.Process, first: bool) -> None:
        now = process.memory_info().rss
        known = self.growth.get(process.pid)
        if known is None:
            parent = self.growth.get(process.ppid())
            command = _without_folders(process.cmdline())[:60]
            name = command or process.name()
            forked = not command or (parent is not None and parent.name == name)  # without a command it is about to end
            before = now if first or parent is None else min(parent.most, now)
            self.growth[process.pid] = Growth(name, before, now, forked)
        else:
            known.most = max(known.most, now)


def _without_folders(command: list[str]) -> str:
    return " ".join([Path(part).name for part in command[:1]] + command[1:])
