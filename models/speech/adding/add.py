"""Adds a Whisper model to the cache."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from models.speech.adding.checkpoint import read_checkpoint
from models.speech.adding.ctranslate2_folder import write_folder
from models.speech.adding.folder import Heads, check_vocabulary, heads_of, read_folder
from models.speech.adding.heads import alignment_heads
from models.speech.adding.shapes import ENGLISH_VOCABULARY, check_whisper
from models.speech.adding.source import files_of
from models.weights.added import AddedModel, check_name
from models.weights.adding import Made, add_model

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
    return add_model(name, files_of(path), _convert, cache, licence, today)


def _convert(source: Path, made: Path) -> Made:
    """Check the copies, and write the model."""
    checkpoint = next(source.glob("*.pt"), None)
    dims, state = read_checkpoint(checkpoint) if checkpoint else read_folder(source)
    check_whisper(dims, state)
    size = dims["n_vocab"]
    heads: Heads | None = None
    if not checkpoint:
        check_vocabulary(source, size)
        heads = heads_of(source, dims)
    write_folder(dims, state, heads or alignment_heads(dims), made)
    return Made(CHECKPOINT if checkpoint else FOLDER, _purpose(size))


def _purpose(vocabulary: int) -> str:
    languages = vocabulary - ENGLISH_VOCABULARY + 98
    return "speech to text, " + (f"{languages} languages" if vocabulary > ENGLISH_VOCABULARY else "English only")
