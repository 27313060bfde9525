"""Whisper's decoder as two ONNX graphs, made from the tensors that CTranslate2 loads.

A step uses ``MatMulNBits``: 8-bit weights in blocks with one scale each, and activations that are quantized row by row.
A step multiplies one row with all weights, so it is bound by their bytes. ONNX Runtime packs them once; see
``onnx_decoder``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.errors import WeightsError
from models.speech.whisper.tensor_file import Tensor, read_tensors
from models.weights.store import derived

STEP_FILE = "decoder-step-v3.onnx"
ATTENTION_FILE = "decoder-attention-v2.onnx"

TOKENS, POSITIONS, MASK, WANTED, FRAME_WEIGHTS = "tokens", "positions", "mask", "wanted", "weights"
"""Inputs of a step. Tokens, shape (m,). Their positions, shape (m,). Mask, shape (m, p + m): a large negative number
where a token must not attend to one of the p tokens before or the m new ones, else 0. Indices of the tokens after which
logits are wanted, shape (r,). Logarithm of the number of frames that each encoder frame stands for, shape (t,)."""
LOGITS = "logits"
"""Output of a step, shape (r, vocabulary)."""
ENCODED = "encoded"
"""Input of the cross-attention, the encoder's output, shape (t, width)."""

Floats = npt.NDArray[np.float32]

_BLOCK = 32
"""Columns that share a scale. Found in docs/evaluation/constants, "onnx-decoder"."""
_ZERO_POINT = 128
_MAX_CODE = 127
_INT8_ACCURACY = 4
_OPSET = 21
_IR_VERSION = 10
_MICROSOFT_DOMAIN = "com.microsoft"


def decoder_files(name: str, cache: Path) -> tuple[Path, Path]:
    """The files of ``build_step`` and ``build_attention`` for placed Whisper weights, made on first use.

    Raises:
        WeightsError: The weights were not placed, or are no Whisper model.
    """
    return derived(name, cache, STEP_FILE, _saves(build_step)), derived(
        name, cache, ATTENTION_FILE, _saves(build_attention)
    )


def past_names(layers: int) -> list[str]:
    """Keys and values of the tokens before: inputs of a step, shape (heads, p, width / heads)."""
    return [f"{kind}.{layer}" for layer in range(layers) for kind in ("keys", "values")]


def next_names(layers: int) -> list[str]:
    """The same with the new tokens appended: outputs of a step, shape (heads, p + m, width / heads)."""
    return [f"next.{name}" for name in past_names(layers)]


def cross_names(layers: int) -> list[str]:
    """Cross-attention: transposed keys, shape (heads, width / heads, t), and values, (heads, t, width / heads)."""
    return [f"cross.{name}" for name in past_names(layers)]


