"""Two servers on one database of PostgreSQL: each sees what the other one did, by a notice or by looking."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import Overloaded, Unauthenticated  # noqa: E402
from models.reasons import Reason  # noqa: E402
from ray_tasks.types import SpeechModels  # noqa: E402
from server.access.api_keys import ApiKeys  # noqa: E402
from server.access.audit import AuditTrail  # noqa: E402
from server.access.caller import Scope  # noqa: E402
from server.access.peer import parse_peer  # noqa: E402
from server.breakers.registry import Breakers  # noqa: E402
from server.breakers.types import BreakerBounds, BreakerState  # noqa: E402
from server.flows.catalogue import shipped_catalogue  # noqa: E402
from server.jobs import runner as runner_module  # noqa: E402
from server.jobs.runner import LEASE_S, JobRunner  # noqa: E402
from server.jobs.types import NOTHING, Completion, Handler  # noqa: E402
from server.ledger import api_keys, claims, flows, jobs, sessions, uploads  # noqa: E402
from server.ledger.notices import Notice  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger  # noqa: E402
from server.ledger.types import JobRow, JobState, utc_now  # noqa: E402
from server.observability.metrics import Metrics  # noqa: E402
from server.records.declared_events import DeclaredEvents  # noqa: E402
from server.records.pubsub import PubSub, Subscription, Update  # noqa: E402
from server.speech_models import choice  # noqa: E402
from server.speech_models.choice import SpeechModelChoice  # noqa: E402
from server.wiring.relay import build_relay  # noqa: E402
from tests.eventually import eventually  # noqa: E402
from tests.fakes.gateway import FakeGateway  # noqa: E402
from tests.unit.ledger.makers import after, job, session, turn, upload  # noqa: E402
from tests.unit.records.declared_samples import LOAN  # noqa: E402

PEER = parse_peer("ipv4:192.0.2.7:5000")
END_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%pg_notify%'"""


class Held(Handler):
    """Its attempts last until the test lets them go."""

    kind = "held"
    deadline_s = 600.0
    concurrency = 1

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.free = asyncio.Event()

    async def run(self, job: JobRow) -> Completion[Any]:
        self.begun.append(job.key)
        await self.free.wait()
        return NOTHING


class Server:
    """What a server has in memory, and its relay."""

    def __init__(self, url: str) -> None:
        self.ledger = PostgresLedger.open(url)
        audit = AuditTrail(bytes(32), bytes(32), utc_now)
        self.pubsub, self.flows = PubSub(), shipped_catalogue()
        self.keys = ApiKeys(self.ledger, utc_now, audit)
        self.declared = DeclaredEvents(self.ledger, FakeGateway(), utc_now, audit)
        self.breakers = Breakers(self.ledger, Metrics(), utc_now)
        self.breaker = self.breakers.build("llm_api", BreakerBounds(2, 600.0, 1))
        self.handler = Held()
        self.runner = JobRunner(self.ledger, clock=utc_now, owner=f"v1/{id(self)}", audit=audit)
        shared = SimpleNamespace(ledger=self.ledger, pubsub=self.pubsub, flows=self.flows, breakers=self.breakers)
        self.gateway = FakeGateway()
        self.models = SpeechModelChoice(self.ledger, self.gateway, audit, utc_now, "base", str)
        relay = build_relay(url, cast("Any", shared), self.runner, self.keys, self.declared, self.models)
        assert relay is not None
        self.relay = relay

    async def start(self) -> None:
        await self.keys.load()
        self.relay.start()

    async def end(self) -> None:
        await self.runner.stop(0)
        await self.keys.drain()
        await self.breakers.drain()
        await self.relay.close()
        self.ledger.close()

    def blind(self) -> None:
        """Do nothing without a notice."""
        self.relay._relay._every_s = 600.0

    def deaf(self) -> None:
        """Hear no notice any more, and look often."""
        self.relay._relay.heard = lambda notices: None  # type: ignore[method-assign]
        self.relay._relay._every_s = 0.02

    def accepts(self, key: str) -> bool:
        try:
            self.keys.verify(key, PEER)
        except Unauthenticated:
            return False
        return True


