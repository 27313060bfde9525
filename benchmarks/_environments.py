"""Python environments of the peers, each its own, so that nothing of theirs comes near the product's."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

_OURS = ("OPENBLAS_NUM_THREADS", "CT2_FORCE_CPU_ISA")
"""What `prepare_process` set for us."""


def as_it_comes() -> dict[str, str]:
    """The environment variables of a peer: without what we set for ourselves."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}


def environment(name: str, *requirements: str) -> Path:
    """Python of an environment with these packages, made the first time and kept in the cache.

    Raises:
        subprocess.CalledProcessError: pip could not install them.
    """
    folder = Path(platformdirs.user_cache_dir("vestibule")) / "peers" / name
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = "\n".join(requirements)
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        sys.stderr.write(f"Installing {', '.join(requirements)} beside the product; once.\n")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        mark.write_text(wanted, encoding="utf-8")
    return python
