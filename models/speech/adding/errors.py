"""The error of a model that cannot be added."""

from __future__ import annotations

from typing import Final

from models.errors import WeightsError
from models.reasons import Reason

LAYOUTS: Final = (
    "A model for speech is a checkpoint of openai-whisper (one .pt file), or a CTranslate2 folder with model.bin, "
    "config.json and vocabulary.json or vocabulary.txt, as ct2-transformers-converter writes it with --quantization "
    "float16. A model for redaction is a folder of transformers with config.json and model.safetensors."
)


def invalid(message: str, hint: str = LAYOUTS) -> WeightsError:
    """The error for a file or folder that is not what it has to be."""
    return WeightsError(message, reason=Reason.WEIGHTS_INVALID, hint=hint)