async def _started(url: str, prepare: Callable[[Server], None]) -> AsyncIterator[tuple[Server, Server]]:
    one, other = Server(url), Server(url)
    prepare(other)
    for server in (one, other):
        await server.start()
    yield one, other
    for server in (one, other):
        await server.end()


@pytest.fixture
async def servers(postgres_url: str) -> AsyncIterator[tuple[Server, Server]]:
    async for both in _started(postgres_url, Server.blind):
        yield both


@pytest.fixture(params=["by a notice", "by looking"])
async def pair(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[tuple[Server, Server]]:
    prepare = Server.deaf if request.param == "by looking" else Server.blind
    async for both in _started(postgres_url, prepare):
        yield both


@pytest.fixture
async def polling(postgres_url: str) -> AsyncIterator[tuple[Server, Server]]:
    async for both in _started(postgres_url, Server.deaf):
        yield both


async def _next(news: Subscription) -> Update:
    async with asyncio.timeout(30):
        return await anext(news)


async def _becomes(ask: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(30):
        while not await ask():  # noqa: ASYNC110 - each look reads the ledger
            await asyncio.sleep(0.01)


async def _listening(pubsub: PubSub, server: Server) -> None:
    """Wait until a server hears what another one publishes."""
    row = session()
    await server.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
    with server.pubsub.subscribe(row.id) as news:
        while not news._waiting:
            pubsub.publish(row, row.id)
            await asyncio.sleep(0.01)


async def test_each_server_sees_what_the_other_one_publishes(servers: tuple[Server, Server]) -> None:
    owner = session()
    files, said = [upload(owner.id) for _ in range(2)], turn(owner.id)
    await servers[0].ledger.write(lambda cursor: sessions.insert_or_get(cursor, owner))
    for (here, there), file in zip((servers, servers[::-1]), files, strict=True):
        await here.ledger.write(partial(uploads.insert_upload, row=file))
        await _listening(here.pubsub, there)
        with there.pubsub.subscribe(file.id, reads_again=True) as news, here.pubsub.subscribe(file.id) as own:
            here.pubsub.publish(file, owner.id, file.id)
            assert await _next(own) is file
            assert await _next(news) == file
            here.pubsub.publish(said, owner.id)
            moved = await here.ledger.write(partial(uploads.begin_attempt, upload_id=file.id, now=after(1)))
            here.pubsub.publish(moved, file.id)
            assert await _next(news) == moved
            assert len(own._waiting) == 1, "it comes once"


async def test_after_a_lost_connection_watchers_read_again_and_then_it_works(
    servers: tuple[Server, Server], postgres_url: str
) -> None:
    here, there = servers
    await _listening(here.pubsub, there)
    await _listening(there.pubsub, here)
    file = upload(session().id)
    await here.ledger.write(lambda cursor: uploads.insert_upload(cursor, file))
    with there.pubsub.subscribe(file.id, reads_again=True) as news:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            ended = connection.execute(END_OTHERS).fetchall()
        assert len(ended) == 2
        with pytest.raises(Overloaded) as caught:
            await _next(news)
    assert caught.value.reason == Reason.WATCH_LAGGED
    await _listening(here.pubsub, there)
    with there.pubsub.subscribe(file.id, reads_again=True) as news:
        here.pubsub.publish(file, file.id)
        assert await _next(news) == file


async def test_weights_that_one_server_uses_are_used_by_the_other(
    pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    monkeypatch.setattr(choice, "LOOK_EVERY_S", 600.0)
    following = asyncio.create_task(there.models.run())
    await here.models.use("small")
    await eventually(lambda: there.models.weights == "small")
    assert there.gateway.models == here.gateway.models == SpeechModels("small")
    following.cancel()
    await asyncio.wait([following])


async def test_a_key_is_known_and_refused_by_both(pair: tuple[Server, Server]) -> None:
    here, there = pair
    row, key = await here.keys.create(client_id="shop", scopes=[Scope.APP], label="", expire_time=None)
    await eventually(lambda: there.accepts(key))
    _, new = await here.keys.rotate(row.id, timedelta(0))
    await eventually(lambda: there.accepts(new) and not there.accepts(key))
    await here.keys.revoke(new.split("_")[1])
    await eventually(lambda: not there.accepts(new))


async def test_times_of_the_last_use_are_the_latest_of_both(pair: tuple[Server, Server]) -> None:
    here, there = pair
    row, key = await here.keys.create(client_id="shop", scopes=[Scope.APP], label="", expire_time=None)
    await eventually(lambda: there.accepts(key))
    used = there.keys.list_keys(include_closed=True)[0].last_use_time
    await there.keys.load()  # perhaps before its write
    assert there.keys.list_keys(include_closed=True)[0].last_use_time == used
    await there.keys.drain()
    await here.ledger.write(lambda cursor: api_keys.set_last_use(cursor, row.id, after(-1_000_000)))
    await here.keys.load()
    assert here.keys.list_keys(include_closed=True)[0].last_use_time == used


async def test_declared_events_are_known_to_both(pair: tuple[Server, Server]) -> None:
    here, there = pair
    assert not await there.declared.of_client("shop")
    await here.declared.declare("shop", LOAN, words_checked=True, dry_run=False)

    async def known() -> bool:
        return set(await there.declared.of_client("shop")) == set(LOAN)

    await _becomes(known)


async def test_a_version_of_a_flow_that_another_server_brings_is_known(pair: tuple[Server, Server]) -> None:
    here, there = pair
    flow = there.flows.default.model_copy(update={"version": 7})
    await here.ledger.write(lambda cursor: flows.keep(cursor, [flow], utc_now()))
    await here.ledger.write(
        lambda cursor: (
            cursor.execute(
                "INSERT INTO flows (name, version, digest, content, create_time) VALUES ('later', 1, '', ?, ?)",
                ['{"name": "later", "of_a_later_release": 1}', after(0).replace(tzinfo=None)],
            )
            and None
        )
    )
    here.relay._notices.tell(Notice("flows"))  # as it does when it starts
    await eventually(lambda: any(each.version == 7 for each in there.flows.known))
    assert there.flows.get(flow.name, 7).content == flow.content
    assert there.flows.default.version != 7, "new sessions get what this server's files have"


async def test_an_operator_trips_and_resets_a_breaker_for_both(pair: tuple[Server, Server]) -> None:
    here, there = pair
    here.breaker.trip()
    await eventually(lambda: there.breaker.state is BreakerState.OPEN)
    here.breaker.reset()
    await eventually(lambda: there.breaker.state is BreakerState.CLOSED)


async def _idle(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start a runner, and wait until it waits to be woken; the lease of what the other one runs is long."""
    pauses: list[float | None] = []
    wait = runner_module._wait

    async def noted(event: asyncio.Event, timeout_s: float | None) -> None:
        if event is server.runner._woken:
            pauses.append(timeout_s)
        await wait(event, timeout_s)

    monkeypatch.setattr(runner_module, "_wait", noted)
    await server.runner.start([server.handler])
    await eventually(lambda: pauses and (pauses[-1] is None or pauses[-1] > LEASE_S / 2))


async def test_a_job_for_which_its_server_has_no_room_runs_on_the_other_one(
    pair: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    await here.runner.start([here.handler])
    await here.runner.enqueue(kind="held", key="first", session_id="", payload={}, policy="network")
    await eventually(lambda: here.handler.begun == ["first"])
    await _idle(there, monkeypatch)
    await here.runner.enqueue(kind="held", key="second", session_id="", payload={}, policy="network")
    await eventually(lambda: there.handler.begun == ["second"], LEASE_S / 3)  # without a word it looks later
    assert here.handler.begun == ["first"]


async def test_a_job_of_a_server_that_died_is_found_when_its_lease_ends(
    polling: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, there = polling
    row = job("", kind="held", key="left")
    dead = 0.3

    def die(cursor: Any) -> None:
        jobs.insert_job(cursor, row)
        claims.claim(cursor, "v1/dead", utc_now(), dead, 1, ("held",))

    await _idle(there, monkeypatch)
    await there.ledger.write(die)
    await eventually(lambda: there.handler.begun == ["left"])
    there.handler.free.set()

    async def done() -> bool:
        return (await there.ledger.read(lambda cursor: jobs.get(cursor, row.id))).state is JobState.DONE

    await _becomes(done)
