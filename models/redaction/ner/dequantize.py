"""Unpacks the 4-bit weights of ONNX Runtime's ``MatMulNBits``."""

from __future__ import annotations

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