def build_step(tensors: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The graph of a step: the logits after some tokens."""
    return _Step(tensors).build()


def build_attention(tensors: Mapping[str, Tensor]) -> onnx.ModelProto:
    """The graph of the cross-attention's keys and values, which all steps of a window share. In 32-bit floats."""
    decoder, graph = _Decoder(tensors), _Graph()
    outputs = []
    for number, name in enumerate(cross_names(decoder.layers)):
        layer, is_value = divmod(number, 2)
        weight, bias = (np.split(part, 2)[is_value] for part in decoder.linear(f"layer_{layer}/attention/linear_1"))
        product = graph.add("Add", graph.add("MatMul", ENCODED, graph.constant(weight.T)), graph.constant(bias))
        graph.add("Transpose", decoder.by_heads(graph, product), name=name, perm=[1, 0, 2] if is_value else [1, 2, 0])
        outputs.append(_floats(name, decoder.cross_shape(is_value=bool(is_value))))
    return graph.model([_floats(ENCODED, ["t", decoder.width])], outputs)


def _saves(build: Callable[[Mapping[str, Tensor]], onnx.ModelProto]) -> Callable[[Path, Path], None]:
    def save(folder: Path, target: Path) -> None:
        try:
            model = build(read_tensors(folder / "model.bin"))
        except KeyError as exc:
            raise WeightsError("model.bin is no Whisper model: a tensor is missing.") from exc
        target.write_bytes(model.SerializeToString())

    return save


class _Graph:
    """A graph under construction; nodes and constants are named by number."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        name = name or f"node.{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def split(self, value: str, parts: int) -> list[str]:
        """Split the last axis evenly."""
        names = [f"{value}.part.{number}" for number in range(parts)]
        self._nodes.append(helper.make_node("Split", [value], names, axis=-1, num_outputs=parts))
        return names

    def constant(self, array: npt.ArrayLike) -> str:
        """Add a constant and return its name."""
        name = f"constant.{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        """The finished model."""
        graph = helper.make_graph(self._nodes, "whisper-decoder", inputs, outputs, self._constants)
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT_DOMAIN, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


class _Decoder:
    """The decoder's tensors, and its sizes."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self.vocabulary, self.width = tensors["decoder/embeddings/weight"].shape
        self.heads = int(tensors["decoder/num_heads"])
        self.head_width = self.width // self.heads
        self.layers = sum(name.endswith("/ffn/linear_0/weight") and name.startswith("decoder/") for name in tensors)

    def floats(self, name: str) -> Floats:
        return np.asarray(self._tensors[f"decoder/{name}"], np.float32)

    def linear(self, name: str) -> tuple[Floats, Floats]:
        """Weights, shape (out, in), and bias, shape (out,)."""
        return self.floats(f"{name}/weight"), self.floats(f"{name}/bias")

    def cross_shape(self, *, is_value: bool) -> list[int | str]:
        return [self.heads, "t", self.head_width] if is_value else [self.heads, self.head_width, "t"]

    def by_heads(self, graph: _Graph, value: str) -> str:
        """From (n, width) to (n, heads, width / heads)."""
        return graph.add("Reshape", value, graph.constant(np.array([-1, self.heads, self.head_width])))


class _Step(_Decoder):
    """Builds the graph of a step."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self._graph = _Graph()

    def build(self) -> onnx.ModelProto:
        graph, layers = self._graph, range(self.layers)
        codes, scales = _packed(self.floats("embeddings/weight"))
        packed = graph.constant(codes), graph.constant(scales)
        state = graph.add("Add", self._embedded(*packed), self._positions())
        for layer in layers:
            state = self._layer(state, layer)
        state = self._normal(graph.add("Gather", state, WANTED, axis=0), "layer_norm")
        self._product(state, packed, (self.vocabulary, self.width), name=LOGITS)
        inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["m"]) for name in (TOKENS, POSITIONS)]
        inputs += [helper.make_tensor_value_info(WANTED, TensorProto.INT64, ["r"]), _floats(MASK, ["m", "s"])]
        inputs.append(_floats(FRAME_WEIGHTS, ["t"]))
        inputs += [_floats(name, [self.heads, "p", self.head_width]) for name in past_names(self.layers)]
        cross = enumerate(cross_names(self.layers))
        inputs += [_floats(name, self.cross_shape(is_value=bool(number % 2))) for number, name in cross]
        after = [_floats(name, [self.heads, "s", self.head_width]) for name in next_names(self.layers)]
        return graph.model(inputs, [_floats(LOGITS, ["r", self.vocabulary]), *after])

    def _embedded(self, codes: str, scales: str) -> str:
        """Embeddings of the tokens, from the same bytes as the last product."""
        graph, shape = self._graph, np.array([-1, self.width])
        chosen = graph.add("Cast", graph.add("Gather", codes, TOKENS, axis=0), to=TensorProto.FLOAT)
        centred = graph.add("Sub", chosen, graph.constant(np.float32(_ZERO_POINT)))
        scale = graph.add("Unsqueeze", graph.add("Gather", scales, TOKENS, axis=0), graph.constant(np.array([2])))
        return graph.add("Reshape", graph.add("Mul", centred, scale), graph.constant(shape))

    def _positions(self) -> str:
        return self._graph.add(
            "Gather", self._graph.constant(self.floats("position_encodings/encodings")), POSITIONS, axis=0
        )

    def _layer(self, state: str, layer: int) -> str:
        graph, name = self._graph, f"layer_{layer}"
        state = graph.add("Add", state, self._self_attention(state, f"{name}/self_attention", layer))
        state = graph.add("Add", state, self._cross_attention(state, f"{name}/attention", layer))
        inner = self._linear(self._normal(state, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0")
        return graph.add("Add", state, self._linear(graph.add("Gelu", inner), f"{name}/ffn/linear_1"))

    def _self_attention(self, state: str, name: str, layer: int) -> str:
        graph = self._graph
        stacked = self._linear(self._normal(state, f"{name}/layer_norm"), f"{name}/linear_0")
        query, *fresh = (self._heads_first(part) for part in graph.split(stacked, 3))
        pair = slice(2 * layer, 2 * layer + 2)
        past, after = past_names(self.layers)[pair], next_names(self.layers)[pair]
        keys, values = (
            graph.add("Concat", old, new, name=both, axis=1) for old, new, both in zip(past, fresh, after, strict=True)
        )
        scores = graph.add("MatMul", self._scaled(query), graph.add("Transpose", keys, perm=[0, 2, 1]))
        attention = graph.add("Softmax", graph.add("Add", scores, MASK), axis=-1)
        return self._linear(self._joined(graph.add("MatMul", attention, values)), f"{name}/linear_1")

    def _cross_attention(self, state: str, name: str, layer: int) -> str:
        graph = self._graph
        query = self._heads_first(self._linear(self._normal(state, f"{name}/layer_norm"), f"{name}/linear_0"))
        keys, values = cross_names(self.layers)[2 * layer : 2 * layer + 2]
        scores = graph.add("Add", graph.add("MatMul", self._scaled(query), keys), FRAME_WEIGHTS)
        attention = graph.add("Softmax", scores, axis=-1)
        return self._linear(self._joined(graph.add("MatMul", attention, values)), f"{name}/linear_2")

    def _scaled(self, query: str) -> str:
        return self._graph.add("Mul", query, self._graph.constant(np.float32(self.head_width**-0.5)))

    def _heads_first(self, value: str) -> str:
        return self._graph.add("Transpose", self.by_heads(self._graph, value), perm=[1, 0, 2])

    def _joined(self, value: str) -> str:
        turned = self._graph.add("Transpose", value, perm=[1, 0, 2])
        return self._graph.add("Reshape", turned, self._graph.constant(np.array([-1, self.width])))

    def _normal(self, state: str, name: str) -> str:
        factors = [self._graph.constant(self.floats(f"{name}/{part}")) for part in ("gamma", "beta")]
        return self._graph.add("LayerNormalization", state, *factors, axis=-1, epsilon=1e-5)

    def _linear(self, state: str, name: str) -> str:
        weight, bias = self.linear(name)
        codes, scales = _packed(weight)
        packed = self._graph.constant(codes), self._graph.constant(scales)
        product = self._product(state, packed, (len(weight), weight.shape[1]))
        return self._graph.add("Add", product, self._graph.constant(bias))

    def _product(self, state: str, packed: tuple[str, str], shape: tuple[int, int], name: str = "") -> str:
        rows, columns = shape
        return self._graph.add(
            "MatMulNBits",
            state,
            *packed,
            name=name,
            domain=_MICROSOFT_DOMAIN,
            K=columns,
            N=rows,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=_INT8_ACCURACY,
        )


def _packed(weight: Floats) -> tuple[npt.NDArray[np.uint8], Floats]:
    """Quantized weights, shape (rows, blocks, _BLOCK), and their scales, shape (rows, blocks)."""
    blocks = weight.reshape(len(weight), -1, _BLOCK)
    scales = np.maximum(np.abs(blocks).max(axis=2) / _MAX_CODE, np.finfo(np.float32).tiny)
    codes = np.round(blocks / scales[:, :, np.newaxis]) + _ZERO_POINT
    return codes.astype(np.uint8), scales.astype(np.float32)


def _floats(name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
