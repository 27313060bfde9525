"""The error of a token classifier that cannot be added."""

from __future__ import annotations

from typing import Any, Final

from models.errors import WeightsError
from models.reasons import Reason

LAYOUT: Final = (
    "A model for redaction is a folder as `save_pretrained` of transformers writes it: config.json with id2label, "
    "model.safetensors, and tokenizer.json or the files of its vocabulary."
)

_MOST_SHOWN: Final = 60


def invalid(message: str, hint: str = LAYOUT) -> WeightsError:
    """The error for a folder that is not what it has to be."""
    return WeightsError(message, reason=Reason.WEIGHTS_INVALID, hint=hint)


def shown(value: Any) -> str:
    """A value of a file that was given, for a message: short, and on one line."""
    text = ascii(value) if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
