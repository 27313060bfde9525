"""How the C library keeps the freed memory of this process."""

from __future__ import annotations

import ctypes
from typing import Final

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Most freed memory that each arena keeps for the next upload. docs/evaluation/constants/ray.md, KEPT_BYTES."""


def keep_freed_memory() -> bool:
    """Have glibc keep the large blocks that uploads free; returns whether it takes the settings.

    By default each block of 128 KiB or more comes from the system and goes back to it, so every page of the next block
    causes a page fault.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl and macOS have no such function
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES // 2) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
