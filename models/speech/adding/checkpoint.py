"""Reads a checkpoint of openai-whisper without running what is in it.

A checkpoint is a zip archive with a pickle and the bytes of the tensors. A pickle is a program. So its instructions are
looked at before: the only names that it may import are those that make tensors. Then torch reads it with
``weights_only``, which runs no other code either.
"""

from __future__ import annotations

import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import Any, Final

from models.speech.adding.errors import invalid
from models.speech.whisper.tensor_file import Tensor

_MOST_PICKLE_BYTES: Final = 4 << 20
"""The pickle of large-v3 has 0.2 MB."""

_ALLOWED: Final = frozenset(
    {
        "collections OrderedDict",
        "torch BFloat16Storage",
        "torch FloatStorage",
        "torch HalfStorage",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_tensor_v2",
    }
)
_STORED = "The checkpoint is damaged, or was not saved by torch 1.6 or newer."


def read_checkpoint(path: Path) -> tuple[dict[str, int], dict[str, Tensor]]:
    """The dimensions and the tensors by name. The tensors are views of the file, which is mapped.

    Raises:
        WeightsError: WEIGHTS_INVALID, it is damaged, wants to run code, or is no checkpoint of openai-whisper.
    """
    _check_archive(path)
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, TypeError, KeyError, OSError, EOFError, MemoryError, pickle.UnpicklingError):
        raise invalid(_STORED) from None  # torch's message repeats what is in the file
    dims, state = _parts(found)
    return dims, {name: _array(tensor, torch) for name, tensor in state.items()}


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise invalid("The checkpoint has compressed parts, which torch does not write.")
            pickles = [member for member in members if member.filename.endswith(".pkl")]
            if len(pickles) != 1 or pickles[0].file_size > _MOST_PICKLE_BYTES:
                raise invalid(_STORED)
            _check_instructions(archive.read(pickles[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError):
        raise invalid(_STORED) from None


def _check_instructions(pickled: bytes) -> None:
    """``genops`` only names the instructions; it runs none."""
    try:
        named = {(code.name, str(argument)) for code, argument, _ in pickletools.genops(pickled)}
    except (ValueError, UnicodeDecodeError, IndexError):
        raise invalid(_STORED) from None
    imports = {argument for name, argument in named if name == "GLOBAL"}
    others = {name for name, _ in named} & {
        "STACK_GLOBAL",
        "INST",
        "OBJ",
        "NEWOBJ",
        "NEWOBJ_EX",
        "EXT1",
        "EXT2",
        "EXT4",
    }
    if others or imports - _ALLOWED:
        raise invalid("The checkpoint wants to run code other than that which makes tensors.", "Do not use it.")


def _parts(found: Any) -> tuple[dict[str, int], dict[str, Any]]:
    dims = found.get("dims") if isinstance(found, dict) else None
    state = found.get("model_state_dict") if isinstance(found, dict) else None
    if not isinstance(dims, dict) or not isinstance(state, dict):
        raise invalid("The file is no checkpoint of openai-whisper: it lacks the dimensions or the tensors.")
    return dims, state


def _array(tensor: Any, torch: Any) -> Tensor:
    """A view of the tensor; one that is not stored as a whole could be larger than its file."""
    known = isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.is_contiguous()
    if not known or tensor.dtype not in (torch.float16, torch.float32, torch.bfloat16):
        raise invalid("The checkpoint has tensors that are not 16-bit or 32-bit floats, stored whole.")
    tensor = tensor.detach()
    array: Tensor = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array
