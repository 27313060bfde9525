"""Adds a model to the cache: copies what is given, lets it be checked and written anew, and keeps what was made.

What is given is read as if it were hostile. Its files are copied next to the cache first, so that what is checked is
also what is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, Final

from models.amounts import size_text
from models.errors import WeightsError
from models.reasons import Reason
from models.weights.added import AddedFile, AddedModel, check_name
from models.weights.store import keep, sha256_of

_PIECE_BYTES: Final = 1 << 20
_COPIES: Final = 2
"""What was given, and what is made from it."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file of the model that is to be added, and the most bytes that it may have."""

    path: Path
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Made:
    """What was made of the given files.

    Attributes:
        kind: What was given, see ``AddedModel.kind``.
        purpose: What the model is for, in a few words.
    """

    kind: str
    purpose: str


Make = Callable[[Path, Path], Made]
"""Checks the copies in the first folder, and writes the model into the second one, which is empty. Raises WeightsError
of what is not right.
"""


def add_model(name: str, given: Sequence[GivenFile], make: Make, cache: Path, licence: str, today: date) -> AddedModel:
    """Copy, check, write anew and keep a model.

    Args:
        name: Under which it will be chosen; was checked with ``check_name`` before the files were sought.
        given: Its files, with different names.
        make: Checks and writes.
        cache: Root of the weights cache; exists.
        licence: SPDX identifier, for the record; may be empty.
        today: The day, for the record.

    Raises:
        WeightsError: WEIGHTS_INVALID, WEIGHTS_NAME_TAKEN, WEIGHTS_NO_ROOM, CACHE_UNUSABLE.
    """
    check_name(name, cache)
    require_room(_COPIES * sum(file.path.lstat().st_size for file in given), cache)
    try:
        with tempfile.TemporaryDirectory(prefix=".add-", dir=cache) as scratch:
            source, folder = Path(scratch) / "source", Path(scratch) / "made"
            source.mkdir()
            folder.mkdir()
            sources = tuple(_copy(file, source) for file in given)
            made = make(source, folder)
            files = tuple(_file(path) for path in sorted(folder.iterdir()))
            model = AddedModel(name, made.kind, made.purpose, sources, files, licence, today.isoformat())
            keep(model, folder, cache)
    except OSError as error:
        raise not_written(error) from error
    return model


def not_written(error: OSError) -> WeightsError:
    """CACHE_UNUSABLE: the disk did not take the files of a model."""
    return WeightsError(
        f"The model cannot be written to the cache ({error.strerror or error}).",
        reason=Reason.CACHE_UNUSABLE,
        hint="Make the folder that VESTIBULE_CACHE_DIR names writable, with free space on its disk.",
    )


def _file(path: Path) -> AddedFile:
    return AddedFile(path.name, path.stat().st_size, sha256_of(path))


def require_room(needed: int, cache: Path) -> None:
    """Refuse what the disk has no room for, before anything is written.

    Args:
        needed: Bytes.
        cache: Root of the weights cache; exists.

    Raises:
        WeightsError: WEIGHTS_NO_ROOM.
    """
    free = shutil.disk_usage(cache).free
    if free < needed:
        raise WeightsError(
            f"The model needs {size_text(needed)} while it is added, and {size_text(free)} are free.",
            reason=Reason.WEIGHTS_NO_ROOM,
            hint="Make room, or set VESTIBULE_CACHE_DIR to a folder on another disk.",
        )


def _invalid(message: str, hint: str) -> WeightsError:
    return WeightsError(message, reason=Reason.WEIGHTS_INVALID, hint=hint)


def _copy(given: GivenFile, folder: Path) -> AddedFile:
    """Copy a plain file of a bounded size; returns its size and its digest.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is a link, a device or a pipe, cannot be read, or is too large.
    """
    file = given.path
    try:
        # A pipe would block without O_NONBLOCK.
        number = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _invalid(
            f"'{file.name}' is a link, or cannot be read.", "Give plain files; `cp -rL` copies what links lead to."
        ) from error
    with os.fdopen(number, "rb") as source:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise _invalid(f"'{file.name}' is no plain file.", "Give plain files.")
        return _copied(source, folder / file.name, given.most_bytes)


def _copied(source: BinaryIO, target: Path, most: int) -> AddedFile:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as out:
        while piece := source.read(_PIECE_BYTES):
            size += len(piece)
            if size > most:
                raise _invalid(f"'{target.name}' is larger than {size_text(most)}.", "Such a model cannot be added.")
            digest.update(piece)
            out.write(piece)
    return AddedFile(target.name, size, digest.hexdigest())
