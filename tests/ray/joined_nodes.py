"""A Ray cluster of two nodes on this machine, as its operator starts it, and servers that join it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, Final

import pytest

from models.media.audio_decoder import decode
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.supervisor import ClusterSupervisor
from ray_tasks.types import ClusterConfig, SpeechWindow, WorkerConfig
from tests.eventually import eventually
from tests.ray.conftest import DATA, small_config
from tests.ray_nodes import RayNode

STARTS_S: Final = 180.0
WINDOW: Final = SpeechWindow(decode((DATA / "visit.wav").read_bytes()).tobytes()[:320_000], final=True, language="en")
"""Five seconds of speech."""


class Nodes:
    """The nodes by name: ``head`` and ``second``. Each has room for one replica of Speech and one of Redaction."""

    def __init__(self) -> None:
        head = RayNode(cpus=1, gpus=1)
        self.folder, self.address = head.folder, head.address
        self._nodes = {"head": head, "second": RayNode(head.address, cpus=1, gpus=1)}

    def start(self, name: str) -> None:
        """Start a node; returns when it belongs to the cluster."""
        self._nodes[name].start()
        self._nodes[name].wait()

    def kill(self, name: str) -> None:
        """Send SIGKILL to all processes of a node, as when its machine is gone."""
        self._nodes[name].kill()

    def replicas(self, kind: str, name: str | None = None) -> set[int]:
        """Processes of the replicas of a kind, on one node or on all."""
        return {pid for each, node in self._nodes.items() if name in (None, each) for pid in node.replicas(kind)}

    def all_replicas(self) -> set[int]:
        """Those of all kinds."""
        return {pid for kind in ("redaction", "speech", "vision") for pid in self.replicas(kind)}

    def close(self) -> None:
        """End everything."""
        for node in reversed(self._nodes.values()):
            node.remove()


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Two nodes that ask for a token, which servers of this process inherit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # A local cluster of another test sets it.
        patch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
        nodes = Nodes()
        try:
            nodes.start("head")
            nodes.start("second")
            yield nodes
        finally:
            nodes.close()


def config_of(nodes: Nodes, **changes: Any) -> ClusterConfig:
    """Workers of which no two of Speech, and no two of Redaction, fit on one node. All servers get the same."""
    small = small_config(nodes.folder, address=nodes.address, shared=True)
    speech = replace(small.speech, weights="whisper-tiny.en", cpus=0.6, replicas=2)
    redaction = replace(small.redaction, cpus=0.1, gpus=0.6, replicas=2)
    return replace(
        small, **{"speech": speech, "vision": WorkerConfig(device="cpu", cpus=0.1), "redaction": redaction, **changes}
    )


class Member:
    """A server of the installation: the process that owns its Ray, and its gateway."""

    def __init__(self, config: ClusterConfig) -> None:
        self.cluster = ClusterSupervisor(config)
        self.gateway = SupervisedGateway(self.cluster)
        self.answers = 0

    async def redacted(self) -> str:
        """Have a sentence redacted."""
        [redaction] = await self.gateway.redact([RawText("I am John Carter")], RedactionContext(), timeout_s=60.0)
        return redaction.text.value

    @asynccontextmanager
    async def calling(self, at_once: int = 1) -> Any:
        """Meanwhile it has sentences redacted and windows recognised, one after the other; no call may fail.

        Args:
            at_once: How many clients do so.
        """

        async def go_on() -> None:
            while True:
                assert await self.redacted() == "I am [REDACTED_NAME]"
                assert not (await self.gateway.speech_step(WINDOW, timeout_s=STARTS_S)).no_speech
                self.answers += 1

        async def all_go_on() -> None:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(go_on())

        calls = asyncio.create_task(all_go_on())
        try:
            await self.answered(calls)
            yield calls
            await self.answered(calls)
        finally:
            calls.cancel()
            await asyncio.gather(calls, return_exceptions=True)

    async def answered(self, calls: asyncio.Task[None], count: int = 2) -> None:
        """Return after so many further answers.

        Raises:
            ExceptionGroup: A call failed.
        """
        wanted = self.answers + count
        await eventually(lambda: calls.done() or self.answers >= wanted, STARTS_S)
        if calls.done():
            await calls
