"""How the demo tells what it does: steps with their times, and lanes of text that grows while it is spoken."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Story:
    """Prints steps, lines and lanes in order.

    Args:
        out: Where to print.
        clock: Monotonic seconds.
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._began = clock()
        self._lane = ""
        self._shown = ""
        self._steps = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the story began."""
        return self._clock() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step; its time is printed when it is over."""
        self._steps += 1
        self._write(f"\n{self._steps}. {title}\n")
        began = self._clock()
        yield
        self.say(f"({self._clock() - began:.1f} s)")

    def say(self, text: str) -> None:
        """One or more whole lines."""
        self._end_lane()
        for line in text.splitlines() or [""]:
            self._write(f"   {line}\n" if line else "\n")

    def grow(self, lane: str, text: str) -> None:
        """Show a text that grows: what is new is appended to the line, unless another lane came between.

        Args:
            lane: Label before the text, for example ``person``.
            text: The whole text so far.
        """
        if lane == self._lane and text.startswith(self._shown):
            self._write(text[len(self._shown) :])
        elif text:
            self._end_lane()
            self._write(f"   {lane}: {text}")
        else:
            return
        self._lane, self._shown = lane, text

    def end(self, lane: str) -> None:
        """The text of this lane is complete."""
        if lane == self._lane:
            self._end_lane()

    def _end_lane(self) -> None:
        if self._lane:
            self._lane, self._shown = "", ""
            self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
