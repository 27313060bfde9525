"""In which order the server starts its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import server.app
import server.wiring
from ray_tasks.types import SpeechModels
from server.settings import Settings

EARLY = ["relay", "port", "mirror", "analysts", "housekeeping"]
"""What needs the ledger alone."""

CHOSEN = SpeechModels("small", "tiny")


class Parts:
    """Stand for all parts. They note that they are begun; the cluster is up when the test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.cluster_begins, self.cluster_up = asyncio.Event(), asyncio.Event()
        self.weights_up = True
        self.cluster = SimpleNamespace(start=self._start_cluster, folder="", dashboard_url="", ready=True)

    async def build(self, *_: object) -> SimpleNamespace:
        does = self._does
        return SimpleNamespace(
            scan=None,
            certificate=None,
            console=None,
            alerters=[],
            handlers=[],
            uploads=SimpleNamespace(sweep=does(), drain=does()),
            grpc_server=SimpleNamespace(
                start=does("port"), stop=does(), serving=does("serving"), report_health=does(), address="address"
            ),
            room=SimpleNamespace(watch=does(), ok=True),
            relay=SimpleNamespace(start=lambda: self.begun.append("relay"), close=does()),
            mirror=SimpleNamespace(attempt=does("mirror"), run=does()),
            ledger=SimpleNamespace(is_elsewhere=False),
            membership=None,
            analysts=SimpleNamespace(start=lambda: self.begun.append("analysts"), stop=lambda: None),
            housekeeping=SimpleNamespace(run=does("housekeeping"), run_heavy=does("heavy")),
            cluster=self.cluster,
            speech_models=SimpleNamespace(follow=self._follow, run=does(), at_start=self._at_start),
            start_experiments=does("experiments"),
            runner=SimpleNamespace(start=does("jobs"), stop=does()),
            prober=SimpleNamespace(run=does()),
            pubsub=SimpleNamespace(close=lambda: None),
            worker_health=None,
        )

    def _does(self, name: str = "") -> Callable[..., Awaitable[None]]:
        async def work(*_: object) -> None:
            if name:
                self.begun.append(name)

        return work

    async def _at_start(self) -> SpeechModels:
        return CHOSEN

    async def _follow(self) -> None:
        self.begun.append("weights")
        if not self.weights_up:
            await asyncio.Event().wait()

    async def _start_cluster(self, _on_step: object) -> None:
        assert self.cluster.speech_models == CHOSEN
        self.cluster_begins.set()
        await self.cluster_up.wait()
        self.begun.append("cluster")


async def test_what_needs_the_ledger_alone_does_not_wait_for_a_cluster_that_never_comes_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts()
    monkeypatch.setattr(server.wiring, "build_components", parts.build)
    monkeypatch.setattr(server.app, "leave_out_what_is_there", lambda: None)  # it is about the whole process
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", metrics_port=0)
    async with AsyncExitStack() as stack:
        starting = asyncio.ensure_future(server.app._start(settings, cast(Any, None), stack))
        async with asyncio.timeout(60):
            await parts.cluster_begins.wait()
        await asyncio.sleep(0)
        assert parts.begun == EARLY
        parts.cluster_up.set()
        async with asyncio.timeout(60):
            assert await starting == ("address", "", "")
        await asyncio.sleep(0)
        assert parts.begun == [*EARLY, "cluster", "weights", "experiments", "jobs", "serving", "heavy"]


async def test_weights_that_do_not_come_up_keep_no_server_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = Parts()
    parts.weights_up = False
    parts.cluster_up.set()
    monkeypatch.setattr(server.wiring, "build_components", parts.build)
    monkeypatch.setattr(server.app, "leave_out_what_is_there", lambda: None)
    monkeypatch.setattr(server.app, "FIRST_CHANGE_S", 0.01)
    settings = Settings(data_dir=tmp_path / "data", state_dir=tmp_path / "state", metrics_port=0)
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await server.app._start(settings, cast(Any, None), stack)
        late = [part for part in parts.begun if part not in EARLY]
        assert late[:5] == ["cluster", "weights", "experiments", "jobs", "serving"]
