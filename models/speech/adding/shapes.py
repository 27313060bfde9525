"""Whether dimensions and tensors are those of a Whisper: openai-whisper's own model says which tensors it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from models.speech.adding.errors import invalid
from models.speech.whisper.tensor_file import Tensor

ENGLISH_VOCABULARY: Final = 51_864
VOCABULARIES: Final = (ENGLISH_VOCABULARY, 51_865, 51_866)
"""English only; 99 languages; 100 languages, from large-v3 on."""
_ONE_OF: Final = {"n_mels": (80, 128), "n_audio_ctx": (1500,), "n_text_ctx": (448,), "n_vocab": VOCABULARIES}
_AT_MOST: Final = {"n_audio_state": 2048, "n_text_state": 2048, "n_audio_layer": 64, "n_text_layer": 64}
_HEADS: Final = {"n_audio_head": "n_audio_state", "n_text_head": "n_text_state"}
_BLOCK: Final = 32
"""The engines work on so many columns at a time."""


def check_whisper(dims: Mapping[str, int], state: Mapping[str, Tensor]) -> None:
    """Refuse what is no Whisper.

    Args:
        dims: As in openai-whisper's ``ModelDimensions``.
        state: Tensors by openai-whisper's names.

    Raises:
        WeightsError: WEIGHTS_INVALID.
    """
    _check_dims(dims)
    expected = _shapes(dims)
    for name, shape in expected.items():
        if name not in state:
            raise invalid(f"The model lacks the tensor {name}.")
        if state[name].shape != shape or state[name].dtype.kind != "f":
            raise invalid(
                f"The tensor {name} does not have the shape of a Whisper of these dimensions, or is no float.",
                "Quantized models cannot be added: convert the model with --quantization float16.",
            )
        if not np.isfinite(state[name]).all():
            raise invalid(f"The tensor {name} holds values that are no numbers.", "Train or convert the model again.")
    if len(state) > len(expected):
        raise invalid("The model has tensors that a Whisper does not have.")


def _shapes(dims: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """Of every tensor of openai-whisper's model."""
    from torch import device
    from whisper.model import AudioEncoder, TextDecoder

    audio, text = ("n_mels", "n_audio_ctx", "n_audio_state"), ("n_vocab", "n_text_ctx", "n_text_state")
    with device("meta"):  # shapes without memory
        encoder = AudioEncoder(*(dims[name] for name in (*audio, "n_audio_head", "n_audio_layer")))
        decoder = TextDecoder(*(dims[name] for name in (*text, "n_text_head", "n_text_layer")))
    sides = {"encoder": encoder, "decoder": decoder}
    return {f"{s}.{name}": tuple(t.shape) for s, model in sides.items() for name, t in model.state_dict().items()}


def _check_dims(dims: Mapping[str, int]) -> None:
    if set(dims) != {*_ONE_OF, *_AT_MOST, *_HEADS} or not all(type(number) is int for number in dims.values()):
        raise invalid("The model does not have the dimensions of a Whisper.")
    fits = all(dims[name] in known for name, known in _ONE_OF.items())
    fits &= all(0 < dims[name] <= most for name, most in _AT_MOST.items())
    fits &= all(dims[heads] > 0 and dims[width] % (dims[heads] * _BLOCK) == 0 for heads, width in _HEADS.items())
    if not fits or dims["n_audio_state"] != dims["n_text_state"]:
        raise invalid("The dimensions of the model are not those of a Whisper.")
