"""Freed memory of a process goes back to the system."""

from __future__ import annotations

import ctypes


def give_back_freed_memory() -> bool:
    """Have glibc give back what is free in the middle of its heaps; returns whether it could.

    The C library keeps freed blocks for each thread. Pictures of many sizes leave holes in them that the next picture
    does not fit into, so a worker would grow with every thread. What a flood of headers took stays there, too.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:  # musl and macOS have no such function
        return False
    return bool(trim(0))
