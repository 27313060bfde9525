"""Copies what is to be added next to the cache, so that what is checked is also what is kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import BinaryIO, Final

from models.amounts import size_text
from models.errors import WeightsError
from models.reasons import Reason
from models.speech.adding.errors import invalid
from models.weights.added import AddedFile

MOST_MODEL_BYTES: Final = 16 << 30
MOST_TABLE_BYTES: Final = 8 << 20
"""The largest vocabulary has 1 MB."""
FOLDER_FILES: Final = ("model.bin", "config.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")
_PIECE_BYTES: Final = 1 << 20
_COPIES: Final = 2
"""What was given, and what is made from it."""


def files_of(path: Path) -> list[Path]:
    """The files that make a model: one checkpoint, or three of a folder.

    Raises:
        WeightsError: WEIGHTS_INVALID, the layout is not known.
    """
    if path.is_file() and path.suffix == ".pt":
        return [path]
    named = [path / name for name in FOLDER_FILES]
    vocabularies = [path / name for name in VOCABULARIES if (path / name).is_file()]
    if not all(file.is_file() for file in named) or not vocabularies:
        raise invalid("There is no model of a known layout at that path.")
    return [*named, vocabularies[0]]


def check_room(files: list[Path], cache: Path) -> None:
    """Refuse before the copy what the disk has no room for.

    Raises:
        WeightsError: WEIGHTS_NO_ROOM.
    """
    needed, free = _COPIES * sum(file.stat().st_size for file in files), shutil.disk_usage(cache).free
    if free < needed:
        raise WeightsError(
            f"The model needs {size_text(needed)} while it is added, and {size_text(free)} are free.",
            reason=Reason.WEIGHTS_NO_ROOM,
            hint="Make room, or set VESTIBULE_CACHE_DIR to a folder on another disk.",
        )


def copy(file: Path, folder: Path) -> AddedFile:
    """Copy a plain file of a bounded size; returns its size and its digest.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is a link, a device or a pipe, cannot be read, or is too large.
    """
    most = MOST_MODEL_BYTES if file.suffix in {".pt", ".bin"} else MOST_TABLE_BYTES
    try:
        # A pipe would block without O_NONBLOCK.
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise invalid(
            f"'{file.name}' is a link, or cannot be read.", "Give plain files; `cp -rL` copies what links lead to."
        ) from error
    with os.fdopen(number, "rb") as source:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise invalid(f"'{file.name}' is no plain file.")
        return _copied(source, folder / file.name, most)


def _copied(source: BinaryIO, target: Path, most: int) -> AddedFile:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as out:
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > most:
                raise invalid(f"'{target.name}' is larger than {size_text(most)}.")
            digest.update(piece)
            out.write(piece)
    return AddedFile(target.name, size, digest.hexdigest())
