"""The Protocol of an encoder: it turns token ids into hidden states."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

BATCHES_AHEAD = 8
"""Batches that may run before the first result is awaited. It keeps the encoder busy while Python works."""


class TokenEncoder(Protocol):
    """The lower layers of the classifier. Safe to call from several threads.

    The states of a text are the same to the last bit whatever else is in the batch and however many threads there are.
    """

    @property
    def name(self) -> str:
        """The engine: ``ctranslate2`` or ``transformers``."""
        ...

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        ...

    def begin(self, texts: Sequence[Sequence[int]], length: int) -> Callable[[], Floats]:
        """Start on a batch in another thread, and return at once.

        Args:
            texts: Token ids of each text.
            length: Tokens to which every text is padded.

        Returns:
            A function that waits for the hidden states of the last layer, shape (texts, length, width). Rows after the
            end of a text have no meaning.
        """
        ...
