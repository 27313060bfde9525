"""Writes a CTranslate2 folder from the tensors of a Whisper; the inverse of ``whisper.openai_checkpoint``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.speech.adding.tables import tables
from models.speech.whisper.tensor_file import Tensor


def write_folder(
    dims: Mapping[str, int], state: Mapping[str, Tensor], heads: Sequence[Sequence[int]], folder: Path
) -> None:
    """Write model.bin, config.json, tokenizer.json and vocabulary.json. The tensors keep their precision.

    Args:
        dims: As in openai-whisper's ``ModelDimensions``.
        state: Tensors by openai-whisper's names; checked before.
        heads: Layer and head of the cross-attentions that tell the times of words.
        folder: Exists and is empty.
    """
    from ctranslate2.specs import WhisperSpec

    known = tables(dims["n_vocab"])
    spec = WhisperSpec(dims["n_audio_layer"], dims["n_audio_head"], dims["n_text_layer"], dims["n_text_head"])
    _Writer(state).fill(spec)
    spec.register_vocabulary(list(known.vocabulary))
    spec.config.alignment_heads = [list(pair) for pair in heads]
    spec.config.suppress_ids, spec.config.suppress_ids_begin = list(known.never), list(known.not_first)
    spec.config.lang_ids = list(known.languages)
    spec.validate()
    spec.decoder.projection.weight = "decoder/embeddings/weight"  # the same tensor, stored once
    spec.save(str(folder))
    known.tokenizer.save(str(folder / "tokenizer.json"))


class _Writer:
    """Fills a specification. CTranslate2 stacks the projections of an attention that read the same input."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._state = state

    def fill(self, spec: Any) -> None:
        for number in (1, 2):
            self._linear(getattr(spec.encoder, f"conv{number}"), f"encoder.conv{number}")
        spec.encoder.position_encodings.encodings = self._state["encoder.positional_embedding"]
        spec.decoder.position_encodings.encodings = self._state["decoder.positional_embedding"]
        spec.decoder.embeddings.weight = self._state["decoder.token_embedding.weight"]
        spec.decoder.projection.weight = self._state["decoder.token_embedding.weight"]
        self._norm(spec.encoder.layer_norm, "encoder.ln_post")
        self._norm(spec.decoder.layer_norm, "decoder.ln")
        for side in ("encoder", "decoder"):
            for number, layer in enumerate(getattr(spec, side).layer):
                self._block(layer, f"{side}.blocks.{number}", cross=side == "decoder")

    def _block(self, layer: Any, name: str, *, cross: bool) -> None:
        self._attention(layer.self_attention, f"{name}.attn", (("query", "key", "value"), ("out",)))
        if cross:
            self._attention(layer.attention, f"{name}.cross_attn", (("query",), ("key", "value"), ("out",)))
        self._norm(layer.ffn.layer_norm, f"{name}.mlp_ln")
        self._linear(layer.ffn.linear_0, f"{name}.mlp.0")
        self._linear(layer.ffn.linear_1, f"{name}.mlp.2")  # the activation is 1

    def _attention(self, attention: Any, name: str, stacks: Sequence[Sequence[str]]) -> None:
        self._norm(attention.layer_norm, f"{name}_ln")
        for linear, parts in zip(attention.linear, stacks, strict=True):
            linear.weight = np.concatenate([self._state[f"{name}.{part}.weight"] for part in parts])
            linear.bias = np.concatenate([self._bias(f"{name}.{part}") for part in parts])

    def _bias(self, name: str) -> Tensor:
        """Keys have none in openai-whisper."""
        weight = self._state[f"{name}.weight"]
        return self._state.get(f"{name}.bias", np.zeros(len(weight), weight.dtype))

    def _linear(self, linear: Any, name: str) -> None:
        linear.weight, linear.bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]

    def _norm(self, norm: Any, name: str) -> None:
        norm.gamma, norm.beta = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
