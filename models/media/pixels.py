"""The array type of a decoded picture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""RGB picture, shape (height, width, 3), upright (EXIF orientation applied)."""
