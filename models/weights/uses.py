"""Whether a setting names a model that can do what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from models.errors import WeightsError
from models.reasons import Reason
from models.weights.added import NER_KIND, added_model, added_names
from models.weights.registry import ALL
from models.weights.store import lookup

_PINNED_FOR_SPEECH: Final = tuple(name for name in ALL if name.startswith("whisper-"))


def speech_names(cache: Path) -> list[str]:
    """Names of all models that recognise speech: those that Vestibule pins, and those that were added.

    Raises:
        WeightsError: WEIGHTS_INVALID, the record of an added model cannot be read.
    """
    added = ((name, added_model(name, cache)) for name in added_names(cache))
    return sorted({*_PINNED_FOR_SPEECH, *(name for name, model in added if model and model.kind != NER_KIND)})


def check_ner(name: str, cache: Path) -> None:
    """Refuse a model that was not added to find personal words.

    Raises:
        WeightsError: WEIGHTS_UNAVAILABLE, there is none of that name; WEIGHTS_OF_ANOTHER_KIND; WEIGHTS_INVALID, its
            record cannot be read.
    """
    model = added_model(name, cache)
    if model is not None and model.kind == NER_KIND:
        return
    if model is None:
        lookup(name, cache)
    raise WeightsError(
        f"The model '{name}' was not added to find personal words in texts.",
        reason=Reason.WEIGHTS_OF_ANOTHER_KIND,
        hint="VESTIBULE_REDACTION__NER_WEIGHTS is empty, or names a token classifier that was added.",
    )


def check_speech(name: str, cache: Path) -> None:
    """Refuse a model that was added to find personal words; whether there is one of that name is seen later.

    Raises:
        WeightsError: WEIGHTS_OF_ANOTHER_KIND; WEIGHTS_INVALID, its record cannot be read.
    """
    model = added_model(name, cache)
    if model is not None and model.kind == NER_KIND:
        raise WeightsError(
            f"The model '{name}' does not recognise speech.",
            reason=Reason.WEIGHTS_OF_ANOTHER_KIND,
            hint="Choose a Whisper model for speech; VESTIBULE_REDACTION__NER_WEIGHTS takes this one.",
        )


def check_uses(speech: Iterable[str], ner: str, cache: Path) -> None:
    """Refuse weights that cannot do what the settings name them for.

    Args:
        speech: Names of weights for speech.
        ner: Name of the model that finds more personal words; may be empty.
        cache: Root of the weights cache.

    Raises:
        WeightsError: See ``check_speech`` and ``check_ner``.
    """
    for name in speech:
        check_speech(name, cache)
    if ner:
        check_ner(ner, cache)
