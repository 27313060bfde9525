"""Which files of a folder make a token classifier, and how large each may be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from models.redaction.adding.errors import invalid
from models.redaction.own_model.specification import TENSORS_FILE, TOKENIZER_FILE
from models.weights.adding import GivenFile

CONFIG_FILE: Final = "config.json"
TOKENIZER_CONFIG: Final = "tokenizer_config.json"
WORDS_FILE: Final = "vocab.txt"
BYTES_FILES: Final = ("vocab.json", "merges.txt")

MOST_MODEL_BYTES: Final = 2 << 30
MOST_TABLE_BYTES: Final = 32 << 20
"""A vocabulary of 500,000 tokens has 25 MB."""
MOST_CONFIG_BYTES: Final = 1 << 20

_PICKLES: Final = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_SIGNS: Final = (CONFIG_FILE, TENSORS_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG, WORDS_FILE, *_PICKLES)
_CONVERT: Final = (
    "Only safetensors are read, because a pickle is a program. Convert a model that you trust where it was trained: "
    "`AutoModelForTokenClassification.from_pretrained(FOLDER).save_pretrained(OTHER)`, and the same for its tokenizer."
)


def is_transformers_folder(path: Path) -> bool:
    """Whether it looks like a folder of transformers, and not like one of CTranslate2."""
    return path.is_dir() and not _is_there(path / "model.bin") and any(_is_there(path / name) for name in _SIGNS)


def files_of(folder: Path) -> list[GivenFile]:
    """The files that make a token classifier.

    Raises:
        WeightsError: WEIGHTS_INVALID, one is missing, or the tensors are a pickle.
    """
    if not _is_there(folder / TENSORS_FILE):
        if any(_is_there(folder / name) for name in _PICKLES):
            raise invalid("The tensors of the model are a pickle.", _CONVERT)
        raise invalid(f"The folder has no {TENSORS_FILE}.")
    if not _is_there(folder / CONFIG_FILE):
        raise invalid(f"The folder has no {CONFIG_FILE}.")
    tables = [folder / name for name in _vocabulary(folder)]
    configs = [folder / name for name in (CONFIG_FILE, TOKENIZER_CONFIG) if _is_there(folder / name)]
    return [
        GivenFile(folder / TENSORS_FILE, MOST_MODEL_BYTES),
        *(GivenFile(file, MOST_TABLE_BYTES) for file in tables),
        *(GivenFile(file, MOST_CONFIG_BYTES) for file in configs),
    ]


def _vocabulary(folder: Path) -> tuple[str, ...]:
    for names in ((TOKENIZER_FILE,), (WORDS_FILE,), BYTES_FILES):
        if all(_is_there(folder / name) for name in names):
            return names
    raise invalid("The folder has no tokenizer.json, and no vocab.txt either.")


def _is_there(path: Path) -> bool:
    """Whether there is anything of that name; a link is one, wherever it leads to."""
    return os.path.lexists(path)


def read_object(file: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is none, or it names code of its own.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise invalid(f"'{file.name}' cannot be read.") from None
    if not isinstance(found, dict):
        raise invalid(f"'{file.name}' cannot be read.")
    if found.get("auto_map"):
        raise invalid(f"'{file.name}' names code of the model's own (auto_map).", "Do not use it: no such code is run.")
    return found
