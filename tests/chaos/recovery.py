"""How long each kind of fault keeps an app from its work."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from server.cli.talk.client import BYTES_A_SECOND
from tests.chaos.clients import Clients, text
from tests.chaos.plan import WORKERS, Act, Fault
from tests.chaos.seen import Seen
from tests.chaos.typed import Typed

BETWEEN_S: Final = 0.5
CLIP_S: Final = 4.0
"""Seconds of the clip that are spoken to see whether speech works; a sentence ends within them."""
WAIT_S: Final = 300.0
"""Longest wait for work after a fault. Two cores that other programs needed, too, took 147 s once."""
POLL_S: Final = 0.1


def task_name(worker: str) -> str:
    """Name of the task of the app that uses this kind of worker."""
    return f"prober of {worker}"


class Prober:
    """Three apps: one types a text, one sends a picture, one speaks, each again and again.

    So there is one for each kind of worker, and what a killed worker of one kind does to its own work is seen.

    Args:
        clients: To act as some of them.
        pcm: A clip, of which the first seconds are spoken.
        clock: Seconds, monotonic.
    """

    def __init__(self, clients: Clients, seen: Seen, pcm: bytes, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self.seen = seen
        self._clip = pcm[: int(CLIP_S * BYTES_A_SECOND)]
        self._clock = clock
        self.rounds: dict[str, list[tuple[float, float]]] = {worker: [] for worker in WORKERS}

    async def once(self, worker: str, number: int) -> None:
        """One round of the work of one kind of worker."""
        work = {"redaction": self._type, "speech": self._speak, "vision": self._photograph}[worker]
        began = self._clock()
        await work(number)
        self.rounds[worker].append((began, self._clock()))
        await asyncio.sleep(BETWEEN_S)

    async def _type(self, number: int) -> None:
        async with self._clients.app() as (app, _):
            session = await self._clients.session(app, "prober")
            typed = Typed(app, session, {str(uuid.uuid4()): text(f"probe {number}")}, self.seen, propose=False)
            await typed.run(self._clients)

    async def _speak(self, _number: int) -> None:
        await self._clients.probe_speech(self._clip)

    async def _photograph(self, _number: int) -> None:
        async with self._clients.app() as (app, _):
            session = await self._clients.session(app, "prober")
            await self._clients.read(app, await self._clients.upload(app, session, 0))

    def recovered_after(self, at: float, workers: Sequence[str]) -> float | None:
        """Seconds from then until all these kinds of workers have done a round that began later; None before that."""
        ends = [next((ended for began, ended in self.rounds[worker] if began >= at), None) for worker in workers]
        known = [ended - at for ended in ends if ended is not None]
        return max(known) if len(known) == len(ends) else None

    async def wait(self, at: float, workers: Sequence[str]) -> float | None:
        """The same; waits for it, but not for ever."""
        give_up_at = self._clock() + WAIT_S
        while (took := self.recovered_after(at, workers)) is None and self._clock() < give_up_at:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)  # what ends the wait is done by other tasks, which set no event
        return took

    def doing(self, workers: Sequence[str]) -> str:
        """What the apps of these kinds of workers try just now, for how long, and which errors they got."""
        now = self._clock()
        found = [(worker, self.seen.trying.get(task_name(worker))) for worker in workers]
        return "; ".join(
            f"{worker}: {trying.what}, for {now - trying.since:.0f} s, {dict(trying.errors)}" if trying else worker
            for worker, trying in found
        )

    @property
    def usual_s(self) -> dict[str, float]:
        """Median of all rounds of each kind of worker."""
        return {
            worker: statistics.median(ended - began for began, ended in rounds)
            for worker, rounds in self.rounds.items()
            if rounds
        }


@dataclass(slots=True)
class Recoveries:
    """How often each fault happened, and the seconds to recover where they were measured.

    Attributes:
        seconds: By the name of the act, so each kind of worker is apart.
    """

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    done: Counter[Fault] = field(default_factory=Counter)
    names: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)

    def happened(self, act: Act) -> None:
        """Count an act that hit something."""
        self.done[act.fault] += 1
        self.names[act.name] += 1

    def note(self, act: Act, took: float | None, doing: str) -> None:
        """Note how long one took; None when nothing worked any more, and what is tried then."""
        if took is None:
            self.stuck.append(f"after '{act.name}' it did not work for {WAIT_S:.0f} s: {doing}")
        else:
            self.seconds[act.name].append(took)

    def lines(self) -> list[str]:
        """A line for each fault and kind of worker."""
        found = []
        for name in sorted(self.names | self.missed):
            line = f"{name:48} {self.names[name]:3} times"
            if took := self.seconds.get(name):
                line += f", works again after {statistics.median(took):5.1f} s (median), {max(took):5.1f} s at most"
            if self.missed[name]:
                line += f", {self.missed[name]} times there was nothing to break"
            found.append(line)
        return found
