"""The process that tries queries out, as its user sees it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from models.errors import Unavailable
from models.reasons import Reason
from server.analytics.channel import Channel, Message, spawn

_MODULE: Final = "server.analytics.trial_process"


@dataclass(frozen=True, slots=True)
class TrialTimes:
    """How long a trial may run.

    Attributes:
        cpu_s: CPU time.
        seconds: On the clock, for a query that gets little of a busy CPU.
        idle: Whether it gets only what all other processes leave of the CPU.
    """

    cpu_s: float
    seconds: float
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        result: ``ok``, ``time`` (of the CPU), ``late`` (on the clock), ``memory``, ``error`` or ``died``.
        error: Class of DuckDB's error; empty when there was none.
        seconds: How long it ran, on the clock.
        cpu_s: CPU time that it used.
        bytes: How much memory it used beyond what was there.
    """

    result: str
    error: str = ""
    seconds: float = 0.0
    cpu_s: float = 0.0
    bytes: int = 0


class Trials:
    """Runs queries in processes of their own. Safe to call from several threads.

    Args:
        query_bytes: Most memory of one trial.
        folder: Where snapshots are; empty when there are none.
        ledger: The file that is read instead; None waits for a snapshot.
        shown: Of ``shown_sql``.
        on_lost: Called when the process has ended by itself, or was closed.
    """

    def __init__(
        self,
        query_bytes: int,
        folder: str,
        ledger: Path | None,
        shown: Sequence[str],
        on_lost: Callable[[], None],
    ) -> None:
        self._on_lost = on_lost
        self._bytes = query_bytes
        self._process, end = spawn(_MODULE)
        self._channel = Channel(end)
        self._ids = itertools.count()
        self._asked: dict[int, Future[Message]] = {}
        self._lock = threading.Lock()
        self._lost = False
        read = "" if ledger is None else str(ledger)
        self._channel.send({"bytes": query_bytes, "folder": folder, "ledger": read, "shown": list(shown)})
        threading.Thread(target=self._receive, name="trials", daemon=True).start()

    def attach(self, snapshot: Path) -> None:
        """Use this snapshot for every trial that begins from now on.

        Raises:
            Unavailable: QUACK_UNAVAILABLE.
        """
        self._attach(str(snapshot))

    def detach(self) -> None:
        """Let go of the snapshot.

        Raises:
            Unavailable: QUACK_UNAVAILABLE.
        """
        self._attach("")

    def run(self, query: str, times: TrialTimes) -> Outcome:
        """Try a query out."""
        try:
            answer = self._ask({"try": query, "bytes": self._bytes, **asdict(times)})
        except Unavailable:
            return Outcome("died")
        return Outcome(answer["outcome"], answer["error"], answer["seconds"], answer["cpu_s"], answer["bytes"])

    def close(self) -> None:
        """End the process and the trials that run."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _attach(self, snapshot: str) -> None:
        if self._ask({"attach": snapshot})["error"]:
            raise _lost()

    def _ask(self, message: Message) -> Message:
        future: Future[Message] = Future()
        with self._lock:
            number = next(self._ids)
            if self._lost:
                raise _lost()
            self._asked[number] = future
        if not self._channel.send({"id": number, **message}):
            raise _lost()
        return future.result()

    def _receive(self) -> None:
        while (answer := self._channel.receive()) is not None:
            with self._lock:
                future = self._asked.pop(answer["id"])
            future.set_result(answer)
        with self._lock:
            self._lost = True
            left, self._asked = list(self._asked.values()), {}
        for future in left:
            future.set_exception(_lost())
        self._on_lost()


def _lost() -> Unavailable:
    return Unavailable("The process that tries queries out has ended.", reason=Reason.QUACK_UNAVAILABLE)
