from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from models.errors import Overloaded, ShuttingDown
from models.text import RedactedText
from server.ledger.types import Origin, UploadRow, UploadState, utc_now
from server.records.pubsub import LateReply, PubSub, Subscription

ROW = UploadRow("u1", "s1", "meter", UploadState.ACCEPTED, 1, "", "image/jpeg", utc_now(), utc_now())


def late(turn: str) -> LateReply:
    return LateReply(turn, RedactedText.literal("Thank you."), Origin.MODEL)


async def take(news: Subscription, count: int) -> list[object]:
    return [await anext(news) for _ in range(count)]


async def test_updates_reach_the_subscribers_of_their_topic() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("s1") as session, pubsub.subscribe("u1") as upload, pubsub.subscribe("s2") as other:
        pubsub.publish(ROW, "s1", "u1")
        pubsub.publish(late("t1"), "s1")
        assert await take(session, 2) == [ROW, late("t1")]
        assert await take(upload, 1) == [ROW]
        assert not other._waiting
    assert pubsub.subscribers == 0
    pubsub.publish(ROW, "s1")


async def test_only_states_of_one_upload_are_merged_while_they_wait() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("s1", queue_updates=3) as news:
        for step in range(1000):
            pubsub.publish(replace(ROW, progress=step / 1000), "s1")
        pubsub.publish(late("t1"), "s1")
        pubsub.publish(late("t1"), "s1")
        assert await take(news, 3) == [replace(ROW, progress=0.999), late("t1"), late("t1")]


async def test_updates_between_subscription_and_snapshot_are_not_lost() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("u1") as news:
        pubsub.publish(replace(ROW, state=UploadState.DONE), "u1")  # while the snapshot is being read
        assert await take(news, 1) == [replace(ROW, state=UploadState.DONE)]


async def test_an_update_wakes_a_waiting_subscriber() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("u1") as news:
        waiting = asyncio.ensure_future(anext(news))
        await asyncio.sleep(0)
        pubsub.publish(ROW, "u1")
        assert await waiting == ROW


async def test_a_subscriber_that_falls_behind_gets_overloaded() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("s1", queue_updates=2) as news:
        for turn in "abc":
            pubsub.publish(late(turn), "s1")
        assert await take(news, 2) == [late("a"), late("b")]
        with pytest.raises(Overloaded) as caught:
            await anext(news)
        assert caught.value.reason == "WATCH_LAGGED"


async def test_closing_ends_subscriptions_after_their_waiting_updates() -> None:
    pubsub = PubSub()
    with pubsub.subscribe("s1") as news:
        pubsub.publish(late("a"), "s1")
        pubsub.close()
        assert await anext(news) == late("a")
        with pytest.raises(ShuttingDown):
            await anext(news)
    with pubsub.subscribe("s1") as news, pytest.raises(ShuttingDown):
        await anext(news)
