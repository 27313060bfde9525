"""Cuts the tokens of texts into overlapping windows, groups the windows into batches, and joins what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from models.redaction.ner.encoder import Floats

_PAD_TO = 8


@dataclass(frozen=True, slots=True)
class WindowSize:
    """How texts are cut.

    Attributes:
        tokens: Tokens of a window, the two special ones included; the model knows 512 positions.
        overlap: Tokens that neighbouring windows share; more than any name has.
        batch_tokens: Tokens of a batch of windows, padding included.
    """

    tokens: int = 256
    overlap: int = 48
    batch_tokens: int = 512

    @property
    def room(self) -> int:
        """Tokens of a text in one window."""
        return self.tokens - 2


@dataclass(frozen=True, slots=True)
class Window:
    """A part of one text: which text, its first token there, and its token ids with the special ones."""

    text: int
    start: int
    ids: list[int]

    @property
    def padded(self) -> int:
        """Tokens after padding.

        A window gets the same padding alone and in a batch, because attention sums in a different order at a different
        length.
        """
        return -len(self.ids) // _PAD_TO * -_PAD_TO


def cut(texts: list[list[int]], size: WindowSize, first: int, last: int) -> list[Window]:
    """Windows of all texts; ``first`` and ``last`` are the ids of the special tokens around each."""
    return [
        Window(text, start, [first, *ids[start : start + size.room], last])
        for text, ids in enumerate(texts)
        if ids
        for start in range(0, max(1, len(ids) - size.overlap), size.room - size.overlap)
    ]


def batches(windows: list[Window], tokens: int) -> Iterator[list[Window]]:
    """Windows of the same padded length together, at most ``tokens`` in a batch of more than one."""
    for length, group in groupby(sorted(windows, key=lambda w: w.padded), key=lambda w: w.padded):
        alike = list(group)
        count = max(1, tokens // length)
        yield from (alike[at : at + count] for at in range(0, len(alike), count))


class TokenRows:
    """Joins the rows of overlapping windows. For a token in two windows, the window with more context around it counts.

    Args:
        lengths: Tokens of each text.
        overlap: Tokens that neighbouring windows share.
    """

    def __init__(self, lengths: list[int], overlap: int) -> None:
        self._overlap = overlap
        self.rows: list[Floats] = [np.zeros((length, 0), dtype=np.float32) for length in lengths]

    def add(self, window: Window, part: Floats) -> None:
        """Put the rows of a window's tokens, without the special ones, in their place."""
        rows = self.rows[window.text]
        if len(part) == len(rows):
            self.rows[window.text] = part
            return
        if not rows.shape[1]:
            rows = self.rows[window.text] = np.zeros((len(rows), part.shape[1]), dtype=np.float32)
        skip = self._overlap // 2 if window.start else 0
        end = window.start + len(part)
        last = end if end == len(rows) else end - self._overlap + self._overlap // 2
        rows[window.start + skip : last] = part[skip : last - window.start]
