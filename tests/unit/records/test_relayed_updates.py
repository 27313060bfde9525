"""What one server publishes reaches the subscribers of another one, by a wire that the test holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from models.errors import Overloaded, Unavailable
from models.reasons import Reason
from server.ledger import recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.notices import Notice
from server.ledger.types import Origin, SessionRow
from server.records import relayed_updates
from server.records.pubsub import LateReply, PubSub, Subscription, Update
from server.records.relayed_updates import RelayedUpdates
from tests.eventually import eventually
from tests.unit.ledger.makers import NOW, after, recommendation, redacted, session, turn, upload
from tests.unit.ledger.migrated import open_ledger

SESSION = session()
UPLOAD, TURN, PROPOSED = upload(SESSION.id), turn(SESSION.id), recommendation(SESSION.id)


class Wire:
    """Brings the notices of one server to the other one."""

    def __init__(self) -> None:
        self.told: list[Notice] = []
        self.to: Callable[[Notice], None] = lambda notice: None

    def tell(self, notice: Notice) -> None:
        self.told.append(notice)
        self.to(notice)


class Slow:
    """A ledger whose next reads fail, or wait."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self._ledger = ledger
        self.reads = 0
        self.failures = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def read(self, fn: Callable[[Cursor], Any]) -> Any:
        self.reads += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("Away.", reason=Reason.LEDGER_IO)
        found = await self._ledger.read(fn)
        await self.go_on.wait()
        return found


