"""Python environments of the peers. Each has its own, so that their packages stay out of the product's."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import platformdirs

_OURS = ("OPENBLAS_NUM_THREADS", "CT2_FORCE_CPU_ISA")
"""Variables that `prepare_process` sets."""


def as_it_comes() -> dict[str, str]:
    """The environment variables of a peer, without those that Vestibule sets for itself."""
    return {name: value for name, value in os.environ.items() if name not in _OURS}


def environment(name: str, *requirements: str) -> Path:
    """Path of the Python of an environment with these packages. It is created once and kept in the cache.

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
