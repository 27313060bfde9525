"""Reads the published 4-bit file: unpacks the weights of ONNX Runtime's ``MatMulNBits`` into 32-bit floats."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

_ZERO_POINT = 8
"""Of symmetric 4-bit blocks: the stored nibble 0..15 stands for -8..7."""


def unpack_blocks(
    packed: npt.NDArray[np.uint8], scales: npt.NDArray[np.float32], rows: int, columns: int
) -> npt.NDArray[np.float32]:
    """Undo block-wise 4-bit quantization without zero points.

    Args:
        packed: Shape (columns, blocks, bytes of a block), two weights a byte, the low nibble first.
        scales: One factor a block, ``columns * blocks`` of them in that order.
        rows: Inner dimension of the product (attribute ``K``).
        columns: Outer dimension (attribute ``N``).

    Returns:
        Weights of shape (rows, columns), ready for a plain ``MatMul``.
    """
    low = packed & 0x0F
    high = packed >> 4
    nibbles = np.stack([low, high], axis=-1).reshape(columns, packed.shape[1], -1)
    blocks = (nibbles.astype(np.float32) - _ZERO_POINT) * scales.reshape(columns, packed.shape[1], 1)
    return np.ascontiguousarray(blocks.reshape(columns, -1)[:, :rows].T.astype(np.float32))


class Tensors(Protocol):
    """The tensors of a BERT model under their PyTorch names."""

    def product(self, layer: str) -> npt.NDArray[np.float32]:
        """Weights of a linear layer, shape (out, in)."""
        ...

    def vector(self, name: str) -> npt.NDArray[np.float32]:
        """A bias, or a factor of a normalization."""
        ...

    def embedding(self, name: str) -> npt.NDArray[np.float32]:
        """A table of embeddings, shape (entries, width)."""
        ...

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Any tensor under its full PyTorch name, of the shape that PyTorch gives it."""
        ...


class PackedModel:
    """The tensors of the published 4-bit file, unpacked, under their PyTorch names."""

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

    def product(self, layer: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        packed, scales, rows, columns = self._products[layer]
        return np.ascontiguousarray(unpack_blocks(self._tensors[packed], self._tensors[scales], rows, columns).T)

    def vector(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        return np.asarray(self._tensors[name], dtype=np.float32)

    def embedding(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        codes, scale, zero = (self._tensors[f"{name}.weight_{part}"] for part in ("quantized", "scale", "zero_point"))
        return (codes.astype(np.float32) - np.float32(zero)) * np.float32(scale)

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """See ``Tensors``."""
        layer = name.removesuffix(".weight")
        if layer in self._products:
            return self.product(layer)
        return self.embedding(layer) if f"{layer}.weight_quantized" in self._tensors else self.vector(name)
