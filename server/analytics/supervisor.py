"""Starts the process that serves analysts, watches it, kills it when it leaves its bounds, and starts it again."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace

import duckdb
import psutil

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from server.access.doors import Door
from server.analytics.channel import Channel, spawn
from server.analytics.cpu_debt import CpuDebt
from server.analytics.endpoint_config import EndpointConfig
from server.analytics.quack import SHORTEST_TOKEN
from server.analytics.shown_sql import sql_of_newest
from server.analytics.snapshot import LedgerMark

_MODULE = "server.analytics.endpoint_process"

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 5.0
WATCH_S = 0.1
MORE_BYTES = 256 * 1024 * 1024
"""What the process may need beyond the memory of queries: its code, and DuckDB's own structures."""


LAST_WORDS_S = 0.5
LONGEST_PAUSE_S = 30.0


Decisions = Callable[[Door, str], None]


class Supervisor:
    """Keeps one process running.

    Args:
        config: What the process is told.
        mark: Marks the ledger between two commits; None when no server writes it.
        on_decision: Called with a door and why access was refused there, empty when it was allowed; never with the
            query.
        on_ended: Called with the reason why the process was started again.
    """

    def __init__(
        self,
        config: EndpointConfig,
        mark: Callable[[], LedgerMark] | None,
        *,
        on_decision: Decisions = lambda door, denied: None,
        on_ended: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self._config = config
        self._mark = mark
        self._on_decision = on_decision
        self._on_ended = on_ended
        self._ending = threading.Event()
        self._starting: _Running | None = None
        self._running: _Running | None = None
        self._thread = threading.Thread(target=self._keep_running, name="analysts", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether analysts can attach now."""
        running = self._running
        return running is not None and running.process.poll() is None

    @property
    def process(self) -> int | None:
        """Id of the process; None when there is none."""
        running = self._running
        return None if running is None else running.process.pid

    def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            InternalError: QUACK_TOKEN_SHORT.
            Unavailable: QUACK_UNAVAILABLE when the extension is missing, the port is taken, the file is no ledger, or
                DuckDB cannot make the catalogue.
        """
        if len(self._config.token) < SHORTEST_TOKEN:
            raise InternalError("The Quack token is too short.", reason=Reason.QUACK_TOKEN_SHORT)
        self._running = self._started()
        self._thread.start()

    def stop(self) -> None:
        """Kill the process; queries that run end with it. Safe to repeat."""
        self._ending.set()
        self.restart()
        if self._thread.is_alive():
            self._thread.join()

    def restart(self) -> None:
        """End the process, and so everything that it holds of the ledger; a new one starts at once."""
        for running in (self._starting, self._running):
            if running is not None:
                running.kill()

    def _started(self) -> _Running:
        config = replace(self._config, shown=self._shown())
        running = self._starting = _Running(config, self._mark, self._on_decision)
        if failure := running.wait_until_ready():
            running.kill()
            raise Unavailable(
                f"Analysts cannot attach on port {self._config.port} ({failure}).",
                reason=Reason.QUACK_UNAVAILABLE,
                hint="Is the port free, and is the quack extension of this DuckDB installed?",
            )
        return running

    def _shown(self) -> tuple[str, ...]:
        """The SQL of the catalogue, found out once and not by each process that is started."""
        if not self._config.folder:
            return ()
        try:
            return sql_of_newest()
        except duckdb.Error as error:
            name = type(error).__name__
        raise Unavailable(f"The catalogue of analysts cannot be made ({name}).", reason=Reason.QUACK_UNAVAILABLE)

    def _keep_running(self) -> None:
        pause_s = 0.0
        while not self._ending.is_set():
            running = self._running
            if running is not None:
                began_s = time.monotonic()
                reason = running.watch_until_end()
                running.kill()
                self._running = None
                pause_s = 0.0 if time.monotonic() - began_s > LONGEST_PAUSE_S else pause_s
                if not self._ending.is_set():
                    self._on_ended(reason)
            if self._ending.wait(pause_s):
                return
            pause_s = min(LONGEST_PAUSE_S, max(0.25, 2 * pause_s))
            self._start_again()

    def _start_again(self) -> None:
        try:
            self._running = self._started()
        except VestibuleError:
            return  # the next attempt comes after a longer pause; the state says that nobody can attach
        if self._ending.is_set():
            self._running.kill()


class _Running:
    """One process and the thread that answers it."""

    def __init__(self, config: EndpointConfig, mark: Callable[[], LedgerMark] | None, on_decision: Decisions) -> None:
        self.process, end = spawn(_MODULE)
        self._limits = config.limits
        self._mark = mark
        self._on_decision = on_decision
        self._channel = Channel(end)
        self._ready = threading.Event()
        self._failure = "it ended"
        self._admitted_s = 0.0
        self._others: list[psutil.Process] = []
        self._channel.send(asdict(config))
        self._thread = threading.Thread(target=self._answer, name="analysts-answer", daemon=True)
        self._thread.start()

    def wait_until_ready(self) -> str:
        """Wait until it listens; returns why it does not, empty when it does."""
        if not self._ready.wait(START_TIMEOUT_S):
            return "it does not start"
        self._look_for_others()
        return self._failure

    def kill(self) -> None:
        """End the process, with the process that it started, which may have the file of the ledger."""
        self._look_for_others()
        self.process.kill()
        self.process.wait()
        for other in self._others:
            _end(other)
        self._thread.join(LAST_WORDS_S)  # it reads what the process said last, unless it waits for the ledger
        self._channel.close()
        self._thread.join()

    def _look_for_others(self) -> None:
        with suppress(psutil.Error):  # it has ended
            self._others = psutil.Process(self.process.pid).children() or self._others

    def watch_until_end(self) -> str:
        """Watch the process until it ends or leaves its bounds; returns which, as a word for the log."""
        try:
            seen = psutil.Process(self.process.pid)
            most_bytes = seen.memory_info().rss + self._limits.total_bytes + MORE_BYTES
            debt = CpuDebt(self._limits.seconds)
            while not self._ended_within(WATCH_S):
                if seen.memory_info().rss > most_bytes:
                    return "memory_exceeded"
                if debt.too_high(time.monotonic(), _cpu_s(seen), self._admitted_s):
                    return "cpu_exceeded"
        except psutil.Error:
            pass  # it ended between two looks
        return "ended"

    def _ended_within(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _answer(self) -> None:
        while (message := self._channel.receive()) is not None:
            if "ask" in message:
                self._channel.send({"mark": self._marked()})
            elif "decided" in message:
                door, denied = message["decided"]
                self._on_decision(Door(door), denied)
            elif "admitted" in message:
                self._admitted_s += message["admitted"]
            else:
                self._failure = message.get("failed", "")
                self._ready.set()
        self._ready.set()

    def _marked(self) -> dict[str, int] | None:
        if self._mark is None:
            return None
        try:
            return asdict(self._mark())
        except (VestibuleError, OSError, TimeoutError):
            return None


def _end(process: psutil.Process) -> None:
    """Kill a process that is no child of this one, and wait until its files are closed."""
    give_up_at = time.monotonic() + END_TIMEOUT_S
    with suppress(psutil.NoSuchProcess):
        process.kill()
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < give_up_at:
            time.sleep(0.01)


def _cpu_s(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
