"""Bounds that a process of analysts' queries puts on itself."""

from __future__ import annotations

import os
import resource
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from server.runtime.own_process import LINUX, limit

NICE = 15
"""The server's threads get about thirty times the share of a busy CPU."""

CPU_OVER = signal.SIGPROF
TIME_OVER = signal.SIGALRM
"""The signals that end a process of which ``end_after`` bounds the time."""


_USUAL_STACK: Final = 8 * 1024 * 1024
"""Where the system sets no bound."""


def lower_priority() -> None:
    """Yield to the server, die first when the machine runs out of memory, and leave no core file with content in it."""
    if LINUX:  # each thread has a priority of its own there
        for thread in psutil.Process().threads():
            os.setpriority(os.PRIO_PROCESS, thread.id, NICE)
    else:
        os.nice(NICE)
    limit(resource.RLIMIT_CORE, 0)
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("1000", encoding="ascii")


def run_when_idle() -> None:
    """Take only what all other processes leave of the CPU, where the system can do that."""
    if LINUX:
        with suppress(PermissionError):  # a container may forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def bound_memory(more_bytes: int) -> None:
    """Let this process allocate only this much more. What needs more gets an error from the C library."""
    used = getattr(psutil.Process().memory_info(), "data", 0)
    limit(resource.RLIMIT_DATA, used + more_bytes)


def stack_bytes() -> int:
    """Memory that the C library sets aside for the stack of each thread."""
    soft, _ = resource.getrlimit(resource.RLIMIT_STACK)
    return _USUAL_STACK if soft == resource.RLIM_INFINITY else soft


def end_after(cpu_s: float, seconds: float) -> None:
    """Have the system end this process after this CPU time, whatever it does, and after this time on the clock."""
    for number, timer, most_s in ((CPU_OVER, signal.ITIMER_PROF, cpu_s), (TIME_OVER, signal.ITIMER_REAL, seconds)):
        signal.signal(number, signal.SIG_DFL)
        signal.setitimer(timer, most_s)
