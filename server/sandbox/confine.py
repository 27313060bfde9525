"""What is taken away from a process that decodes untrusted bytes. Linux; elsewhere only the resource limits hold."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000
_CLONE_NEWIPC: Final = 0x0800_0000
_LINUX: Final = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Confinement:
    """Limits of one child.

    Attributes:
        memory_bytes: Address space on top of what the fork server has.
        cpu_s: Seconds of CPU, then the kernel ends it.
    """

    memory_bytes: int
    cpu_s: int


def die_with_parent() -> None:
    """End this process when its parent ends, also when that is killed."""
    if _LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_network() -> bool:
    """Move this process, which must have no threads, into empty namespaces: no network, no shared memory of others.

    Returns:
        Whether the kernel permits it; some containers forbid it. A child cannot open a socket in any case.
    """
    if not _LINUX:
        return False
    return bool(_libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC) == 0)


def confine(limits: Confinement, connection: int) -> None:
    """Take from this process, for good, everything but memory, time and one open descriptor."""
    if _LINUX:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)
        address_space = _address_space_bytes() + limits.memory_bytes
        _limit(resource.RLIMIT_AS, address_space)
    _limit(resource.RLIMIT_CPU, limits.cpu_s)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    # Descriptors are numbered from 0, so with this limit no file, socket or pipe can be opened any more.
    os.closerange(0, connection)
    os.closerange(connection + 1, _highest_descriptor() + 1)
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(which: int, value: int) -> None:
    resource.setrlimit(which, (value, value))


def _highest_descriptor() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _address_space_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def _prctl(option: int, value: int) -> None:
    _libc().prctl(option, value, 0, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
