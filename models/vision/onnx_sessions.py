"""Opens the ONNX models that read pictures, on the CPU."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

_RESERVED_BYTES: Final = 640 * 1024 * 1024
"""Room for the largest picture that the detector gets, a square one. docs/evaluation/server.md, "The detector"."""


def open_session(model: Path, threads: int, *, reserve: bool = False) -> Any:
    """An ``onnxruntime.InferenceSession`` on the CPU.

    Its threads sleep while they have no work. By default they would spin, which takes the processor from other workers:
    docs/evaluation/server.md, "Threads of the OCR models".

    Args:
        model: File.
        threads: Of one run.
        reserve: Keep memory in one block of 0.6 GB that is set aside for all such sessions of this process. The block
            takes address space only; its pages become memory as pictures need them. Running the detector once for
            each size would take it, too, but makes each start much longer. Without ``reserve``, each run takes its
            memory from the system and gives it back.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if reserve:
        options.enable_mem_pattern = False  # it would plan a second block for each size
        _register_block()
        options.add_session_config_entry("session.use_env_allocators", "1")
    else:
        options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _register_block() -> None:
    """Have ONNX Runtime take the memory of sessions that ask for it from one block of this process."""
    import onnxruntime

    of_cpu = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    block = {"max_mem": 0, "arena_extend_strategy": 0, "initial_chunk_size_bytes": _RESERVED_BYTES}
    block["max_dead_bytes_per_chunk"] = -1  # the default
    onnxruntime.create_and_register_allocator(of_cpu, onnxruntime.OrtArenaCfg(block))
