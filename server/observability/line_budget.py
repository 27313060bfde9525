"""Bounds how many lines of one kind a log gets, so that nobody can fill a disk by being refused.

The first lines of a kind in a minute are written. The others are counted, and the counts are written after the minute,
before the next line of any kind.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from structlog import DropEvent

WINDOW_S: Final = 60.0
ORDINARY_LINES: Final = 600
"""Lines a minute of one kind."""
FAILURE_LINES: Final = 60
"""Lines a minute of what a stranger can cause: calls that fail with one code, messages of one place in a library."""
MOST_KINDS: Final = 500
"""Kinds that are told apart in a minute. Those after them count as one."""

Kind = tuple[str, ...]
_REST: Final[Kind] = ("others",)
_RPC: Final = "rpc"
_LIBRARY: Final = "library_message"


class LineBudget:
    """A processor of structlog.

    Args:
        monotonic: Seconds of a clock that never goes back.
        summarize: Writes that there were more lines of a kind, given the number of lines and the kind.
    """

    def __init__(self, monotonic: Callable[[], float], summarize: Callable[[int, Kind], None]) -> None:
        self._monotonic = monotonic
        self._summarize = summarize
        self._lines: Counter[Kind] = Counter()
        self._until = monotonic() + WINDOW_S
        self._lock = threading.Lock()

    def __call__(self, logger: object, method: str, values: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Let the line pass.

        Raises:
            DropEvent: There were too many of its kind.
        """
        kind = _kind(values)
        with self._lock:
            ended = self._take_ended()
            if kind not in self._lines and len(self._lines) >= MOST_KINDS:
                kind = _REST
            self._lines[kind] += 1
            dropped = self._lines[kind] > _most(kind)
        for other, lines in ended.items():
            if lines > _most(other):
                self._summarize(lines - _most(other), other)
        if dropped:
            raise DropEvent
        return values

    def _take_ended(self) -> Counter[Kind]:
        """The counts of the last minute, once when it is over."""
        now = self._monotonic()
        if now < self._until:
            return Counter()
        ended, self._lines, self._until = self._lines, Counter(), now + WINDOW_S
        return ended


def _kind(values: Mapping[str, Any]) -> Kind:
    event = str(values.get("event"))
    if event == _RPC:
        return (event, str(values.get("code")), str(values.get("method")))[: 3 if values.get("code") == "OK" else 2]
    if event == _LIBRARY:
        return (event, str(values.get("library")), str(values.get("at")))
    return (str(values.get("module")), event)


def _most(kind: Kind) -> int:
    failed_call = kind[0] == _RPC and kind[1] != "OK"
    return FAILURE_LINES if failed_call or kind[0] == _LIBRARY else ORDINARY_LINES
