"""Servers that share a ledger know each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger import migrations, servers
from server.ledger.columns import Cursor, count
from server.ledger.model_comparisons import MODEL_COMPARISONS
from server.ledger.postgres import transactions
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.speech_models import SPEECH_MODELS
from server.membership import DEAD_AFTER_S, Membership
from tests.unit.ledger.makers import NOW


class Time:
    """Set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def member(postgres_url: str, time: Time) -> Iterator[Callable[[str], Membership]]:
    ledger = PostgresLedger.open(postgres_url, time, use=Use.TOGETHER)
    yield lambda folder: Membership(ledger, folder, "1.0", time)
    ledger.close()


async def living(one: Membership, time: Time) -> list[str]:
    since = time.now - timedelta(seconds=DEAD_AFTER_S)
    rows = await one._ledger.read(lambda cursor: servers.list_servers(cursor, since))
    return [row.id for row in rows]


async def test_who_joins_is_seen_until_it_leaves_or_is_silent(member: Callable[[str], Membership], time: Time) -> None:
    one, two = member("folder"), member("folder")
    for each in (one, two):
        await each.join()
        time.pass_(1)
    assert await living(one, time) == [one.id, two.id]
    time.pass_(DEAD_AFTER_S - 1)
    await two.seen()
    time.pass_(2)
    assert await living(two, time) == [two.id]
    await one.seen()
    assert one.component.detail == f"2 share the ledger; this one is {one.id}."
    assert set(await living(two, time)) == {one.id, two.id}, "it had only been slow"
    await one.leave()
    assert await living(two, time) == [two.id]


async def test_servers_with_another_folder_are_refused_while_some_live(
    member: Callable[[str], Membership], time: Time
) -> None:
    one, other = member("folder"), member("another")
    await one.join()
    with pytest.raises(Unavailable) as refused:
        await other.join()
    assert refused.value.reason == Reason.LEDGER_LOCKED
    time.pass_(DEAD_AFTER_S + 1)
    await other.join()
    assert one.joined
    with pytest.raises(Unavailable):
        await one.seen()
    assert not one.joined
    assert not one.component.healthy
    assert await living(other, time) == [other.id]


def go_back(cursor: Cursor) -> None:
    """Make it the schema of the release before."""
    cursor.execute("DELETE FROM migrations WHERE number = ?", [len(migrations.ALL)])
    for table in (SPEECH_MODELS, MODEL_COMPARISONS):
        cursor.execute(f"DROP TABLE {table.name}")


def test_an_older_schema_is_changed_while_no_other_server_uses_it(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "LOCK_WAIT_S", 0.2)
    newest = len(migrations.ALL)

    with closing(PostgresLedger.open(postgres_url, use=Use.TOGETHER)) as earlier:
        earlier.write_now(go_back)
        with pytest.raises(Unavailable) as refused:
            PostgresLedger.open(postgres_url, use=Use.TOGETHER)
        assert refused.value.reason == Reason.LEDGER_LOCKED
    one = PostgresLedger.open(postgres_url, use=Use.TOGETHER)
    with closing(one), closing(PostgresLedger.open(postgres_url, use=Use.TOGETHER)):
        assert one.write_now(lambda cursor: count(cursor, "SELECT max(number) FROM migrations")) == newest


def test_a_ledger_is_used_together_or_alone(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "LOCK_WAIT_S", 0.2)
    with closing(PostgresLedger.open(postgres_url, use=Use.TOGETHER)) as one:
        with closing(PostgresLedger.open(postgres_url, use=Use.TOGETHER)):
            pass
        with pytest.raises(Unavailable) as refused:
            PostgresLedger.open(postgres_url, use=Use.ALONE)
        assert refused.value.reason == Reason.LEDGER_LOCKED
        assert not one.is_elsewhere
    with closing(PostgresLedger.open(postgres_url, use=Use.ALONE)), pytest.raises(Unavailable):
        PostgresLedger.open(postgres_url, use=Use.TOGETHER)


def test_servers_that_start_together_on_an_older_schema_all_start(postgres_url: str) -> None:
    with closing(PostgresLedger.open(postgres_url)) as ledger:
        ledger.write_now(go_back)
    with ThreadPoolExecutor(4) as threads:
        opening = [threads.submit(PostgresLedger.open, postgres_url, use=Use.TOGETHER) for _ in range(4)]
        for each in opening:
            each.result().close()
