"""Memory and cores, compared with what one worker of each kind was measured to need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from ray_tasks.resources import check_fit
from server.doctor.results import Finding, Situation, ok, warning
from server.runtime.descriptors import OWN_DESCRIPTORS

GIGABYTE: Final = 1_000_000_000
PLANNED_BYTES: Final = 5 * GIGABYTE
"""Memory to plan for with one worker of each kind, see docs/quickstart.md."""
USED_BYTES: Final = 2_900_000_000
"""What the server and its workers use, see docs/evaluation/server.md, "memory of everything"."""
USUAL_CORES: Final = 2
"""Cores with which the figures of docs/evaluation were measured."""
CGROUP: Final = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process may use.

    Attributes:
        memory_bytes: In all, or the bound of the container.
        available_bytes: Of the machine, without what other programs use.
        cores: Whole or a part, as a container may have.
    """

    memory_bytes: int
    available_bytes: int
    cores: float


def this_machine(cgroup: Path = CGROUP) -> Machine:
    """The machine, within the bounds of its container."""
    memory = psutil.virtual_memory()
    bound = _number(cgroup / "memory.max")
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return Machine(
        memory_bytes=min(memory.total, round(bound)) if bound else memory.total,
        available_bytes=memory.available,
        cores=min(cores, _quota(cgroup / "cpu.max") or cores),
    )


def check_machine(situation: Situation) -> Iterator[Finding]:
    """Look at the memory, the cores and the bound on open files."""
    machine = this_machine()
    yield memory(machine, running=situation.server is not None)
    settings = situation.settings
    if not settings.ray.address and settings.ray.num_cpus is None:
        check_fit((settings.speech, settings.vision, settings.redaction), cpus=machine.cores, gpus=float("inf"))
    yield cores(machine)
    yield open_files(settings.limits.connections)


def memory(machine: Machine, *, running: bool) -> Finding:
    """Whether there is as much as the server was measured to need.

    Args:
        machine: What there is.
        running: Whether the server runs, so that its own part is in use already.
    """
    total, free = f"{machine.memory_bytes / GIGABYTE:.1f} GB", f"{machine.available_bytes / GIGABYTE:.1f} GB"
    hint = f"Plan for {PLANNED_BYTES / GIGABYTE:.0f} GB with one worker of each kind, and more for each further one."
    if machine.memory_bytes < PLANNED_BYTES:
        return warning("memory", f"There are {total} in all.", hint)
    if not running and machine.available_bytes < USED_BYTES:
        return warning("memory", f"Of {total}, {free} are free; the server uses about 2.9 GB.", f"End programs. {hint}")
    return ok("memory", f"There are {total}, and {free} of them are free.")


def cores(machine: Machine) -> Finding:
    """Whether there are as many as the documentation's figures are from."""
    if machine.cores >= USUAL_CORES:
        return ok("cores", f"There are {machine.cores:g}.")
    hint = f"Give it {USUAL_CORES}, or expect speech to come late."
    return warning("cores", f"There is {machine.cores:g} core; the figures of the documentation are from two.", hint)


def open_files(connections: int) -> Finding:
    """Whether the system lets the server open as many files and connections as its settings allow."""
    import resource

    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OWN_DESCRIPTORS
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return ok("open files", f"The system allows {'any number' if hard == resource.RLIM_INFINITY else hard}.")
    hint = f"Allow {needed}, as by LimitNOFILE= of systemd, or lower VESTIBULE_LIMITS__CONNECTIONS."
    return warning("open files", f"The system allows {hard}; {connections} connections need {needed}.", hint)


def _quota(file: Path) -> float:
    """The cores that a container may use; 0 if that is not bounded."""
    try:
        allowed, period = file.read_text(encoding="ascii").split()
        return int(allowed) / int(period)
    except (OSError, ValueError):  # also "max 100000"
        return 0.0


def _number(file: Path) -> float:
    try:
        return int(file.read_text(encoding="ascii"))
    except (OSError, ValueError):  # also "max"
        return 0.0
