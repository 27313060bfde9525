"""The default encoder: converts the published 4-bit file to 8 bits and runs it on CTranslate2.

CTranslate2 runs a layer as a few fused operators. It scales the 8-bit activations row by row, so the states of a token
do not depend on which other texts are in the batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from models.redaction.ner.dequantize import Tensors
from models.redaction.ner.encoder import BATCHES_AHEAD, Floats

_EPSILON = 1e-12
_LARGEST_CODE = 95
"""Largest 8-bit code of a weight; see docs/evaluation/constants/redaction.md, encoder-weight-codes."""

_ATTENTION_PARTS = ("query", "key", "value")


@dataclass(frozen=True, slots=True)
class EncoderFile:
    """The derived file, read.

    Attributes:
        model: CTranslate2's files by name.
    """

    model: dict[str, bytes]

    @classmethod
    def read(cls, path: Path) -> EncoderFile:
        """Read what ``build_encoder`` wrote."""
        with np.load(path, allow_pickle=False) as content:
            return cls({name: content[name].tobytes() for name in content.files})


class CTranslate2Encoder:
    """Hidden states of tokens in 8 bits, on the CPU; a ``TokenEncoder``.

    Args:
        file: The converted weights.
        threads: Batches that run at the same time, each on one core.
    """

    name = "ctranslate2"
    device = "cpu"

    def __init__(self, file: EncoderFile, threads: int) -> None:
        import ctranslate2

        self._storage = ctranslate2.StorageView.from_array
        self._encoder = ctranslate2.Encoder(
            "classifier", device="cpu", inter_threads=threads, intra_threads=1, files=dict(file.model)
        )
        self._pool = ThreadPoolExecutor(BATCHES_AHEAD, thread_name_prefix="encoder")

    def begin(self, texts: Sequence[Sequence[int]], length: int) -> Callable[[], Floats]:
        """See ``TokenEncoder``.

        The caller continues in Python meanwhile. It first waits until the other thread is about to release the
        interpreter lock; otherwise the caller would hold the lock for some milliseconds and delay the encoder.
        """
        ids = np.zeros((len(texts), length), dtype=np.int32)
        for row, text in zip(ids, texts, strict=True):
            row[: len(text)] = text
        given = self._storage(ids), self._storage(np.asarray([len(text) for text in texts], dtype=np.int32))
        leaving = Event()

        def run() -> Any:
            leaving.set()
            return self._encoder.forward_batch(*given)

        pending = self._pool.submit(run)
        leaving.wait()
        return lambda: np.asarray(pending.result().last_hidden_state, dtype=np.float32)


def build_encoder(source: Tensors, target: Path, layers: int, heads: int, quantization: str = "int8") -> None:
    """Write the first ``layers`` layers of ``source`` to ``target``."""
    spec = _spec(source, layers, heads)
    spec.register_vocabulary([str(n) for n in range(source.embedding("bert.embeddings.word_embeddings").shape[0])])
    spec.config.layer_norm_epsilon = _EPSILON
    spec.validate()
    spec.optimize(quantization=quantization)
    if quantization == "int8":
        _leave_room(spec)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        spec.save(folder)
        content: dict[str, Any] = {
            p.name: np.frombuffer(p.read_bytes(), dtype=np.uint8) for p in Path(folder).iterdir()
        }
    with target.open("wb") as file:
        np.savez(file, **content)


def _leave_room(spec: Any) -> None:
    """Scale the codes of the weights down, so that sums of two products fit into 16 bits.

    Processors without VNNI add 8-bit products in pairs and clip what does not fit.
    """
    from ctranslate2.specs.model_spec import NumpyVariable

    share = _LARGEST_CODE / 127
    for layer in spec.encoder.layer:
        for linear in (*layer.self_attention.linear, layer.ffn.linear_0, layer.ffn.linear_1):
            linear.weight = NumpyVariable(np.rint(linear.weight.numpy() * np.float32(share)).astype(np.int8))
            linear.weight_scale = NumpyVariable((linear.weight_scale.numpy() * share).astype(np.float32))


def _spec(source: Tensors, layers: int, heads: int) -> Any:
    from ctranslate2.specs import common_spec, transformer_spec

    encoder = transformer_spec.TransformerEncoderSpec(
        layers,
        heads,
        pre_norm=False,
        activation=common_spec.Activation.GELU,
        layernorm_embedding=True,
        num_source_embeddings=2,
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = source.embedding("bert.embeddings.word_embeddings")
    encoder.embeddings[1].weight = source.embedding("bert.embeddings.token_type_embeddings")
    encoder.position_encodings.encodings = source.embedding("bert.embeddings.position_embeddings")
    _norm(encoder.layernorm_embedding, source, "bert.embeddings.LayerNorm")
    for number, layer in enumerate(encoder.layer):
        name = f"bert.encoder.layer.{number}"
        parts = [f"{name}.attention.self.{part}" for part in _ATTENTION_PARTS]
        stacked = layer.self_attention.linear[0]
        stacked.weight = np.concatenate([source.product(part) for part in parts])
        stacked.bias = np.concatenate([source.vector(f"{part}.bias") for part in parts])
        _linear(layer.self_attention.linear[1], source, f"{name}.attention.output.dense")
        _norm(layer.self_attention.layer_norm, source, f"{name}.attention.output.LayerNorm")
        _linear(layer.ffn.linear_0, source, f"{name}.intermediate.dense")
        _linear(layer.ffn.linear_1, source, f"{name}.output.dense")
        _norm(layer.ffn.layer_norm, source, f"{name}.output.LayerNorm")
    return transformer_spec.TransformerEncoderModelSpec(encoder)


def _linear(spec: Any, source: Tensors, name: str) -> None:
    spec.weight, spec.bias = source.product(name), source.vector(f"{name}.bias")


def _norm(spec: Any, source: Tensors, name: str) -> None:
    spec.gamma, spec.beta = source.vector(f"{name}.weight"), source.vector(f"{name}.bias")
