"""A Ray process without Ray: it starts, answers and is lost when the test says so.

The real one is ``ray_tasks.ray_child.RayChildProcess``; ``tests/ray`` runs it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from models.errors import VestibuleError
from ray_tasks.process_messages import Started
from ray_tasks.ray_child import Loss, cluster_lost
from ray_tasks.types import ClusterConfig, SpeechModels, Step, WorkerEnd


class FakeRayChild:
    """Implements ``ray_tasks.ray_child.RayChild``.

    Args:
        number: How many there were before it.
        error: What its start raises.
    """

    def __init__(self, number: int, error: VestibuleError | None = None) -> None:
        self.number = number
        self.error = error
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: deque[Any] = deque()
        self.ended = ""
        self.running = {"redaction": 1, "speech": 1, "vision": 1}
        self.models: SpeechModels | None = None
        self._lost: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()

    async def start(
        self,
        config: ClusterConfig,
        models: SpeechModels,
        on_step: Callable[[Step], None],
        on_worker_end: Callable[[WorkerEnd], None],
    ) -> Started:
        """See ``RayChild``."""
        self.models = models
        self.tell_worker_end = on_worker_end
        on_step(Step("ray", 1.0))
        if self.error is not None:
            raise self.error
        return Started("http://dashboard", f"folder-{self.number}")

    async def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Give the next answer, raise it if it is an error, or wait until this Ray is lost."""
        self.calls.append((method, arguments, options))
        if not self.answers:
            await self.lost()
            raise cluster_lost()
        answer = self.answers.popleft()
        if isinstance(answer, VestibuleError):
            raise answer
        return answer

    async def lost(self) -> Loss:
        """See ``RayChild``."""
        return await asyncio.shield(self._lost)

    async def stop(self) -> None:
        """See ``RayChild``."""
        self.ended = "stopped"

    async def kill(self) -> None:
        """See ``RayChild``."""
        self.ended = "killed"

    def lose(self, cause: str = "raylet") -> None:
        """Lose this Ray."""
        self._lost.set_result(Loss(cause, f"A process of Ray ended: {cause}."))


@dataclass
class FakeRay:
    """Launches them.

    Attributes:
        errors: What the next starts raise, in order.
        answers: What each of them answers first, by its number.
    """

    errors: deque[VestibuleError | None] = field(default_factory=deque)
    answers: dict[int, list[Any]] = field(default_factory=dict)
    children: list[FakeRayChild] = field(default_factory=list)

    async def launch(self) -> FakeRayChild:
        """Start the next one."""
        child = FakeRayChild(len(self.children), self.errors.popleft() if self.errors else None)
        child.answers.extend(self.answers.get(child.number, ()))
        self.children.append(child)
        return child
