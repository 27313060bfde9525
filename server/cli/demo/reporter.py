"""The output of the demo: numbered steps with their times, lines, and text that grows while it is spoken."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Reporter:
    """Prints steps, lines and growing texts in order.

    Args:
        out: Where to print.
        clock: Monotonic seconds.
    """

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out or sys.stdout
        self._clock = clock
        self._began = clock()
        self._label = ""
        self._shown = ""
        self._steps = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was made."""
        return self._clock() - self._began

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step; its time is printed when it is over."""
        self._steps += 1
        self._write(f"\n{self._steps}. {title}\n")
        began = self._clock()
        yield
        self.line(f"({self._clock() - began:.1f} s)")

    def line(self, text: str) -> None:
        """One or more whole lines."""
        self._end_text()
        for line in text.splitlines() or [""]:
            self._write(f"   {line}\n" if line else "\n")

    def update(self, label: str, text: str) -> None:
        """Show a text that grows: what is new is appended to the line, unless another label came between.

        Args:
            label: Label before the text, for example ``person``.
            text: The whole text so far.
        """
        if label == self._label and text.startswith(self._shown):
            self._write(text[len(self._shown) :])
        elif text:
            self._end_text()
            self._write(f"   {label}: {text}")
        else:
            return
        self._label, self._shown = label, text

    def finish(self, label: str) -> None:
        """The text of this label is complete."""
        if label == self._label:
            self._end_text()

    def _end_text(self) -> None:
        if self._label:
            self._label, self._shown = "", ""
            self._write("\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
