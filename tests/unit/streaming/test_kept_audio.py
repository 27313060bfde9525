"""The audio that is kept for the streams of one client is bounded, and its neighbours notice nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import Overloaded
from models.reasons import Reason
from models.text import RawText
from server.streaming import events
from server.streaming.stream_config import StreamConfig
from server.uploads.spool import Spool
from server.uploads.usage import LogBounds
from tests.unit.streaming.conversation_harness import chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, endless, talk, until

SAID = speech(1.0) + quiet(0.5)
TWO_TALKS = LogBounds(size_bytes=int(2.5 * len(SAID)))


@pytest.fixture
def bounded(tmp_path: Path) -> Iterator[StreamHarness]:
    harness = StreamHarness(tmp_path, client_logs=TWO_TALKS)
    yield harness
    harness.ledger.close()


async def broken_talk(harness: StreamHarness, config: StreamConfig) -> str:
    """Open a stream, say something and vanish; returns the token of the stream."""
    async with harness.streams.open(config) as stream:
        await until(stream, endless(SAID), events.Final)
    return stream.token


async def whole_talk(harness: StreamHarness, config: StreamConfig) -> int:
    """Say something and half-close; returns the number of finals."""
    async with harness.streams.open(config) as stream:
        outputs = [o async for o in talk(stream).run(chunks(SAID))]
    return sum(isinstance(o, events.Final) for o in outputs)


async def refusal(harness: StreamHarness, config: StreamConfig) -> Overloaded:
    with pytest.raises(Overloaded) as refused:
        await whole_talk(harness, config)
    return refused.value


def refused_streams(harness: StreamHarness) -> float | None:
    labels: dict[str, str] = {"reason": Reason.CLIENT_AUDIO_FULL}
    return harness.metrics.registry.get_sample_value("vestibule_refused_streams_total", labels)


async def test_a_stream_ends_when_its_client_has_filled_its_share_and_the_neighbour_goes_on(
    bounded: StreamHarness,
) -> None:
    for _ in range(2):
        await broken_talk(bounded, bounded.config)
    kept = sum(file.stat().st_size for file in bounded.spool.folder.iterdir())
    error = await refusal(bounded, bounded.config)
    assert (error.reason, error.retry_after_s) == (Reason.CLIENT_AUDIO_FULL, None), "waiting alone makes no room soon"
    assert "half-close" in error.hint
    assert TWO_TALKS.size_bytes is not None
    assert kept < sum(file.stat().st_size for file in bounded.spool.folder.iterdir()) <= TWO_TALKS.size_bytes
    neighbour = bounded.session_of("neighbour")
    for _ in range(2):
        assert await whole_talk(bounded, neighbour) == 1


async def test_a_full_client_opens_no_stream_until_it_half_closes_a_broken_one(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path, client_logs=LogBounds(logs=2))
    tokens = [await broken_talk(harness, harness.config) for _ in range(2)]
    stored = await harness.ledger.read(lambda cursor: cursor.execute("SELECT count(*) FROM streams").fetchall())
    assert (await refusal(harness, harness.config)).reason == Reason.CLIENT_AUDIO_FULL
    assert refused_streams(harness) == 1.0
    again = await harness.ledger.read(lambda cursor: cursor.execute("SELECT count(*) FROM streams").fetchall())
    assert again == stored, "a refused stream has no row"
    assert await whole_talk(harness, harness.session_of("neighbour")) == 1
    async with harness.streams.open(replace(harness.config, resume_token=tokens[0])) as stream:
        assert stream.next_offset == len(SAID)
        [o async for o in talk(stream).run(these())]
    assert await whole_talk(harness, harness.config) == 1
    harness.ledger.close()


async def test_a_stream_over_the_share_is_resumed_and_finished_without_new_audio(bounded: StreamHarness) -> None:
    token = await broken_talk(bounded, bounded.config)
    async with bounded.streams.open(replace(bounded.config, resume_token=token)) as stream:
        with pytest.raises(Overloaded, match="Too much audio"):
            [o async for o in talk(stream).run(chunks(SAID * 3, start=stream.next_offset))]
    async with bounded.streams.open(replace(bounded.config, resume_token=token)) as stream:
        assert stream.next_offset > len(SAID), "what came before the refusal is kept"
        outputs = [o async for o in talk(stream).run(these(events.TextIn(RawText("Hello."))))]
    assert any(isinstance(o, events.Final) for o in outputs)
    assert not bounded.spool.log_ids()
    assert await whole_talk(bounded, bounded.config) == 1


async def test_streams_without_audio_take_none_of_the_places(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path, client_logs=LogBounds(size_bytes=int(1.5 * len(SAID)), logs=1))
    typed = replace(harness.config, encoding="UNSPECIFIED")
    tokens = []
    for _ in range(3):
        async with harness.streams.open(harness.config) as stream:
            assert harness.spool.log_ids()
            tokens.append(stream.token)
    assert not harness.spool.log_ids(), "a phone that closes before it said anything leaves nothing"
    assert harness.spool.usage.used_bytes == 0
    await broken_talk(harness, harness.config)
    assert (await refusal(harness, harness.config)).reason == Reason.CLIENT_AUDIO_FULL
    hello = events.TextIn(RawText("Hello."))
    for config in (typed, replace(harness.config, resume_token=tokens[0])):
        async with harness.streams.open(config) as stream:
            outputs = [o async for o in talk(stream).run(these(hello))]
        assert any(isinstance(o, events.Final) for o in outputs), "typed words need no room"
    async with harness.streams.open(replace(harness.config, resume_token=tokens[1])) as stream:
        assert stream.next_offset == 0
        with pytest.raises(Overloaded, match="Too much audio"):
            [o async for o in talk(stream).run(chunks(SAID))]
    harness.ledger.close()


async def test_a_stream_without_audio_that_breaks_during_a_backup_keeps_what_is_said_later(tmp_path: Path) -> None:
    harness = StreamHarness(tmp_path)
    harness.spool.keep()
    async with harness.streams.open(harness.config) as stream:
        token = stream.token
    resumed = replace(harness.config, resume_token=token)
    await broken_talk(harness, resumed)
    harness.spool.let_go()
    async with harness.streams.open(resumed) as stream:
        assert stream.next_offset == len(SAID)
    harness.ledger.close()


async def test_logs_of_an_earlier_run_count_for_their_clients(tmp_path: Path) -> None:
    bounds = LogBounds(logs=1)
    harness = StreamHarness(tmp_path, client_logs=bounds)
    await broken_talk(harness, harness.config)
    assert harness.registry.audio_problem("app") is not None
    harness.registry._spool = Spool(tmp_path / "spool", bytes(32), client_logs=bounds)
    assert harness.registry.audio_problem("app") is None
    await harness.registry.count_logs()
    assert harness.registry.audio_problem("app") is not None
    assert harness.registry.audio_problem("neighbour") is None
    harness.ledger.close()
