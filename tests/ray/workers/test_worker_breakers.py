"""Workers that keep dying open their breaker: calls fail at once, everybody is told, and answers close it again."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from models.errors import BreakerOpen, WorkerLost
from models.reasons import Reason
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.types import EngineInfo
from server.breakers.types import BreakerState
from server.ledger.columns import fetch_all
from server.ledger.types import utc_now
from server.ledger.writer import Ledger
from server.observability.metrics import Metrics
from server.records.status import Component, StatusReporter
from server.setting_groups.breakers import BreakerSettings, BreakersSettings
from server.settings import Settings
from server.wiring.upstreams import Upstreams, build_upstreams
from tests.eventually import eventually
from tests.ray.conftest import DATA, replica, replicas
from tests.ray.workers.test_gateway import works

METER = (DATA / "meter.jpg").read_bytes()
FAILURES = 3
"""Fewer than the default, since Ray takes 10 s and more to replace a worker."""
RESET_S = 10.0
READ_S = 120.0


class Guarded:
    """The guarded workers as the server builds them, with what tells people about their breakers."""

    def __init__(self, upstreams: Upstreams, ledger: Ledger, metrics: Metrics) -> None:
        self.ledger = ledger
        self.metrics = metrics
        self.breakers = upstreams.breakers
        self.vision = upstreams.breakers.get("vision_api")
        self.gateway = upstreams.gateway
        self._status = StatusReporter(
            upstreams.gateway, ledger, upstreams.assistant, upstreams.breakers, utc_now(), lambda: 0, ()
        )

    async def read(self) -> str:
        page = await self.gateway.read_picture(METER, document_type="meter", timeout_s=READ_S)
        return page.text.value

    async def worker(self) -> EngineInfo:
        """What Serve says about the vision workers."""
        [found] = [info for info in await self.gateway.engines() if info.kind == "vision"]
        return found

    async def component(self, name: str) -> Component:
        """The part of ``vestibule status`` with this name."""
        [found] = [part for part in (await self._status.report()).components if part.name == name]
        return found

    def measured(self, metric: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, {"breaker": "vision_api", **labels})

    async def changes(self) -> list[dict[str, str | int]]:
        """The events of the changes, without their time."""
        await self.breakers.drain()
        rows = await self.ledger.read(lambda cursor: fetch_all(cursor, "SELECT * FROM v_server_events ORDER BY time"))
        assert {(row["name"], row["subject"]) for row in rows} <= {("breaker_changed", "vision_api")}
        return [json.loads(row["properties"]) for row in rows]


@pytest.fixture
async def guarded(gateway: RayGateway, tmp_path: Path) -> AsyncIterator[Guarded]:
    vision = BreakerSettings(failures=FAILURES, reset_s=RESET_S)
    settings = Settings(
        data_dir=tmp_path / "data", state_dir=tmp_path / "state", breakers=BreakersSettings(vision_api=vision)
    )
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        ledger = Ledger.open(settings.ledger_path)
        stack.callback(ledger.close)
        yield Guarded(await build_upstreams(settings, ledger, metrics, gateway, stack, utc_now), ledger, metrics)


async def kill_while_it_reads(cluster: Cluster, guarded: Guarded, killed: set[int]) -> None:
    """Kill the vision worker in the middle of a picture, when Ray has replaced the one that was killed before."""
    while (  # noqa: ASYNC110 - there is no event to wait for
        {worker.pid for worker in replicas(cluster, "vision")} <= killed or not (await guarded.worker()).replicas
    ):
        await asyncio.sleep(0.2)
    victim = replica(cluster, "vision")
    reading = asyncio.create_task(guarded.read())
    await works(victim)
    victim.send_signal(signal.SIGKILL)
    killed.add(victim.pid)
    with pytest.raises(WorkerLost):
        await reading


async def test_workers_that_keep_dying_open_their_breaker_and_answers_close_it(
    cluster: Cluster, guarded: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "WATER METER" in await guarded.read()
    killed: set[int] = set()
    for failures in range(1, FAILURES + 1):
        assert guarded.vision.state is BreakerState.CLOSED
        await kill_while_it_reads(cluster, guarded, killed)
        assert guarded.vision.failure_count == failures
    assert guarded.vision.snapshot().last_failure_reason == Reason.WORKER_LOST

    began = time.monotonic()
    with pytest.raises(BreakerOpen) as refused:
        await guarded.read()
    assert time.monotonic() - began < 0.1
    assert refused.value.reason == Reason.BREAKER_OPEN
    assert 0 < (refused.value.retry_after_s or 0) <= RESET_S
    component = await guarded.component("vision")
    assert not component.healthy
    assert component.detail.endswith(f"The breaker vision_api is open, after {FAILURES} failures in a row.")
    assert guarded.measured("vestibule_breaker_open") == 1
    assert guarded.measured("vestibule_breaker_changes_total", state="open") == 1
    opened = {"old": "closed", "new": "open", "failures": FAILURES, "cause": "failures"}
    assert await guarded.changes() == [opened]
    assert "breaker_changed" in capsys.readouterr().out
    assert (await guarded.component("speech")).healthy

    await eventually(lambda: guarded.vision.admits, 2 * RESET_S)
    for state in (BreakerState.HALF_OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED):
        assert "WATER METER" in await guarded.read()
        assert guarded.breakers.get("vision_api").state is state
    assert (await guarded.component("vision")).healthy
    assert guarded.measured("vestibule_breaker_open") == 0
    assert [(one["new"], one["cause"]) for one in await guarded.changes()] == [
        ("open", "failures"),
        ("half-open", "reset_time_over"),
        ("closed", "probes_succeeded"),
    ]
    assert capsys.readouterr().out.count("breaker_changed") == 2
