"""Reads a CTranslate2 folder: its tensors, and the two things of its other files that count."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from models.speech.adding.errors import invalid
from models.speech.adding.source import VOCABULARIES
from models.speech.adding.tables import NO_SPEECH, tables
from models.speech.whisper.openai_checkpoint import read_state
from models.speech.whisper.tensor_file import Tensor

_LANGUAGE: Final = re.compile(r"(<\|[a-z]{2,3}\|>){2}\Z")

Heads = Sequence[Sequence[int]]


def read_folder(folder: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """The dimensions and the tensors, by openai-whisper's names.

    Raises:
        WeightsError: WEIGHTS_INVALID.
    """
    return read_state(folder / "model.bin")


def check_vocabulary(folder: Path, size: int) -> None:
    """Refuse a vocabulary that is not Whisper's: the tokens would mean something else.

    Raises:
        WeightsError: WEIGHTS_INVALID.
    """
    file = next(folder / name for name in VOCABULARIES if (folder / name).is_file())
    try:
        text = file.read_text(encoding="utf-8")
        found = json.loads(text) if file.suffix == ".json" else text.removesuffix("\n").split("\n")
    except (ValueError, RecursionError):
        raise invalid(f"'{file.name}' cannot be read.") from None
    known = tables(size).vocabulary
    if not isinstance(found, list) or len(found) != size or not all(map(_alike, found, known)):
        raise invalid("The vocabulary of the folder is not that of a Whisper.")


def _alike(given: object, known: str) -> bool:
    """Whether two names of a token mean the same. Those of languages differ: the English models have "iw" for "he"."""
    if given == known:
        return True
    return isinstance(given, str) and ({given, known} == {*NO_SPEECH} or bool(_LANGUAGE.match(given + known)))


def heads_of(folder: Path, dims: Mapping[str, int]) -> Heads | None:
    """The cross-attentions that tell the times of words, as config.json names them; None if it names none.

    Raises:
        WeightsError: WEIGHTS_INVALID, it cannot be read, or names one that the model does not have.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise invalid("'config.json' cannot be read.") from None
    pairs = config.get("alignment_heads") if isinstance(config, dict) else None
    if not pairs:
        return None
    if not isinstance(pairs, list) or not all(_is_head(pair, dims) for pair in pairs):
        raise invalid("'config.json' names attention heads that the model does not have.")
    return pairs


def _is_head(pair: Any, dims: Mapping[str, int]) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(number) is int for number in pair):
        return False
    layer, head = pair
    return bool(0 <= layer < dims["n_text_layer"] and 0 <= head < dims["n_text_head"])