class Servers:
    """Two servers on one ledger: what ``here`` publishes, ``there`` follows."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger
        self.slow = cast("Any", Slow(ledger))
        self.here, self.there, self.wire = PubSub(), PubSub(), Wire()
        self.paused_s: list[float] = []
        RelayedUpdates(self.slow, self.here, self.wire)
        self.updates = RelayedUpdates(self.slow, self.there, Wire(), self._pause)
        self.wire.to = self.updates.heard

    async def _pause(self, seconds: float) -> None:
        self.paused_s.append(seconds)


def _store(cursor: Cursor) -> None:
    sessions.insert_or_get(cursor, SESSION)
    uploads.insert_upload(cursor, UPLOAD)
    turns.insert_turn(cursor, TURN)
    recommendations.insert_recommendation(cursor, PROPOSED)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    opened.write_now(_store)
    yield opened
    opened.close()


@pytest.fixture
async def servers(ledger: EmbeddedLedger) -> AsyncIterator[Servers]:
    made = Servers(ledger)
    yield made
    await made.updates.close()


async def _next(news: Subscription) -> Update:
    async with asyncio.timeout(30):
        return await anext(news)


async def test_every_kind_of_update_arrives_as_the_ledger_has_it(servers: Servers) -> None:
    reply = redacted("We call you.")
    await servers.ledger.write(lambda cursor: turns.set_reply(cursor, TURN.id, reply, Origin.MODEL))
    stored: list[Update] = [
        await servers.ledger.read(lambda cursor: sessions.get(cursor, SESSION.id)),
        UPLOAD,
        PROPOSED,
        await servers.ledger.read(lambda cursor: turns.get(cursor, TURN.id)),
        LateReply(TURN.id, reply, Origin.MODEL),
    ]
    with servers.there.subscribe(SESSION.id) as news:
        for update, found in zip((SESSION, UPLOAD, PROPOSED, TURN, stored[4]), stored, strict=True):
            servers.here.publish(update, SESSION.id)
            assert await _next(news) == found


async def test_a_notice_has_no_text(servers: Servers) -> None:
    for update in (SESSION, UPLOAD, PROPOSED, TURN, LateReply(TURN.id, redacted("secret"), Origin.MODEL)):
        servers.here.publish(update, SESSION.id, UPLOAD.id)
    ids = {SESSION.id, UPLOAD.id, TURN.id, PROPOSED.id}
    assert {notice.id for notice in servers.wire.told} == ids
    assert {topic for notice in servers.wire.told for topic in notice.topics} == {SESSION.id, UPLOAD.id}
    assert {notice.kind for notice in servers.wire.told} == {
        "session",
        "upload",
        "recommendation",
        "turn",
        "late_reply",
    }


async def test_what_nobody_follows_is_not_read(servers: Servers) -> None:
    servers.here.publish(UPLOAD, SESSION.id, UPLOAD.id)
    with servers.there.subscribe("another"):
        servers.here.publish(UPLOAD, SESSION.id, UPLOAD.id)
        servers.updates.heard(Notice("of_a_later_release", "x", ("another",)))
        await asyncio.sleep(0)
    assert servers.slow.reads == 0


async def test_only_followed_topics_get_it_and_an_erased_row_is_passed_over(servers: Servers) -> None:
    with servers.there.subscribe(UPLOAD.id) as news, servers.there.subscribe(SESSION.id) as other:
        servers.updates.heard(Notice("turn", "erased", (UPLOAD.id,)))
        servers.here.publish(UPLOAD, UPLOAD.id)
        assert await _next(news) == UPLOAD
        assert not other._waiting


async def test_a_state_that_was_read_before_a_newer_one_was_published_here_does_not_replace_it(
    servers: Servers,
) -> None:
    with servers.there.subscribe(UPLOAD.id) as news:
        servers.slow.go_on.clear()
        servers.here.publish(UPLOAD, UPLOAD.id)
        await eventually(lambda: servers.slow.reads == 1)
        newer = await servers.ledger.write(lambda cursor: uploads.begin_attempt(cursor, UPLOAD.id, after(1)))
        servers.there.publish(newer, UPLOAD.id)
        servers.slow.go_on.set()
        await eventually(lambda: servers.slow.reads == 2 and not servers.updates._waiting)
        assert list(news._waiting.values()) == [newer]


async def test_what_changes_while_it_is_read_is_read_again(servers: Servers) -> None:
    with servers.there.subscribe(UPLOAD.id) as news:
        servers.slow.go_on.clear()
        servers.here.publish(UPLOAD, UPLOAD.id)
        await eventually(lambda: servers.slow.reads == 1)
        newer = await servers.ledger.write(lambda cursor: uploads.begin_attempt(cursor, UPLOAD.id, after(1)))
        servers.here.publish(newer, UPLOAD.id)
        servers.slow.go_on.set()
        await eventually(lambda: list(news._waiting.values()) == [newer])


async def test_who_watches_what_was_erased_reads_again(servers: Servers) -> None:
    with servers.there.subscribe(SESSION.id, reads_again=True) as news, servers.there.subscribe(SESSION.id) as other:
        servers.updates.heard(Notice("session", "erased", (SESSION.id,)))
        with pytest.raises(Overloaded):
            await _next(news)
        assert not other._waiting


async def test_more_notices_than_may_wait_while_some_are_read_do_no_harm(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relayed_updates, "MOST_WAITING", 0)
    with servers.there.subscribe(UPLOAD.id) as news:
        servers.updates._waiting["upload", UPLOAD.id] = {UPLOAD.id}
        servers.slow.go_on.clear()
        servers.updates._begin()
        await eventually(lambda: servers.slow.reads == 1)
        servers.here.publish(UPLOAD, UPLOAD.id)
        servers.slow.go_on.set()
        assert await _next(news) == UPLOAD
        await eventually(lambda: servers.updates._work is not None and servers.updates._work.done())
        assert servers.updates._work is not None
        assert servers.updates._work.exception() is None


async def test_a_ledger_that_does_not_answer_is_asked_again(servers: Servers) -> None:
    servers.slow.failures = 3
    with servers.there.subscribe(UPLOAD.id) as news:
        servers.here.publish(UPLOAD, UPLOAD.id)
        assert await _next(news) == UPLOAD
    assert servers.paused_s == [relayed_updates.PAUSE_S] * 3


async def test_after_a_loss_watchers_read_again_and_all_others_get_the_state(servers: Servers) -> None:
    failed = await servers.ledger.write(lambda cursor: uploads.fail(cursor, UPLOAD.id, after(1), "TOO_LARGE"))
    with (
        servers.there.subscribe(SESSION.id, reads_again=True) as watcher,
        servers.there.subscribe(SESSION.id) as waiting,
        servers.there.subscribe(UPLOAD.id, reads_again=True) as watcher_of_upload,
    ):
        servers.updates.missed()
        for lagged in (watcher, watcher_of_upload):
            with pytest.raises(Overloaded) as caught:
                await _next(lagged)
            assert caught.value.reason == Reason.WATCH_LAGGED
        state = await _next(waiting)
        assert isinstance(state, SessionRow)
        assert state.id == SESSION.id
        assert await _next(waiting) == failed
    with servers.there.subscribe(SESSION.id, reads_again=True) as news:
        servers.here.publish(UPLOAD, SESSION.id)
        assert await _next(news) == failed, "the row is read"


async def test_more_notices_than_may_wait_count_as_lost(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relayed_updates, "MOST_WAITING", 2)
    with servers.there.subscribe(SESSION.id, reads_again=True) as watcher:
        for number in range(3):
            servers.updates.heard(Notice("turn", str(number), (SESSION.id,)))
        with pytest.raises(Overloaded):
            await _next(watcher)
