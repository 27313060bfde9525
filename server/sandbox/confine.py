"""What is taken away from a process that decodes untrusted bytes. Linux; elsewhere only the resource limits hold."""

from __future__ import annotations

import ctypes
import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from server.runtime.own_process import LINUX, libc, limit, prctl

_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION: Final = 0x2008_0522
_CAPABILITIES: Final = 64
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000
_CLONE_NEWIPC: Final = 0x0800_0000


@dataclass(frozen=True, slots=True)
class Confinement:
    """Limits of one child.

    Attributes:
        address_space_bytes: All addresses that it may use, those of the fork server included.
        cpu_s: Seconds of CPU, then the kernel ends it.
        threads: Whether it may start threads. The kernel counts processes with them; ``seccomp`` tells them apart.
    """

    address_space_bytes: int
    cpu_s: int
    threads: bool = False


def leave_system(empty: str) -> None:
    """Move this process, which must have no threads, to where there is no network, no shared memory of others, no file.

    Some containers forbid it. It is a second wall: ``seccomp`` takes the calls away in any case. The capabilities that
    this takes are given up for good, since a process that may call chroot can leave its root again.

    Args:
        empty: A folder with nothing in it, which becomes the root of the files.

    Raises:
        OSError: The capabilities cannot be given up.
    """
    if not LINUX:
        return
    libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC)
    os.chdir(empty)
    with suppress(PermissionError):
        os.chroot(".")
    _drop_capabilities()


def confine(limits: Confinement, connection: int) -> None:
    """Take from this process, for good, everything but memory, time and one open descriptor."""
    if LINUX:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_DUMPABLE, 0)
        limit(resource.RLIMIT_AS, limits.address_space_bytes)
    limit(resource.RLIMIT_CPU, limits.cpu_s)
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_FSIZE, 0)
    if not limits.threads:
        limit(resource.RLIMIT_NPROC, 0)  # does not bind root
    # Descriptors are numbered from 0, so with this limit no file, socket or pipe can be opened any more.
    os.closerange(0, connection)
    os.closerange(connection + 1, _highest_descriptor() + 1)
    limit(resource.RLIMIT_NOFILE, 0)


def _highest_descriptor() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def address_space_bytes() -> int:
    """Addresses that this process uses now; 0 where that cannot be read."""
    if not LINUX:
        return 0
    return int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()


def _drop_capabilities() -> None:
    """Give up all capabilities, and all ways to get them back.

    A new user namespace would give new ones, but Linux refuses that to a process whose root was changed.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(_CAPABILITIES):
        prctl(_PR_CAPBSET_DROP, capability)  # fails for one that this kernel does not know
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()
    if libc().capset(header, none):
        raise OSError(ctypes.get_errno(), "The capabilities cannot be given up.")
