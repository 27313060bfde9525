"""Checks that the workers fit into the available CPUs and GPUs. Imports nothing heavy, because it runs before Ray is
imported.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from models.errors import InvalidInput
from models.reasons import Reason

ROUNDING: Final = 1e-6
"""Tolerance for rounding: ten times 0.1 may add up to slightly more than 1."""


class Booking(Protocol):
    """The resources of one kind of worker. ``WorkerConfig`` and the settings both implement it."""

    @property
    def replicas(self) -> int:
        """Processes of this kind, or the least number of them."""
        ...

    @property
    def most(self) -> int:
        """The same, or the largest number of them."""
        ...

    @property
    def cpus(self) -> float:
        """Logical CPUs of each."""
        ...

    @property
    def gpus(self) -> float:
        """GPUs of each."""
        ...


def check_fit(bookings: Sequence[Booking], *, cpus: float, gpus: float, grows: bool = False) -> None:
    """Refuse workers that ask for more than there is. Ray would wait for them forever without a message.

    Args:
        bookings: All kinds of worker.
        cpus: Logical CPUs that there are.
        gpus: GPUs.
        grows: Nodes may be added to the cluster, so only the least number of each kind has to fit now.

    Raises:
        InvalidInput: WORKERS_DO_NOT_FIT.
    """
    counts = [b.replicas if grows else b.most for b in bookings]
    needs = {
        "CPU": (sum(count * b.cpus for count, b in zip(counts, bookings, strict=True)), cpus),
        "GPU": (sum(count * b.gpus for count, b in zip(counts, bookings, strict=True)), gpus),
    }
    for name, (asked, there) in needs.items():
        if asked > there + ROUNDING:
            raise InvalidInput(
                f"The workers ask for {asked:g} {name}s together; the cluster has {there:g}.",
                reason=Reason.WORKERS_DO_NOT_FIT,
                hint=f"Lower the replicas, or the {name.lower()}s of each; fractions are allowed.",
            )


def most_cpus() -> float:
    """Most logical CPUs that Ray can find on this machine. A container may have fewer."""
    return float(os.cpu_count() or math.inf)


def most_gpus(devices: Path = Path("/dev")) -> float:
    """Most GPUs that Ray can find on this machine; infinite if only their driver knows the number.

    Args:
        devices: Folder of the device files; a driver of NVIDIA makes ``nvidia0``, ``nvidia1``, ... there.
    """
    if (devices / "dxg").exists() or (devices / "kfd").exists():  # Windows' GPUs in WSL; AMD's
        return math.inf
    return float(sum(path.name.removeprefix("nvidia").isdigit() for path in devices.glob("nvidia*")))
