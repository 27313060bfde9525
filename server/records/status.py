"""The state of the server and of what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from typing import Final, Protocol

from models.errors import VestibuleError
from models.reasons import Reason
from models.retry import POLICIES, RetryPolicies, RetryPolicy
from ray_tasks.types import EngineInfo, Gateway
from server.breakers.registry import Breakers
from server.breakers.types import BreakerState
from server.ledger import dead_letters, jobs
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger, WriterHealth
from server.llm.labeller import VISION_API
from server.llm.labels import NO_LABELLER, Labeller
from server.llm.types import Assistant
from server.llm.upstream import CHECKER_API, LLM_API
from server.times import shown_time

_CHANGE_KEY = "Change the key and restart the server, or mend it at the provider and reset the breaker."


_NO_JOBS: Final = {LLM_API: 0, VISION_API: 0}
"""Jobs that need an upstream, by their retry policy, which has the name of its breaker."""


@dataclass(frozen=True, slots=True)
class Component:
    """Something that the server depends on.

    Attributes:
        detail: A fixed sentence without personal text.
        reason: Stable reason why it does not work; empty when it works, or when none is known.
    """

    name: str
    healthy: bool
    detail: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """The state of the server."""

    version: str
    start_time: datetime
    components: tuple[Component, ...]
    open_jobs: int
    open_streams: int
    dead_letters: int
    retry_policies: tuple[RetryPolicy, ...]
    dashboard_url: str = ""


class StatusPart(Protocol):
    """A part that reports its own state, such as the endpoint for analysts."""

    @property
    def component(self) -> Component:
        """The state now."""
        ...


class StatusReporter:
    """Collects the state of all parts.

    Args:
        open_streams: Number of conversation streams now.
        parts: What reports its own state.
        policies: The retry policies.
        worker_ends: A sentence about the workers of a kind that ended, or nothing.
        dashboard_url: Address of Ray's dashboard; empty where the cluster has none.
        labeller: The vision upstream.
    """

    def __init__(
        self,
        gateway: Gateway,
        ledger: Ledger,
        assistant: Assistant,
        breakers: Breakers,
        start_time: datetime,
        open_streams: Callable[[], int],
        parts: Sequence[StatusPart],
        policies: RetryPolicies = POLICIES,
        worker_ends: Callable[[str], str] = lambda _kind: "",
        dashboard_url: Callable[[], str] = lambda: "",
        labeller: Labeller = NO_LABELLER,
    ) -> None:
        self._gateway = gateway
        self._ledger = ledger
        self._assistant = assistant
        self._breakers = breakers
        self._start_time = start_time
        self._open_streams = open_streams
        self._parts = tuple(parts)
        self._policies = policies
        self._worker_ends = worker_ends
        self._dashboard_url = dashboard_url
        self._labeller = labeller

    async def report(self) -> StatusReport:
        """Report the whole state. A part that is down is reported, not raised."""
        components = await self.workers()
        open_jobs, waiting, letters = 0, _NO_JOBS, 0
        try:
            open_jobs, waiting, letters = await self._ledger.read(_counts)
            components.append(_ledger(self._ledger.where, self._ledger.health))
        except VestibuleError as error:
            components.append(Component("ledger", False, error.message, error.reason))
        components += [
            self._llm(waiting),
            *self._checker(),
            self._labels(waiting),
            *(part.component for part in self._parts),
        ]
        return StatusReport(
            metadata.version("vestibule"),
            self._start_time,
            tuple(components),
            open_jobs,
            self._open_streams(),
            letters,
            tuple(policy for _, policy in sorted(self._policies.items())),
            self._dashboard_url(),
        )

    async def workers(self) -> list[Component]:
        """The kinds of worker."""
        try:
            return [self._worker(info) for info in await self._gateway.engines()]
        except VestibuleError as error:
            return [Component(name, False, error.message, error.reason) for name in ("speech", "vision", "redaction")]

    def _worker(self, info: EngineInfo) -> Component:
        running = f"{info.engine} on {info.device}, {info.replicas} replica(s)." if info.device else ""
        told = (running, info.detail, self._worker_ends(info.kind))
        return Component(info.kind, info.healthy, " ".join(part for part in told if part))

    def _llm(self, waiting: Mapping[str, int]) -> Component:
        if not self._assistant.configured:
            kept = _kept(waiting[LLM_API])
            return Component("llm", True, f"No upstream is configured; the local fallback answers.{kept}")
        return self._remote("llm", LLM_API)

    def _checker(self) -> list[Component]:
        """The upstream that only checks records, if there is one. While it is away, fields of records are unsure."""
        there = any(breaker.name == CHECKER_API for breaker in self._breakers.all)
        return [self._remote("checker", CHECKER_API)] if there else []

    def _labels(self, waiting: Mapping[str, int]) -> Component:
        if not self._labeller.configured:
            kept = _kept(waiting[VISION_API])
            return Component("labels", True, f"No vision upstream is configured; pictures get no labels.{kept}")
        return self._remote("labels", VISION_API)

    def _remote(self, component: str, breakers: str) -> Component:
        found = [breaker for breaker in self._breakers.all if breaker.name.startswith(breakers)]
        refusing = [breaker.name for breaker in found if breaker.blocked]
        closed = all(breaker.state is BreakerState.CLOSED for breaker in found)
        if len(found) == 1 and not refusing:
            told = f"The breaker is {found[0].state}."
        else:
            states = [f"{b.name} refuses the key" if b.blocked else f"{b.name} is {b.state}" for b in found]
            told = f"The breakers: {', '.join(states)}."
        if refusing:
            return Component(component, False, f"{told} {_CHANGE_KEY}", Reason.UPSTREAM_KEY_REFUSED)
        return Component(component, closed, told, "" if closed else Reason.BREAKER_OPEN)


def _ledger(where: str, health: WriterHealth) -> Component:
    if health.refused_since is not None:
        since = shown_time(health.refused_since)
        return Component("ledger", False, f"{health.refusal} Writes fail since {since}; reads work.")
    if health.last_commit is None:
        return Component("ledger", True, f"{where}; nothing was written since the start.")
    return Component("ledger", True, f"{where}; last written {shown_time(health.last_commit)}.")


def _kept(jobs_of_upstream: int) -> str:
    return f" {jobs_of_upstream} job(s) wait until one is." if jobs_of_upstream else ""


def _counts(cursor: Cursor) -> tuple[int, dict[str, int], int]:
    """Open jobs, those of them that need an upstream by their retry policy, and dead letters."""
    waiting = {policy: jobs.count_open(cursor, policy) for policy in _NO_JOBS}
    return jobs.count_open(cursor), waiting, dead_letters.count_open(cursor)
