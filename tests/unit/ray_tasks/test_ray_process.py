"""Every call of the process that owns Ray gets an answer, however it ended; no Ray is started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import InternalError, Overloaded
from ray_tasks.process_messages import Answer, Logged, receive
from ray_tasks.ray_process import BEAT_S, JOINED_ENDS_S, RayProcess, _ToServer


class Sink:
    """Collects what is sent. ``RayProcess`` gets it in the place of a stream."""

    def __init__(self) -> None:
        self.source = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        self.source.feed_data(data)

    async def drain(self) -> None:
        return


async def _answer_of(work: Coroutine[Any, Any, Any], *, cancelled: bool = False) -> Answer:
    sink = Sink()
    process = RayProcess(asyncio.StreamReader(), sink)  # type: ignore[arg-type]  # the part that is used
    task = process._calls[7] = asyncio.ensure_future(work)
    if cancelled:
        task.cancel()
    await process._answer(7)
    answer: Answer = await receive(sink.source)
    assert answer.id == 7
    return answer


async def _give(result: object) -> object:
    return result


async def _fail(error: Exception) -> None:
    raise error


async def test_a_result_and_an_error_of_ours_are_sent() -> None:
    assert (await _answer_of(_give({"a": 1}))).result == {"a": 1}
    assert isinstance((await _answer_of(_fail(Overloaded("Full.")))).error, Overloaded)


@pytest.mark.parametrize("result", [lambda: None, asyncio.Lock, open], ids=["function", "class", "open"])
async def test_a_result_that_cannot_be_sent_is_an_error(result: object) -> None:
    answer = await _answer_of(_give((result, (number for number in range(3)))))
    assert isinstance(answer.error, InternalError)


async def test_a_defect_and_a_cancelled_call_are_errors_without_their_text() -> None:
    answer = await _answer_of(_fail(ValueError("maria")))
    assert isinstance(answer.error, InternalError)
    assert "maria" not in str(answer.error)
    assert isinstance((await _answer_of(asyncio.sleep(60), cancelled=True)).error, InternalError)


def test_what_is_logged_goes_to_the_server_with_its_values() -> None:
    lines: list[Logged] = []
    logger = logging.Logger("ray_tasks.cluster")
    logger.addHandler(_ToServer(lines.append))
    logger.warning("unused_applications", extra={"values": {"applications": ["one"]}})
    logger.warning("ray_did_not_stop")
    assert lines == [
        Logged(logging.WARNING, "unused_applications", {"applications": ["one"]}),
        Logged(logging.WARNING, "ray_did_not_stop", {}),
    ]


@pytest.mark.parametrize(("address", "pause_s"), [("", BEAT_S), ("203.0.113.7:6379", JOINED_ENDS_S)])
async def test_ends_of_workers_are_looked_for_again_after_an_error_and_less_often_on_a_joined_cluster(
    monkeypatch: pytest.MonkeyPatch, address: str, pause_s: float
) -> None:
    slept: list[float] = []

    async def worker_ends() -> None:
        raise Overloaded("Full.")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(asyncio, "sleep", sleep)
    cluster: Any = SimpleNamespace(config=SimpleNamespace(address=address), worker_ends=worker_ends)
    with pytest.raises(asyncio.CancelledError):
        await RayProcess(asyncio.StreamReader(), Sink())._watch_workers(cluster)  # type: ignore[arg-type]
    assert slept == [pause_s, pause_s]
