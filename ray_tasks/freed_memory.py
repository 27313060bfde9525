"""Freed memory of a process goes back to the system."""

from __future__ import annotations

import ctypes
from typing import Final

_M_MMAP_THRESHOLD: Final = -3  # from glibc's malloc.h

LARGE_BYTES: Final = 1024 * 1024
"""Blocks of pictures are larger. docs/evaluation/server, "Pages of dense print"."""


def give_back_freed_memory() -> bool:
    """Have glibc give back what is free in the middle of its heaps; returns whether it could.

    The C library keeps freed blocks for each thread. Pictures of many sizes leave holes in them that the next picture
    does not fit into, so a worker would grow with every thread. What a flood of headers took stays there, too.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl and macOS have no such function
        return False
    return bool(trim(0))


def give_back_large_blocks_at_once() -> bool:
    """Have glibc take each large block from the system, and give it back when it is freed; returns whether it could.

    By default the bound grows with the blocks that are freed. Then those of a picture lie in the heap of its thread,
    and each further thread made a worker grow by 105 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # musl and macOS have no such function
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES))
