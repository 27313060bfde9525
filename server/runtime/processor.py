"""What the processor of this machine can do."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_AVX512: Final = {"avx512f", "avx512cd", "avx512vl", "avx512bw", "avx512dq"}
"""What CTranslate2's AVX-512 code is compiled for."""


def has_avx512(cpuinfo: Path) -> bool:
    """Whether the processor has every instruction that CTranslate2 would use; False where Linux does not say so."""
    try:
        text = cpuinfo.read_text(encoding="utf-8")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _AVX512
