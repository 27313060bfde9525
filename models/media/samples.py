"""The array type of decoded audio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16_000

Samples = npt.NDArray[np.float32]
"""Mono audio at ``SAMPLE_RATE_HZ``, shape (n,), values in [-1, 1]."""
