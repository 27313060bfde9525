"""Adds a Whisper model to the cache."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Final

from models.errors import WeightsError
from models.reasons import Reason
from models.speech.adding.checkpoint import read_checkpoint
from models.speech.adding.ctranslate2_folder import FILES, write_folder
from models.speech.adding.folder import Heads, check_vocabulary, heads_of, read_folder
from models.speech.adding.heads import alignment_heads
from models.speech.adding.shapes import ENGLISH_VOCABULARY, check_whisper
from models.speech.adding.source import check_room, copy, files_of
from models.weights.added import AddedFile, AddedModel, check_name
from models.weights.store import keep, sha256_of

CHECKPOINT: Final = "openai-whisper checkpoint"
FOLDER: Final = "CTranslate2 folder"


def add_whisper(name: str, path: Path, cache: Path, licence: str, today: date) -> AddedModel:
    """Check a local Whisper model as if it were hostile, and keep it in the form that both engines take.

    Nothing is kept of what was given but the numbers in its tensors, and its list of attention heads.

    Args:
        name: Under which it will be chosen.
        path: A checkpoint of openai-whisper, or a CTranslate2 folder.
        cache: Root of the weights cache; exists.
        licence: SPDX identifier, for the record; may be empty.
        today: The day, for the record.

    Raises:
        WeightsError: WEIGHTS_INVALID, WEIGHTS_NAME_INVALID, WEIGHTS_NAME_TAKEN, WEIGHTS_NO_ROOM, CACHE_UNUSABLE.
    """
    check_name(name, cache)
    given = files_of(path)
    check_room(given, cache)
    try:
        with tempfile.TemporaryDirectory(prefix=".add-", dir=cache) as scratch:
            source, made = Path(scratch) / "source", Path(scratch) / "made"
            source.mkdir()
            made.mkdir()
            sources = tuple(copy(file, source) for file in given)
            kind, size = _convert(source, sources, made)
            files = tuple(_file(made / file) for file in FILES)
            model = AddedModel(name, kind, _purpose(size), sources, files, licence, today.isoformat())
            keep(model, made, cache)
    except OSError as error:
        raise WeightsError(
            f"The model cannot be written to the cache ({error.strerror or error}).",
            reason=Reason.CACHE_UNUSABLE,
            hint="Make the folder that VESTIBULE_CACHE_DIR names writable, with free space on its disk.",
        ) from error
    return model


def _convert(source: Path, sources: tuple[AddedFile, ...], made: Path) -> tuple[str, int]:
    """Write the checked model; returns what was given, and the size of its vocabulary."""
    checkpoint = next((source / file.name for file in sources if file.name.endswith(".pt")), None)
    dims, state = read_checkpoint(checkpoint) if checkpoint else read_folder(source)
    check_whisper(dims, state)
    size = dims["n_vocab"]
    heads: Heads | None = None
    if not checkpoint:
        check_vocabulary(source, size)
        heads = heads_of(source, dims)
    write_folder(dims, state, heads or alignment_heads(dims), made)
    return (CHECKPOINT if checkpoint else FOLDER), size


def _purpose(vocabulary: int) -> str:
    languages = vocabulary - ENGLISH_VOCABULARY + 98
    return "speech to text, " + (f"{languages} languages" if vocabulary > ENGLISH_VOCABULARY else "English only")


def _file(path: Path) -> AddedFile:
    return AddedFile(path.name, path.stat().st_size, sha256_of(path))
