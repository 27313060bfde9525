"""Turns the classifier's 4-bit file into an 8-bit encoder for CTranslate2.

``MatMulNBits`` unpacks its weights at every call, and ONNX Runtime runs the rest as some 200 small operators, which at
the length of a sentence costs more than the products. CTranslate2 runs a layer as a handful of fused ones, and scales
the activations row by row: a token's answer does not depend on which others are in the batch.
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
import numpy.typing as npt

from models.redaction.ner.dequantize import unpack_blocks

Floats = npt.NDArray[np.float32]

_EPSILON = 1e-12
_LARGEST_CODE = 95
AHEAD = 8
"""Batches that may wait in CTranslate2's own queue, so that it goes from one to the next without asking Python."""

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


class Encoder:
    """Hidden states for tokens, on the CPU.

    Args:
        file: The encoder.
        threads: Batches worked on at a time, each on one core; threads that share a batch wait more than they work.
    """

    def __init__(self, file: EncoderFile, threads: int) -> None:
        import ctranslate2

        self._storage = ctranslate2.StorageView.from_array
        self._encoder = ctranslate2.Encoder(
            "classifier", device="cpu", inter_threads=threads, intra_threads=1, files=dict(file.model)
        )
        self._pool = ThreadPoolExecutor(AHEAD, thread_name_prefix="encoder")

    def begin(self, texts: Sequence[Sequence[int]], length: int) -> Callable[[], Floats]:
        """Start on some texts on another core, and return at once; what is returned waits for the outcome.

        The caller goes on in Python meanwhile. It is woken when the other thread is about to leave Python: a moment
        earlier, and it would keep the interpreter for itself for the next milliseconds.

        Args:
            texts: Token ids of each.
            length: To which all are padded.

        Returns:
            Waits for the last hidden states, shape (texts, length, width); what lies behind the end of a text means
            nothing.
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


class PackedModel:
    """The tensors of the 4-bit file, unpacked, by the names that they had in PyTorch."""

    def __init__(self, path: Path) -> None:
        import onnx
        from onnx import helper, numpy_helper

        graph = onnx.load(str(path)).graph
        self._tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._products = {}
        for node in graph.node:
            if node.op_type == "MatMulNBits":
                attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
                if attributes["bits"] != 4 or len(node.input) != 3:
                    raise ValueError(f"MatMulNBits with {attributes['bits']} bits is not supported")
                layer = node.name.removeprefix("/").rsplit("/", 1)[0].replace("/", ".")
                self._products[layer] = (node.input[1], node.input[2], attributes["K"], attributes["N"])

    def product(self, layer: str) -> Floats:
        """Weights of a linear layer, shape (out, in)."""
        packed, scales, rows, columns = self._products[layer]
        return np.ascontiguousarray(unpack_blocks(self._tensors[packed], self._tensors[scales], rows, columns).T)

    def vector(self, name: str) -> Floats:
        """A bias, or a factor of a normalization."""
        return np.asarray(self._tensors[name], dtype=np.float32)

    def embedding(self, name: str) -> Floats:
        """A table of embeddings, shape (entries, width)."""
        codes, scale, zero = (self._tensors[f"{name}.weight_{part}"] for part in ("quantized", "scale", "zero_point"))
        return (codes.astype(np.float32) - np.float32(zero)) * np.float32(scale)


def build_encoder(packed_file: Path, target: Path, layers: int, heads: int, quantization: str = "int8") -> None:
    """Write the first ``layers`` layers of ``packed_file`` to ``target``."""
    source = PackedModel(packed_file)
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
    """Keep the codes of the weights small.

    Processors without VNNI add products of bytes in pairs, in 16 bits, and cut what does not fit. With codes up to 127
    the hidden states were 5.7 % off those of 32-bit floats on such a processor, with codes up to 95 4.4 %, with 63
    5.0 %, because the weights themselves get coarse.
    """
    from ctranslate2.specs.model_spec import NumpyVariable

    share = _LARGEST_CODE / 127
    for layer in spec.encoder.layer:
        for linear in (*layer.self_attention.linear, layer.ffn.linear_0, layer.ffn.linear_1):
            linear.weight = NumpyVariable(np.rint(linear.weight.numpy() * np.float32(share)).astype(np.int8))
            linear.weight_scale = NumpyVariable((linear.weight_scale.numpy() * share).astype(np.float32))


def _spec(source: PackedModel, layers: int, heads: int) -> Any:
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


def _linear(spec: Any, source: PackedModel, name: str) -> None:
    spec.weight, spec.bias = source.product(name), source.vector(f"{name}.bias")


def _norm(spec: Any, source: PackedModel, name: str) -> None:
    spec.gamma, spec.beta = source.vector(f"{name}.weight"), source.vector(f"{name}.bias")
