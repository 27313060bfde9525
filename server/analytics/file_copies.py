"""Copies of files that another process writes: the whole file, or only what differs from an earlier copy.

What differs is found by comparing all bytes, which takes about 0.1 s for 1 GB that the system has in memory. The
checksum at the start of each DuckDB block cannot replace that: in it two equal changes of a block cancel out.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from models.private_files import open_private

_WHOLE_PIECE_BYTES: Final = 64 * 1024 * 1024


def copy_whole(source: int, target: Path, length: int) -> bool:
    """Copy the first bytes of a file, sharing its blocks where the disk can; returns False when there are fewer."""
    copied = 0
    with open(target, "wb", opener=open_private) as file:
        while copied < length:
            step = _copy_piece(source, file.fileno(), copied, min(length - copied, _WHOLE_PIECE_BYTES))
            if step == 0:
                return False
            copied += step
    return True


def _copy_piece(source: int, target: int, offset: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, length, offset, offset)
        except OSError:
            pass  # between two file systems, or one that lacks it
    return os.pwrite(target, os.pread(source, min(length, 1024 * 1024), offset), offset)


def copy_changes(source: int, target: Path, length: int, first_bytes: int, block_bytes: int) -> bool:
    """Make an earlier copy equal to the first bytes of a file, in place, by writing only the blocks that differ.

    Args:
        source: Descriptor of the file.
        target: The earlier copy, of any content and length.
        length: How many bytes the copy has afterwards.
        first_bytes: Size of what lies before the first block.
        block_bytes: Size of each block. Any size gives an exact copy; that of the blocks of the file writes the least.

    Returns:
        False when somebody still reads the copy or it is gone; then nothing was written. Also when the file is shorter.
    """
    try:
        copy = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        if not _nobody_else_has_open(copy):
            return False
        os.ftruncate(copy, length)
        starts = (0, *range(first_bytes, length, block_bytes))
        ends = (*starts[1:], length)
        theirs, ours = bytearray(block_bytes), bytearray(block_bytes)
        return all(
            _make_equal(source, copy, start, memoryview(theirs)[: end - start], memoryview(ours)[: end - start])
            for start, end in zip(starts, ends, strict=True)
        )
    finally:
        os.close(copy)


def _make_equal(source: int, copy: int, offset: int, theirs: memoryview, ours: memoryview) -> bool:
    if os.preadv(source, [theirs], offset) < len(theirs):
        return False
    if os.preadv(copy, [ours], offset) < len(ours) or theirs.obj != ours.obj:
        os.pwrite(copy, theirs, offset)
    return True


def _nobody_else_has_open(file: int) -> bool:
    """Whether this descriptor, open for writing, is the only one of its file in all processes.

    Linux grants a write lease only then. A process that forked keeps its parent's descriptors, which count too. Other
    systems and disks without leases never say yes.
    """
    lease = getattr(fcntl, "F_SETLEASE", None)
    if lease is None:
        return False
    try:
        fcntl.fcntl(file, lease, fcntl.F_WRLCK)
    except OSError:
        return False
    fcntl.fcntl(file, lease, fcntl.F_UNLCK)
    return True
