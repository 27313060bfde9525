"""Which files make a Whisper model, and how large each may be."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from models.speech.adding.errors import invalid
from models.weights.adding import GivenFile

MOST_MODEL_BYTES: Final = 16 << 30
MOST_TABLE_BYTES: Final = 8 << 20
"""The largest vocabulary has 1 MB."""
FOLDER_FILES: Final = ("model.bin", "config.json")
VOCABULARIES: Final = ("vocabulary.json", "vocabulary.txt")


def files_of(path: Path) -> list[GivenFile]:
    """The files that make a model: one checkpoint, or three of a folder.

    Raises:
        WeightsError: WEIGHTS_INVALID, the layout is not known.
    """
    if path.is_file() and path.suffix == ".pt":
        return [GivenFile(path, MOST_MODEL_BYTES)]
    named = [path / name for name in FOLDER_FILES]
    vocabularies = [path / name for name in VOCABULARIES if (path / name).is_file()]
    if not all(file.is_file() for file in named) or not vocabularies:
        raise invalid("There is no model of a known layout at that path.")
    return [
        GivenFile(file, MOST_MODEL_BYTES if file.suffix == ".bin" else MOST_TABLE_BYTES)
        for file in (*named, vocabularies[0])
    ]
