"""Bounds that a process of analysts' queries puts on itself."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

import psutil

NICE = 15
"""The server's threads get about thirty times the share of a busy CPU."""

CPU_OVER = signal.SIGPROF
TIME_OVER = signal.SIGALRM
"""The signals that end a process of which ``end_after`` bounds the time."""

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG in Linux's prctl.h
_LIBC = ctypes.CDLL(None)


def lower_priority() -> None:
    """Yield to the server, die first when the machine runs out of memory, and leave no core file with content in it."""
    if sys.platform == "linux":  # each thread has a priority of its own there
        for thread in psutil.Process().threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, NICE)
    else:
        os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000", encoding="ascii")


def bound_memory(more_bytes: int) -> None:
    """Let this process allocate only this much more. What needs more gets an error from the C library."""
    used = getattr(psutil.Process().memory_info(), "data", 0)
    limit = used + more_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def die_with_parent() -> None:
    """Have Linux kill this process when the thread that forked it ends."""
    prctl = getattr(_LIBC, "prctl", None)
    if prctl is not None:
        prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def end_after(cpu_s: float, seconds: float) -> None:
    """Have the system end this process after this CPU time, whatever it does, and after this time on the clock."""
    for number, timer, most_s in ((CPU_OVER, signal.ITIMER_PROF, cpu_s), (TIME_OVER, signal.ITIMER_REAL, seconds)):
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, most_s)
