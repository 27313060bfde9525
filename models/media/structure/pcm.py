"""Whether bytes can be the samples of a WAV file that states no length.

Such a file has no end, so whatever is appended to it counts as sound. Archives and programs are found by their
signatures. What is packed or encrypted has none, but its bytes are evenly spread, which those of a recording never are;
and text has no byte above 126.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import UnsupportedMedia
from models.media.structure.layout import EXPORT_AGAIN
from models.reasons import Reason

_BLOCK_SAMPLES: Final = 4_096
_EVEN: Final = 400.0
"""Chi-square of 256 values. Even ones have 255, with a deviation of 23; those of recordings have thousands."""
_ALIKE: Final = 0.1
"""Correlation of neighbours. A test tone can be evenly spread, but it does not jump."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_TEXT: Final = np.isin(np.arange(256), [9, 10, 13, *range(32, 127)])

Bytes = npt.NDArray[np.uint8]


def check_is_sound(samples: bytes, shape: bytes) -> None:
    """Refuse what is no sound.

    Args:
        samples: Everything after the header.
        shape: The ``fmt`` chunk. Only plain samples are looked at; packed ones, such as ADPCM, are evenly spread.

    Raises:
        UnsupportedMedia: FOREIGN_CONTENT.
    """
    size = _sample_bytes(shape)
    if not size:
        return
    block_bytes = _BLOCK_SAMPLES * size
    for at in range(0, len(samples) - block_bytes + 1, block_bytes):
        block = np.frombuffer(samples, np.uint8, block_bytes, at)
        if _is_even(block[size - 1 :: size]) or (size > 1 and bool(_TEXT[block].all())):
            raise UnsupportedMedia(
                "The WAV file states no length, and what follows its header is not all sound.",
                reason=Reason.FOREIGN_CONTENT,
                hint=EXPORT_AGAIN,
            )


def _sample_bytes(shape: bytes) -> int:
    """Bytes of one plain sample; 0 for packed ones."""
    if len(shape) < 16 or int.from_bytes(shape[:2], "little") not in (_PCM, _FLOAT, _EXTENSIBLE):
        return 0
    bits = int.from_bytes(shape[14:16], "little")
    return bits // 8 if bits in (8, 16, 24, 32, 64) else 0


def _is_even(highest: Bytes) -> bool:
    """Whether the highest bytes of the samples are random."""
    expected = len(highest) / 256
    counts = np.bincount(highest, minlength=256)
    if float(((counts - expected) ** 2).sum()) / expected > _EVEN:
        return False
    values = highest.astype(np.float64)
    return abs(float(np.corrcoef(values[:-1], values[1:])[0, 1])) < _ALIKE
