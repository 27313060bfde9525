"""How long each kind of fault keeps an app from its work."""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.clients import Clients, Typed, text
from tests.chaos.plan import Act, Fault
from tests.chaos.seen import Seen

BETWEEN_S: Final = 0.5
WAIT_S: Final = 180.0
POLL_S: Final = 0.1


class Prober:
    """An app that types a text and sends a picture, again and again, and notes when both were done.

    Args:
        clients: To act as one of them.
        clock: Seconds, monotonic.
    """

    def __init__(self, clients: Clients, seen: Seen, clock: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._seen = seen
        self._clock = clock
        self.rounds: list[tuple[float, float]] = []

    async def once(self, number: int) -> None:
        """One round."""
        began = self._clock()
        async with self._clients.app() as (app, _):
            session = await self._clients.session(app, "prober")
            await Typed(app, session, {str(uuid.uuid4()): text(f"probe {number}")}, self._seen, propose=False).run(
                self._clients
            )
            await self._clients.read(app, await self._clients.upload(app, session, 0))
        self.rounds.append((began, self._clock()))
        await asyncio.sleep(BETWEEN_S)

    def recovered_after(self, at: float) -> float | None:
        """Seconds from then to the end of the first round that began later; None when there is none yet."""
        return next((ended - at for began, ended in self.rounds if began >= at), None)

    async def wait(self, at: float) -> float | None:
        """The same; waits for it, but not for ever."""
        give_up_at = self._clock() + WAIT_S
        while (took := self.recovered_after(at)) is None and self._clock() < give_up_at:  # noqa: ASYNC110 - of others
            await asyncio.sleep(POLL_S)
        return took

    @property
    def usual_s(self) -> float:
        """Median of all rounds."""
        return statistics.median(ended - began for began, ended in self.rounds) if self.rounds else 0.0


@dataclass(slots=True)
class Recoveries:
    """How often each fault happened, and the seconds to recover where they were measured."""

    seconds: defaultdict[Fault, list[float]] = field(default_factory=lambda: defaultdict(list))
    done: Counter[Fault] = field(default_factory=Counter)
    missed: Counter[Fault] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)

    def note(self, act: Act, took: float | None) -> None:
        """Note how long one took; None when nothing worked any more."""
        if took is None:
            self.stuck.append(f"after '{act.fault}' nothing worked for {WAIT_S:.0f} s")
        else:
            self.seconds[act.fault].append(took)

    def lines(self) -> list[str]:
        """A line for each fault."""
        found = []
        for fault in Fault:
            line = f"{fault:28} {self.done[fault]:3} times"
            if took := self.seconds.get(fault):
                line += f", works again after {statistics.median(took):5.1f} s (median), {max(took):5.1f} s at most"
            if self.missed[fault]:
                line += f", {self.missed[fault]} times there was nothing to break"
            found.append(line)
        return found
