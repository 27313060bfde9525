"""Shares the OCR models between pages, one run of a model at a time, and bounds what they do for one page.

A page for which they did little comes before one for which they did much, and keeps them at first. So a small picture
waits for one run of a model, and not for the page of dense print beside it. What they do is counted in seconds of CPU,
as a busy machine changes them little.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from models.cancellation import NEVER, Cancellation
from models.errors import DeadlineExceeded, WorkTooLong
from models.reasons import Reason

LEVELS_S: Final = (1.0, 4.0)
"""Seconds of CPU. A page that took fewer comes before those that took more. Within a level, the first comes first. On
the lowest level a page keeps the models between its turns. Figures: docs/evaluation/server, "Pages of dense print".
"""

MOST_PASSED_OVER: Final = 8
"""Turns of later pages after which the page that came first has one, so that small pictures do not stop a large one."""

DENSE_SHARE: Final = 0.25
"""Of the seconds that a page may take. A page that took so much by the end of its call is dense, and not only unlucky:
a page of A4 with 250 lines takes 10 s.
"""

LOOK_S: Final = 0.25
"""How often a page that waits looks at its cancellation."""


Turn = Callable[[], AbstractContextManager[None]]
"""A block in which one page uses the models.

Raises:
    Cancelled: The caller gave up.
    DeadlineExceeded: Its time is over, and the page took little CPU.
    WorkTooLong: PAGE_TOO_SLOW, the page took too much CPU.
"""


@dataclass(slots=True, eq=False)
class PageWork:
    """The reading of one page.

    Attributes:
        cancellation: Of the call.
        earlier_s: Seconds of CPU of the models for earlier pages of the same document.
        used_s: The same for this page.
        number: Of its first turn, in order of arrival; 0 before it.
    """

    cancellation: Cancellation = field(default_factory=lambda: NEVER)
    earlier_s: float = 0.0
    used_s: float = 0.0
    number: int = 0

    @property
    def level(self) -> int:
        """0 for a page that took little CPU, more for one that took much."""
        return bisect_right(LEVELS_S, self.earlier_s + self.used_s)

    def next_page(self) -> PageWork:
        """The work of the next page of the same document."""
        return PageWork(self.cancellation, self.earlier_s + self.used_s)


class Turns:
    """Gives the models to one page at a time.

    Args:
        seconds: Of CPU that one page may take.
        clock: Seconds of CPU of the process. Only one page uses the models at a time, so it counts those of this page,
            and a little that other threads take meanwhile.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.process_time) -> None:
        self._seconds = seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._busy = False
        self._kept_for: PageWork | None = None
        self._waiting: list[PageWork] = []
        self._pages = 0
        self._passed_over = 0

    @contextmanager
    def page(self, work: PageWork) -> Iterator[Turn]:
        """Read a page within the block, in as many turns as it takes."""
        try:
            yield lambda: self._turn(work)
        finally:
            with self._changed:
                if self._kept_for is work:
                    self._kept_for = None
                    self._changed.notify_all()

    @contextmanager
    def _turn(self, work: PageWork) -> Iterator[None]:
        self._begin(work)
        began = self._clock()
        try:
            yield
        finally:
            with self._changed:
                work.used_s += self._clock() - began
                self._busy = False
                self._kept_for = work if work.level == 0 else None
                self._changed.notify_all()

    def _begin(self, work: PageWork) -> None:
        with self._changed:
            if not work.number:
                self._pages += 1
                work.number = self._pages
            self._waiting.append(work)
            try:
                self._check(work)
                while self._busy or (self._kept_for or self._next()) is not work:
                    self._changed.wait(LOOK_S)
                    self._check(work)
                self._passed_over = 0 if work is self._first() else self._passed_over + 1
                self._busy = True
            finally:
                self._waiting.remove(work)
                self._changed.notify_all()

    def _next(self) -> PageWork:
        if self._passed_over >= MOST_PASSED_OVER:
            return self._first()
        return min(self._waiting, key=lambda work: (work.level, work.number))

    def _first(self) -> PageWork:
        return min(self._waiting, key=lambda work: work.number)

    def _check(self, work: PageWork) -> None:
        if work.used_s >= self._seconds:
            raise _too_slow(work.used_s)
        try:
            work.cancellation.check()
        except DeadlineExceeded:
            # Another attempt would take as much again, and keep others waiting as long.
            if work.used_s >= DENSE_SHARE * self._seconds:
                raise _too_slow(work.used_s) from None
            raise


def _too_slow(used_s: float) -> WorkTooLong:
    return WorkTooLong(f"Reading one page was ended after {used_s:.0f} s of CPU.", reason=Reason.PAGE_TOO_SLOW)
