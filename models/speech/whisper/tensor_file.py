"""Reads the tensors of a CTranslate2 ``model.bin``, without loading them and without trust in what it says.

The file (binary version 6) is: the version, the name and the revision of the specification, the number of tensors, the
tensors, then the number of aliases and the aliases. Every number in it is checked against the length of the file.
"""

from __future__ import annotations

import mmap
import struct
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models.errors import WeightsError
from models.reasons import Reason

Tensor = npt.NDArray[np.generic]

_BINARY_VERSION: Final = 6
_DTYPES: Final = ("<f4", "<i1", "<i2", "<i4", "<f2")
_MOST_TENSORS: Final = 10_000
"""The largest Whisper has about 1,500."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor by name. They are views of the file, which is mapped, so they cost no memory until they are used.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is of another version, cut short, or says what cannot be.
    """
    if path.stat().st_size == 0:
        raise _damaged("is empty")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return _Reader(mapped).tensors()


def _damaged(what: str) -> WeightsError:
    return WeightsError(
        f"model.bin {what}.",
        reason=Reason.WEIGHTS_INVALID,
        hint="Convert or download the model again. Its weights must be 16-bit or 32-bit floats.",
    )


class _Reader:
    """Reads one after the other from the mapped file."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped
        self._at = 0

    def tensors(self) -> dict[str, Tensor]:
        version = self._number("<I")
        if version != _BINARY_VERSION:
            raise _damaged(f"has binary version {version}; only {_BINARY_VERSION} is known")
        self._string()  # name of the specification
        self._number("<I")  # its revision
        count = self._number("<I")
        if count > _MOST_TENSORS:
            raise _damaged("has more tensors than any Whisper")
        return dict(self._tensor() for _ in range(count))

    def _tensor(self) -> tuple[str, Tensor]:
        name = self._string()
        shape = [self._number("<I") for _ in range(self._number("<B"))]
        code = self._number("<B")
        if code >= len(_DTYPES):
            raise _damaged("has numbers of an unknown kind")
        dtype, size = np.dtype(_DTYPES[code]), self._number("<I")
        if prod(shape) * dtype.itemsize != size:
            raise _damaged("has a tensor whose size is not that of its shape")
        start = self._skip(size)
        return name, np.frombuffer(self._mapped, dtype, prod(shape), start).reshape(shape)

    def _number(self, code: str) -> int:
        (value,) = struct.unpack_from(code, self._mapped, self._skip(struct.calcsize(code)))
        return int(value)

    def _string(self) -> str:
        length = self._number("<H")
        start = self._skip(length)
        try:
            return self._mapped[start : start + max(0, length - 1)].decode()  # a zero byte ends it
        except UnicodeDecodeError:
            raise _damaged("has a name that is no text") from None

    def _skip(self, size: int) -> int:
        """Go over so many bytes; returns where they begin."""
        start, self._at = self._at, self._at + size
        if self._at > len(self._mapped):
            raise _damaged("is cut short")
        return start
