"""Two servers on one PostgreSQL and one folder: a stream goes on at the other one, and belongs to one of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Conflict, NotFound, ShuttingDown, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger import erasure, streams
from server.ledger.columns import Cursor
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.streaming import events
from server.streaming.held_streams import END_S, HELD_S, RENEW_S
from server.streaming.stream_manager import OpenStream
from tests.unit.streaming.conversation_harness import NOW, chunks, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, endless, talk, until

FIRST = speech(1.0) + quiet(0.5)
WHOLE = FIRST + speech(1.0) + quiet(0.5)


class Servers:
    """Two of them, ``one`` and ``two``."""

    def __init__(self, url: str, folder: Path) -> None:
        self.ledgers = [PostgresLedger.open(url, lambda: NOW, use=Use.TOGETHER) for _ in range(2)]
        self.one, self.two = (StreamHarness(folder, shared=ledger) for ledger in self.ledgers)
        self.config = self.one.config

    def close(self) -> None:
        for ledger in self.ledgers:
            ledger.close()

    def pass_time(self, seconds: float) -> None:
        for server in (self.one, self.two):
            server.now += timedelta(seconds=seconds)


@pytest.fixture
def servers(postgres_url: str, tmp_path: Path) -> Iterator[Servers]:
    built = Servers(postgres_url, tmp_path)
    yield built
    built.close()


async def finals_of(server: StreamHarness, stream: OpenStream, audio: bytes) -> list[int]:
    """Say the rest of a stream; the numbers of the utterances that were finished."""
    outputs = [output async for output in talk(stream).run(chunks(audio, start=stream.next_offset))]
    return [output.turn.utterance for output in outputs if isinstance(output, events.Final)]


async def follow(stream: OpenStream, ended: asyncio.Future[str], final: asyncio.Event | None = None) -> None:
    """Be a client whose connection hangs: it says something, and then nothing."""
    try:
        async for output in talk(stream).run(endless(FIRST)):
            if final is not None and isinstance(output, events.Final):
                final.set()
    except VestibuleError as error:
        ended.set_result(str(error.reason))


async def test_a_stream_that_broke_goes_on_at_another_server(servers: Servers) -> None:
    async with servers.one.streams.open(servers.config) as stream:
        await until(stream, endless(FIRST), events.Final)
    async with servers.two.streams.open(replace(servers.config, resume_token=stream.token)) as again:
        assert 0 < again.next_offset <= len(FIRST)
        assert await finals_of(servers.two, again, WHOLE) == [1]
    assert [turn.utterance for turn in await servers.one.turns()] == [0, 1]
    assert not servers.one.spool.log_ids(), "the other server has deleted it"
    assert servers.two.waited == 0


async def test_a_server_ends_what_was_resumed_at_another_one(servers: Servers) -> None:
    one, two = servers.one, servers.two
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hang() -> None:
        async with one.streams.open(servers.config) as stream:
            opened.set_result(stream)
            await follow(stream, ended, final)

    final = asyncio.Event()
    opened: asyncio.Future[OpenStream] = asyncio.get_running_loop().create_future()
    hanging = asyncio.create_task(hang())
    stream = await opened
    await final.wait()

    async def look() -> None:
        await one.held.round()
        await asyncio.wait([hanging])

    two.while_waiting = look
    async with two.streams.open(replace(servers.config, resume_token=stream.token)) as again:
        assert await ended == Reason.STREAM_TAKEN_OVER
        assert two.waited == 1, "the log was in use until the other server looked"
        assert await finals_of(two, again, WHOLE) == [1]
    assert [turn.utterance for turn in await one.turns()] == [0, 1]


async def test_a_log_that_stays_in_use_is_not_appended_to_by_a_second_server(servers: Servers) -> None:
    one, two = servers.one, servers.two
    async with one.streams.open(servers.config) as stream:
        with pytest.raises(Conflict) as refused:
            async with two.streams.open(replace(servers.config, resume_token=stream.token)):
                pass
        assert refused.value.reason == Reason.STREAM_IN_USE
        with pytest.raises(Conflict):
            two.spool.open_log(stream.id)
    async with two.streams.open(replace(servers.config, resume_token=stream.token)) as again:
        assert await finals_of(two, again, WHOLE) == [0, 1]


async def test_a_stream_that_another_server_has_by_now_is_not_closed(servers: Servers) -> None:
    one = servers.one
    async with one.streams.open(servers.config) as stream:
        outputs = [output async for output in talk(stream).run(chunks(WHOLE))]
        assert sum(isinstance(output, events.Final) for output in outputs) == 2

        def take(cursor: Cursor) -> None:
            assert streams.hold(cursor, stream.id, "another", NOW + timedelta(seconds=HELD_S))

        await servers.two.ledger.write(take)
    row = await one.ledger.read(lambda cursor: streams.get(cursor, stream.id))
    assert (row.open, row.holder) == (True, "another")
    assert one.spool.has_log(stream.id)


async def test_who_does_not_have_a_stream_any_more_stores_nothing_for_it(servers: Servers) -> None:
    one = servers.one
    async with one.streams.open(servers.config) as stream:

        def take(cursor: Cursor) -> None:
            streams.hold(cursor, stream.id, "another", NOW + timedelta(seconds=HELD_S))

        await servers.two.ledger.write(take)
        with pytest.raises(Conflict) as refused:
            await until(stream, endless(FIRST), events.Final)
        assert refused.value.reason == Reason.STREAM_TAKEN_OVER
    assert not await one.turns()
    row = await one.ledger.read(lambda cursor: streams.get(cursor, stream.id))
    assert row.holder == "another", "who leaves does not take it away"
    assert one.spool.has_log(stream.id)


async def test_a_held_stream_is_renewed_and_counts_as_broken_once_its_server_is_dead(servers: Servers) -> None:
    one, two = servers.one, servers.two

    async def held() -> set[str]:
        return set(await two.ledger.read(lambda cursor: streams.held(cursor, two.now)))

    async with one.streams.open(servers.config) as stream:
        assert await held() == {stream.id}
        for _ in range(9):
            servers.pass_time(RENEW_S)
            await one.held.round()
        assert await held() == {stream.id}
        servers.pass_time(HELD_S)
        assert await held() == set()
        await one.held.round()
        assert await held() == {stream.id}
    assert await held() == set()


async def test_the_streams_of_an_erased_session_end_at_each_server(servers: Servers) -> None:
    one = servers.one
    async with one.streams.open(servers.config) as stream:
        ids = frozenset({servers.config.session_id})
        await servers.two.ledger.write(lambda cursor: erasure.erase(cursor, ids, frozenset()))
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        following = asyncio.create_task(follow(stream, ended))
        await one.held.round()
        assert await ended in (Reason.SESSION_ERASED, Reason.SESSION_NOT_FOUND, Reason.STREAM_NOT_FOUND)
        await following


async def test_streams_end_when_their_server_does_not_reach_the_ledger_for_long(servers: Servers) -> None:
    one = servers.one
    with pytest.raises(ShuttingDown):  # of the ledger, when the stream is left
        async with one.streams.open(servers.config) as stream:
            ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            following = asyncio.create_task(follow(stream, ended))
            await one.held.round()
            servers.ledgers[0].close()
            for seconds in (END_S - 1, 2.0):
                assert not ended.done()
                servers.pass_time(seconds)
                one.held.expire()
                with pytest.raises(Unavailable):
                    await one.held.round()
            assert await ended == Reason.LEDGER_IO
            await following


def test_a_sweep_leaves_what_another_server_is_about_to_store(servers: Servers) -> None:
    spool, stored, old = servers.one.spool, str(uuid4()), str(uuid4())
    for name in (stored, old):
        spool.put(name, [b"a picture"])
    os.utime(spool.folder / old, (1, 1))
    assert servers.two.spool.of_others([stored, old, str(uuid4())]) == {stored}


def test_what_other_servers_write_is_counted(servers: Servers) -> None:
    one, two = servers.one.spool, servers.two.spool
    one.put(str(uuid4()), [bytes(1000)])
    assert two.usage.used_bytes == 0
    two.recount()
    assert two.usage.used_bytes == one.usage.used_bytes > 1000
    with one.open_log(str(uuid4())) as log:
        log.append(bytes(5000))
    two.recount()
    assert two.usage.used_bytes == one.usage.used_bytes > 6000


def test_a_log_that_is_opened_while_files_are_counted_can_be_appended_to(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, stream_id = servers.one.spool, str(uuid4())
    sizes = spool._log_sizes()
    monkeypatch.setattr(spool, "_log_sizes", lambda: sizes)
    with spool.open_log(stream_id) as log:
        spool.recount()
        log.append(b"audio")
    spool.recount()
    with pytest.raises(NotFound):
        spool.logs.add(stream_id, 1)
