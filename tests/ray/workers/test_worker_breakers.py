"""Workers that keep dying open their breaker: calls fail at once, everybody is told, and answers close it again.

If they die under the calls of one client alone, that client's calls are paused, until the workers pass a check.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from models.errors import BreakerOpen, WorkerLost
from models.media.audio_decoder import decode
from models.media.clean import MediaLimits, clean
from models.reasons import Reason
from models.redaction.types import RedactionScope
from models.text import RedactedText
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.types import EngineInfo, SpeechWindow
from server.breakers.suspects import suspecting
from server.breakers.types import BreakerState
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from server.observability.metrics import Metrics
from server.records.status import Component, StatusReporter
from server.setting_groups.breakers import BreakerSettings, BreakersSettings
from server.settings import Settings
from server.wiring.upstreams import Upstreams, build_upstreams
from tests.eventually import eventually
from tests.fakes.gateway import recording_source
from tests.ray.conftest import DATA, replica, replicas
from tests.ray.workers.test_gateway import works

METER = (DATA / "meter.jpg").read_bytes()
VISIT = clean((DATA / "visit.wav").read_bytes(), MediaLimits()).content
FAILURES = 2
"""Fewer than the default, since Ray takes 10 s and more to replace a worker."""
RESET_S = 20.0
READ_S = 240.0
ONE = "one"
"""A client."""


class Guarded:
    """The guarded workers of one kind as the server builds them, with what tells people about their breaker."""

    def __init__(self, kind: str, upstreams: Upstreams, ledger: EmbeddedLedger, metrics: Metrics) -> None:
        self.kind = kind
        self.name = f"{kind}_worker"
        self.ledger = ledger
        self.metrics = metrics
        self.breakers = upstreams.breakers
        self.breaker = upstreams.breakers.get(self.name)
        self.prober = upstreams.prober
        self.gateway = upstreams.gateway
        self._clients = count()
        self._status = StatusReporter(
            upstreams.gateway, ledger, upstreams.assistant, upstreams.breakers, utc_now(), lambda: 0, ()
        )

    async def read(self, client: str = "") -> None:
        """Have the test's picture or recording read, each time for another client if none is given."""
        text = (await self._read(METER, client)).value
        assert "water meter" in text.lower()

    async def read_long(self, dense: bytes, client: str = "") -> None:
        """The same with what takes long: a recording, or a dense page."""
        await self._read(dense, client)

    async def _read(self, picture: bytes, client: str) -> RedactedText:
        scope = RedactionScope(client or f"client-{next(self._clients)}", "session")
        return await (self._picture(picture, scope) if self.kind == "vision" else self._recording(scope))

    async def _picture(self, picture: bytes, scope: RedactionScope) -> RedactedText:
        return (await self.gateway.read_picture(picture, document_type="meter", timeout_s=READ_S, scope=scope)).text

    async def _recording(self, scope: RedactionScope) -> RedactedText:
        source = recording_source(VISIT)
        return (await self.gateway.read_recording(source, language="en", timeout_s=READ_S, scope=scope)).text

    async def worker(self) -> EngineInfo:
        """What Serve says about the workers."""
        [found] = [info for info in await self.gateway.engines() if info.kind == self.kind]
        return found

    async def component(self, name: str) -> Component:
        """The part of ``vestibule status`` with this name."""
        [found] = [part for part in (await self._status.report()).components if part.name == name]
        return found

    def measured(self, metric: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(metric, {"breaker": self.name, **labels})

    async def changes(self) -> list[dict[str, str | int]]:
        """The events of the changes, without their time."""
        await self.breakers.drain()
        rows = await self.ledger.read(lambda cursor: fetch_all(cursor, "SELECT * FROM v_server_events ORDER BY time"))
        assert {(row["name"], row["subject"]) for row in rows} <= {("breaker_changed", self.name)}
        return [json.loads(row["properties"]) for row in rows]


@asynccontextmanager
async def guarded(kind: str, gateway: RayGateway, folder: Path) -> AsyncIterator[Guarded]:
    quick = BreakerSettings(failures=FAILURES, reset_s=RESET_S)
    settings = Settings(
        data_dir=folder / "data", state_dir=folder / "state", breakers=BreakersSettings(**{f"{kind}_worker": quick})
    )
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        ledger = EmbeddedLedger.open(settings.ledger_path)
        stack.callback(ledger.close)
        yield Guarded(kind, await build_upstreams(settings, ledger, metrics, gateway, stack, utc_now), ledger, metrics)


async def until_replaced(cluster: Cluster, workers: Guarded, killed: set[int]) -> None:
    """Wait until Ray has replaced the worker that was killed before."""
    while (  # noqa: ASYNC110 - there is no event to wait for
        {worker.pid for worker in replicas(cluster, workers.kind)} <= killed or not (await workers.worker()).replicas
    ):
        await asyncio.sleep(0.2)


async def kill_while_it_reads(
    cluster: Cluster, workers: Guarded, killed: set[int], dense: bytes, client: str = ""
) -> None:
    """Kill the worker in the middle of a file."""
    await until_replaced(cluster, workers, killed)
    victim = replica(cluster, workers.kind)
    reading = asyncio.create_task(workers.read_long(dense, client))
    await works(victim)
    victim.send_signal(signal.SIGKILL)
    killed.add(victim.pid)
    with pytest.raises(WorkerLost):
        await reading


@pytest.mark.parametrize(("kind", "other"), [("vision", "speech"), ("speech", "vision")])
async def test_workers_that_keep_dying_open_their_breaker_and_answers_close_it(
    kind: str,
    other: str,
    cluster: Cluster,
    gateway: RayGateway,
    dense: bytes,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with guarded(kind, gateway, tmp_path) as workers:
        await workers.read()
        killed: set[int] = set()
        for failures in range(1, FAILURES + 1):
            assert workers.breaker.state is BreakerState.CLOSED
            await kill_while_it_reads(cluster, workers, killed, dense)
            assert workers.breaker.failure_count == failures
        assert workers.breaker.snapshot().last_failure_reason == Reason.WORKER_LOST
        await is_open_and_everybody_is_told(workers, other)
        assert "breaker_changed" in capsys.readouterr().out
        await answers_close_it(workers)
        assert capsys.readouterr().out.count("breaker_changed") == 2


async def is_open_and_everybody_is_told(workers: Guarded, other: str) -> None:
    began = time.monotonic()
    with pytest.raises(BreakerOpen) as refused:
        await workers.read()
    assert time.monotonic() - began < RESET_S / 2
    assert refused.value.reason == Reason.BREAKER_OPEN
    assert 0 < (refused.value.retry_after_s or 0) <= RESET_S
    component = await workers.component(workers.kind)
    assert not component.healthy
    assert component.detail.endswith(f"The breaker {workers.name} is open, after {FAILURES} failures in a row.")
    assert workers.measured("vestibule_breaker_open") == 1
    assert workers.measured("vestibule_breaker_changes_total", state="open") == 1
    opened = {"old": "closed", "new": "open", "failures": FAILURES, "cause": "failures"}
    assert await workers.changes() == [opened]
    assert (await workers.component(other)).healthy


async def answers_close_it(workers: Guarded) -> None:
    await eventually(lambda: workers.breaker.admits, 2 * RESET_S)
    for state in (BreakerState.HALF_OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED):
        await workers.read()
        assert workers.breakers.get(workers.name).state is state
    assert (await workers.component(workers.kind)).healthy
    assert workers.measured("vestibule_breaker_open") == 0
    assert [(one["new"], one["cause"]) for one in await workers.changes()] == [
        ("open", "failures"),
        ("half-open", "reset_time_over"),
        ("closed", "probes_succeeded"),
    ]


async def test_workers_that_die_under_one_client_pause_that_client_until_they_pass_a_check(
    cluster: Cluster, gateway: RayGateway, dense: bytes, tmp_path: Path
) -> None:
    async with guarded("vision", gateway, tmp_path) as workers:
        killed: set[int] = set()
        for _ in range(FAILURES):
            await kill_while_it_reads(cluster, workers, killed, dense, ONE)
        assert workers.breaker.state is BreakerState.CLOSED
        with pytest.raises(BreakerOpen, match="while this client used it"):
            await workers.read(ONE)
        assert workers.measured("vestibule_paused_clients") == 1
        await until_replaced(cluster, workers, killed)
        await workers.prober.tick()
        await workers.read(ONE)
        await workers.read()
        assert await workers.changes() == []


async def test_a_call_of_a_stream_beside_a_suspect_is_known_and_answered_by_the_next_worker(
    cluster: Cluster, gateway: RayGateway, tmp_path: Path
) -> None:
    async with guarded("speech", gateway, tmp_path) as workers:
        await until_replaced(cluster, workers, set())
        victim = replica(cluster, "speech")
        with suspecting(True) as suspicion:
            reading = asyncio.create_task(workers.read())
        await works(victim)
        window = SpeechWindow(
            decode((DATA / "visit.wav").read_bytes()).tobytes(), final=True, scope=RedactionScope("app", "stream")
        )
        hearing = asyncio.create_task(workers.gateway.speech_step(window, timeout_s=READ_S))
        await asyncio.sleep(0)
        victim.send_signal(signal.SIGKILL)
        with pytest.raises(WorkerLost):
            await reading
        assert workers.breaker.failure_count == 0, "a suspect counts as nothing"
        assert [(call.scope.session_id, call.answered) for call in suspicion.beside] == [("stream", False)]
        assert "water meter" in (await hearing).text.value.lower()
        assert [call.answered for call in suspicion.beside] == [True]
