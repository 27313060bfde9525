"""Every call of the process that owns Ray gets an answer, however it ended; no Ray is started."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from models.errors import InternalError, Overloaded, WeightsError
from ray_tasks import ray_process
from ray_tasks.process_messages import Answer, Begin, Call, Logged, receive, send
from ray_tasks.ray_process import BEAT_S, JOINED_ENDS_S, RayProcess, _ToServer
from ray_tasks.types import ClusterConfig, SpeechModels, WorkerConfig

CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")


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


async def test_weights_that_cannot_be_read_fail_the_start_and_not_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends looks like a lost Ray, which is started again with the same weights."""

    def cluster(_config: object, weights: str) -> None:
        raise WeightsError(f"The record of '{weights}' cannot be read.")

    monkeypatch.setattr(ray_process, "Cluster", cluster)
    ours = logging.getLogger("ray_tasks")
    for name, value in (("propagate", ours.propagate), ("handlers", [])):
        monkeypatch.setattr(ours, name, value)  # the process changes them
    source, sink, server = asyncio.StreamReader(), Sink(), Sink()
    server.source = source
    process = RayProcess(source, sink)  # type: ignore[arg-type]  # the part that is used
    serving = asyncio.create_task(process.serve())
    for message in (Begin(CONFIG, SpeechModels("whisper-small")), Call(1, "start"), Call(2, "stop")):
        await send(server, message)
    started, stopped = [await asyncio.wait_for(receive(sink.source), 10) for _ in range(2)]
    assert (started.id, type(started.error), stopped) == (1, WeightsError, Answer(2))
    source.feed_eof()
    await serving


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


@pytest.mark.parametrize("error", [Overloaded("Full."), KeyError("maria")])
async def test_a_candidate_that_does_not_come_up_is_told_without_the_text_of_the_error(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(_models: SpeechModels, _timeout_s: float) -> None:
        raise error

    cluster: Any = SimpleNamespace(use_speech_models=use)
    process = RayProcess(asyncio.StreamReader(), Sink())  # type: ignore[arg-type]  # the part that is used
    await process._bring_up_candidate(cluster, SpeechModels("", "whisper-tiny"))
    [line] = caplog.records
    assert (line.msg, vars(line)["values"]["candidate"]) == ("candidate_not_up", "whisper-tiny")
    assert "maria" not in repr(vars(line))
