"""A list of the system calls that a process which decodes untrusted bytes may still make. Linux, x86_64 and aarch64.

Decoding is computing: it needs memory, the one socket that is open, and the end. Any other call fails with EPERM, for
root too, and with or without namespaces. The kernel checks a small program (seccomp, classic BPF) at each call; the
process cannot take it off again.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

ALLOW: Final = 0x7FFF_0000
REFUSE: Final = 0x0005_0000 | errno.EPERM
NOT_THERE: Final = 0x0005_0000 | errno.ENOSYS
"""For ``clone3``, whose flags a filter cannot see: the C library then uses ``clone``."""
END: Final = 0x8000_0000

_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_JUMP_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_ARGUMENT_BYTES: Final = 8

_PROT_EXEC: Final = 4
_CLONE_THREAD: Final = 0x0001_0000


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of one architecture.

    Attributes:
        audit_arch: What the kernel calls it.
        plain: Calls that are allowed with any arguments.
        memory: ``mmap`` and ``mprotect``, allowed unless the memory is to be run.
        clone: Allowed to start a thread, if threads are allowed.
        clone3: Answered as if the kernel did not know it.
    """

    audit_arch: int
    plain: Mapping[str, int]
    memory: Mapping[str, int]
    clone: int
    clone3: int = 435


# The most frequent ones first: the kernel goes through the list from the top.
X86_64: Final = Machine(
    0xC000_003E,
    {
        "futex": 202,
        "sendto": 44,
        "recvfrom": 45,
        "munmap": 11,
        "mremap": 25,
        "madvise": 28,
        "brk": 12,
        "clock_gettime": 228,
        "getrandom": 318,
        "gettid": 186,
        "getpid": 39,
        "sched_yield": 24,
        "sched_getaffinity": 204,
        "rt_sigaction": 13,
        "rt_sigprocmask": 14,
        "rt_sigreturn": 15,
        "restart_syscall": 219,
        "set_robust_list": 273,
        "rseq": 334,
        "close": 3,
        "getcwd": 79,
        "exit": 60,
        "exit_group": 231,
    },
    {"mmap": 9, "mprotect": 10},
    clone=56,
)
AARCH64: Final = Machine(
    0xC000_00B7,
    {
        "futex": 98,
        "sendto": 206,
        "recvfrom": 207,
        "munmap": 215,
        "mremap": 216,
        "madvise": 233,
        "brk": 214,
        "clock_gettime": 113,
        "getrandom": 278,
        "gettid": 178,
        "getpid": 172,
        "sched_yield": 124,
        "sched_getaffinity": 123,
        "rt_sigaction": 134,
        "rt_sigprocmask": 135,
        "rt_sigreturn": 139,
        "restart_syscall": 128,
        "set_robust_list": 99,
        "rseq": 293,
        "close": 57,
        "getcwd": 17,
        "exit": 93,
        "exit_group": 94,
    },
    {"mmap": 222, "mprotect": 226},
    clone=220,
)
_MACHINES: Final = {"x86_64": X86_64, "aarch64": AARCH64}


def machine() -> Machine | None:
    """This machine; None where there is no filter."""
    return _MACHINES.get(os.uname().machine) if sys.platform == "linux" else None


def filter_calls(*, threads: bool) -> None:
    """Take all calls but those of the list from this process, for good. It must have no threads, and no new privileges.

    Args:
        threads: Whether it may start threads. It cannot start processes in any case.

    Raises:
        OSError: The system does not do it.
    """
    here = machine()
    if here is None:
        raise OSError(errno.ENOSYS, "There is no filter of system calls for this machine.")
    program = filter_program(here, threads=threads)
    code = ctypes.create_string_buffer(program, len(program))
    loaded = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, loaded, 0, 0):
        raise OSError(ctypes.get_errno(), "The system calls cannot be filtered.")


def filter_program(here: Machine, *, threads: bool) -> bytes:
    """The filter in the form of the kernel: instructions of 8 bytes."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in _instructions(here, threads))


def _instructions(here: Machine, threads: bool) -> Iterator[tuple[int, int, int, int]]:
    """Operation, instructions to skip if true and if false, operand."""
    yield _LOAD, 0, 0, _ARCHITECTURE_AT
    yield _JUMP_IF_EQUAL, 1, 0, here.audit_arch
    yield _RETURN, 0, 0, END  # a call in the manner of another architecture has other numbers
    yield _LOAD, 0, 0, _NUMBER_AT
    for number in here.plain.values():
        yield _JUMP_IF_EQUAL, 0, 1, number
        yield _RETURN, 0, 0, ALLOW
    for number in here.memory.values():
        yield from _by_bits(number, argument=2, bits=_PROT_EXEC, if_any=REFUSE, if_none=ALLOW)
    if threads:
        yield from _by_bits(here.clone, argument=0, bits=_CLONE_THREAD, if_any=ALLOW, if_none=REFUSE)
    yield _JUMP_IF_EQUAL, 0, 1, here.clone3
    yield _RETURN, 0, 0, NOT_THERE
    yield _RETURN, 0, 0, REFUSE


def _by_bits(
    number: int, *, argument: int, bits: int, if_any: int, if_none: int
) -> Iterator[tuple[int, int, int, int]]:
    """Decide about a call by bits in the lower half of an argument; both architectures store that half first."""
    yield _JUMP_IF_EQUAL, 0, 4, number
    yield _LOAD, 0, 0, _ARGUMENTS_AT + argument * _ARGUMENT_BYTES
    yield _JUMP_IF_ANY_BIT, 0, 1, bits
    yield _RETURN, 0, 0, if_any
    yield _RETURN, 0, 0, if_none
