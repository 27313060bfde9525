"""The reference engine's checkpoint, made from the tensors that the default engine uses.

A CTranslate2 Whisper ``model.bin`` is a list of named tensors. CTranslate2 stacks projections that
openai-whisper keeps separate: query, key and value of self-attention, key and value of cross-attention. It has no bias
on keys, and projects onto the vocabulary with the embedding itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import WeightsError
from models.reasons import Reason
from models.speech.whisper.tensor_file import Tensor, read_tensors
from models.weights.store import derived

CHECKPOINT_FILE = "openai-whisper-v1.pt"


def whisper_checkpoint(name: str, cache: Path) -> Path:
    """The path of the checkpoint for placed Whisper weights. The file is made on first use."""
    return derived(name, cache, CHECKPOINT_FILE, convert)


def convert(folder: Path, target: Path) -> None:
    """Write ``{dims, model_state_dict}`` as openai-whisper loads it.

    Raises:
        WeightsError: ``model.bin`` is of another version, or lacks a tensor.
    """
    import torch

    dims, state = read_state(folder / "model.bin")
    # Copied, because torch needs writable arrays.
    torch.save({"dims": dims, "model_state_dict": {k: torch.from_numpy(v.copy()) for k, v in state.items()}}, target)


def read_state(model: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """The dimensions and the tensors of a ``model.bin``, by the names that openai-whisper gives them.

    Raises:
        WeightsError: ``model.bin`` is of another version, damaged, or lacks a tensor.
    """
    tensors = read_tensors(model)
    try:
        return _dims(tensors), dict(_renamed(tensors))
    except (KeyError, ValueError, TypeError, IndexError) as exc:  # missing, or of another shape
        raise WeightsError(
            "model.bin is no Whisper model: a tensor is missing or has another shape.", reason=Reason.WEIGHTS_INVALID
        ) from exc


def _dims(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    vocabulary, width = tensors["decoder/embeddings/weight"].shape
    return {
        "n_mels": tensors["encoder/conv1/weight"].shape[1],
        "n_audio_ctx": tensors["encoder/position_encodings/encodings"].shape[0],
        "n_audio_state": width,
        "n_audio_head": int(tensors["encoder/num_heads"]),
        "n_audio_layer": _count_layers(tensors, "encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": tensors["decoder/position_encodings/encodings"].shape[0],
        "n_text_state": width,
        "n_text_head": int(tensors["decoder/num_heads"]),
        "n_text_layer": _count_layers(tensors, "decoder"),
    }


def _count_layers(tensors: Mapping[str, Tensor], side: str) -> int:
    return len({name.split("/")[1] for name in tensors if name.startswith(f"{side}/layer_") and name.count("/") > 2})


@dataclass(frozen=True, slots=True)
class _Stacked:
    """A CTranslate2 linear layer that holds several of openai-whisper's."""

    source: str
    targets: tuple[str, ...]


_SELF = (_Stacked("linear_0", ("query", "key", "value")), _Stacked("linear_1", ("out",)))
_CROSS = (_Stacked("linear_0", ("query",)), _Stacked("linear_1", ("key", "value")), _Stacked("linear_2", ("out",)))


def _renamed(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for number in (1, 2):
        yield f"encoder.conv{number}.weight", tensors[f"encoder/conv{number}/weight"]
        yield f"encoder.conv{number}.bias", tensors[f"encoder/conv{number}/bias"]
    yield "encoder.positional_embedding", tensors["encoder/position_encodings/encodings"]
    yield "decoder.positional_embedding", tensors["decoder/position_encodings/encodings"]
    yield "decoder.token_embedding.weight", tensors["decoder/embeddings/weight"]
    yield from _norm(tensors, "encoder/layer_norm", "encoder.ln_post")
    yield from _norm(tensors, "decoder/layer_norm", "decoder.ln")
    for side in ("encoder", "decoder"):
        for layer in range(_count_layers(tensors, side)):
            yield from _block(tensors, f"{side}/layer_{layer}", f"{side}.blocks.{layer}", cross=side == "decoder")


def _block(tensors: Mapping[str, Tensor], source: str, target: str, *, cross: bool) -> Iterator[tuple[str, Tensor]]:
    yield from _attention(tensors, f"{source}/self_attention", f"{target}.attn", _SELF)
    if cross:
        yield from _attention(tensors, f"{source}/attention", f"{target}.cross_attn", _CROSS)
    yield from _norm(tensors, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    for number, place in ((0, 0), (1, 2)):  # the activation is layer 1
        for part in ("weight", "bias"):
            yield f"{target}.mlp.{place}.{part}", tensors[f"{source}/ffn/linear_{number}/{part}"]


def _attention(
    tensors: Mapping[str, Tensor], source: str, target: str, layers: tuple[_Stacked, ...]
) -> Iterator[tuple[str, Tensor]]:
    yield from _norm(tensors, f"{source}/layer_norm", f"{target}_ln")
    for layer in layers:
        weights = np.split(tensors[f"{source}/{layer.source}/weight"], len(layer.targets))
        biases = np.split(tensors[f"{source}/{layer.source}/bias"], len(layer.targets))
        for name, weight, bias in zip(layer.targets, weights, biases, strict=True):
            yield f"{target}.{name}.weight", weight
            if name != "key":
                yield f"{target}.{name}.bias", bias


def _norm(tensors: Mapping[str, Tensor], source: str, target: str) -> Iterator[tuple[str, Tensor]]:
    yield f"{target}.weight", tensors[f"{source}/gamma"]
    yield f"{target}.bias", tensors[f"{source}/beta"]
