"""What is broken, in which order: drawn from a seed, so that a run can be repeated."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Fault(StrEnum):
    """What is done to a part of the running system."""

    REPLICA = "replica killed"
    CONTROLLER = "Serve controller and a replica killed"
    SERVER = "server killed"
    RAY = "all of Ray killed"
    RAYLET = "raylet killed"
    GCS = "GCS killed"
    UPSTREAM = "upstream fails"
    STOPPED = "process stopped for a while"
    DISK = "disk full for a while"


FULL: Final[Mapping[Fault, int]] = {
    Fault.REPLICA: 40,
    Fault.CONTROLLER: 3,
    Fault.SERVER: 10,
    Fault.RAY: 3,
    Fault.RAYLET: 3,
    Fault.GCS: 3,
    Fault.UPSTREAM: 16,
    Fault.STOPPED: 6,
    Fault.DISK: 1,
}
"""How often each happens in a full run."""

WORKERS: Final = ("redaction", "speech", "vision")
UPSTREAM_MODES: Final = ("refuse", "error", "rate_limit", "hang", "half", "cut", "garbage", "slow")
STOPPABLE: Final = (*WORKERS, "server", "raylet")
AT_ONCE_SHARE: Final = 0.15
HOLD_S: Final = (3.0, 10.0)
PAUSE_S: Final = (0.5, 4.0)


@dataclass(frozen=True, slots=True)
class Act:
    """One fault.

    Attributes:
        target: Kind of worker, mode of the upstream, or name of the process; empty where there is only one. With the
            controller one replica of this kind is killed: calls do not pass through the controller, so only a replica
            that must be replaced shows that there is one again.
        hold_s: How long a fault that passes lasts, in seconds.
        pause_s: Seconds from the recovery to the next act.
        at_once: Whether the next act does not wait for the recovery.
    """

    fault: Fault
    target: str
    hold_s: float
    pause_s: float
    at_once: bool

    @property
    def workers(self) -> tuple[str, ...]:
        """Kinds of workers that it hits, whose work shows when it is over; all kinds where it hits another part."""
        return (self.target,) if self.target in WORKERS else WORKERS

    @property
    def name(self) -> str:
        """The fault, with the kind of worker where it hits one."""
        return f"{self.fault}: {self.target}" if self.target in WORKERS else str(self.fault)


def planned(seed: int, share: float = 1.0) -> list[Act]:
    """The acts of a run; the same arguments give the same acts.

    Args:
        seed: Any number.
        share: Part of a full run; every fault happens at least once.
    """
    chance = random.Random(seed)
    first = list(FULL)
    chance.shuffle(first)
    rest = [fault for fault, count in FULL.items() for _ in range(max(1, round(share * count)) - 1)]
    chance.shuffle(rest)
    # Each kind comes once before any comes twice, so that a run that is cut short has tried them all.
    seen: Counter[Fault] = Counter()
    acts = []
    for fault in [*first, *rest]:
        acts.append(_act(fault, seen[fault], chance))
        seen[fault] += 1
    return acts


def _act(fault: Fault, number: int, chance: random.Random) -> Act:
    targets = {
        Fault.REPLICA: WORKERS,
        Fault.CONTROLLER: WORKERS,
        Fault.UPSTREAM: UPSTREAM_MODES,
        Fault.STOPPED: STOPPABLE,
    }.get(fault, ("",))
    return Act(
        fault,
        targets[number % len(targets)],
        round(chance.uniform(*HOLD_S), 1),
        round(chance.uniform(*PAUSE_S), 1),
        chance.random() < AT_ONCE_SHARE,
    )
