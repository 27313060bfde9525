"""Files that only their owner can read, written durably."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from server.runtime.folders import make_private_folder

PART = ".part"
"""Suffix of files that are still being written."""


def open_private(path: str, flags: int) -> int:
    """An ``opener`` whose files only their owner can read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def sync_folder(folder: Path) -> None:
    """Make a new name, a rename or a removal in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never shows half of it, durably, mode 0600."""
    part = path.with_name(path.name + PART)
    try:
        with open(part, "wb", opener=open_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def read_or_create(path: Path, content: bytes) -> bytes:
    """The content of a file, which is made with the given one where it is missing, mode 0600.

    Two processes that make it at once both read what the first one wrote.
    """
    if not path.exists():
        make_private_folder(path.parent)
        ours = path.with_name(f"{path.name}.{os.getpid()}")
        write_atomically(ours, content)
        with suppress(FileExistsError):
            path.hardlink_to(ours)
        ours.unlink()
        sync_folder(path.parent)
    return path.read_bytes()
