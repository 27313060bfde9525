"""Checks tensors, and writes them anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from models.redaction.adding.errors import invalid

_HEAD_BYTES: Final = 8
_MOST_HEAD_BYTES: Final = 4 << 20
"""The head of a file with 800 tensors has 0.1 MB."""
_FLOATS: Final = frozenset({"F32", "F16", "BF16"})
_UNUSED: Final = (".pooler.dense.weight", ".pooler.dense.bias", ".position_ids")
"""Tensors that some versions of transformers save, and that a token classifier does not read."""


def copy_tensors(source: Path, expected: Mapping[str, tuple[int, ...]], target: Path) -> None:
    """Write the tensors of a file to another one, which has nothing else. They keep their precision.

    Args:
        source: A file of safetensors.
        expected: The shape of each tensor that the network has.
        target: To be written.

    Raises:
        WeightsError: WEIGHTS_INVALID, the file is damaged, or its tensors are not those of the network.
    """
    _check_head(source)
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

    try:
        with safe_open(source, framework="pt") as opened:
            names = [name for name in opened.keys() if not name.endswith(_UNUSED)]  # noqa: SIM118 - it is no mapping
            _check_names(names, expected)
            save_file({name: _checked(opened, name, expected[name]) for name in names}, target)
    except SafetensorError:
        raise invalid("'model.safetensors' is damaged.") from None


def _check_head(source: Path) -> None:
    """The library reads the whole head into memory, so its length is looked at before."""
    with source.open("rb") as file:
        length = int.from_bytes(file.read(_HEAD_BYTES), "little")
    if not 0 < length <= min(_MOST_HEAD_BYTES, source.stat().st_size - _HEAD_BYTES):
        raise invalid("'model.safetensors' is damaged, or its head is too large.")


def _check_names(names: list[str], expected: Mapping[str, tuple[int, ...]]) -> None:
    present = set(names)
    if missing := [name for name in expected if name not in present]:
        raise invalid(f"The model lacks the tensor {missing[0]}.")
    if len(names) > len(expected):
        raise invalid("The model has tensors that a network of its architecture does not have.")


def _checked(opened: Any, name: str, shape: tuple[int, ...]) -> Any:
    part = opened.get_slice(name)
    if tuple(part.get_shape()) != shape:
        raise invalid(f"The tensor {name} does not have the shape that config.json says.")
    if part.get_dtype() not in _FLOATS:
        raise invalid(
            f"The tensor {name} is not of 16-bit or 32-bit floats.",
            "Quantized models cannot be added: save it as floats.",
        )
    tensor = opened.get_tensor(name)
    if not tensor.isfinite().all():
        raise invalid(f"The tensor {name} holds values that are no numbers.", "Train or convert the model again.")
    return tensor
