"""What a child process asks of the system for itself. Some of it Linux alone knows."""

from __future__ import annotations

import ctypes
import resource
import signal
import sys
from typing import Final

LINUX: Final = sys.platform == "linux"
_PR_SET_PDEATHSIG: Final = 1


def libc() -> ctypes.CDLL:
    """The C library, for calls that Python has no function for."""
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """Call Linux's prctl of this name. An option that the kernel does not know changes nothing."""
    libc().prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """Have Linux kill this process when the thread that started it ends, also when that is killed."""
    if LINUX:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit(which: int, value: int) -> None:
    """Set one of ``resource.RLIMIT_*`` for good."""
    resource.setrlimit(which, (value, value))
