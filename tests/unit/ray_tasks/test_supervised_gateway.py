"""Calls outlive the loss of the cluster; no Ray is started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from models.errors import BrokenMedia, Unavailable, WeightsError, WorkerLost
from models.reasons import Reason
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks import supervised_gateway
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.types import SpeechModels, SpeechWindow
from tests.eventually import eventually
from tests.fakes.gateway import page
from tests.unit.ray_tasks.test_supervisor import NOT_THERE, Supervised

PAGE = page("one line")


@pytest_asyncio.fixture
async def supervised() -> AsyncIterator[Supervised]:
    made = Supervised()
    yield made
    await made.cluster.stop()


@pytest.fixture
def gateway(supervised: Supervised) -> SupervisedGateway:
    async def sleep(_seconds: float) -> None:
        await asyncio.sleep(0)

    return SupervisedGateway(supervised.cluster, sleep)


def read(gateway: SupervisedGateway, timeout_s: float = 5.0) -> asyncio.Task[object]:
    return asyncio.ensure_future(gateway.read_picture(b"picture", document_type="meter", timeout_s=timeout_s))


async def test_a_call_passes_its_arguments_and_its_time(supervised: Supervised, gateway: SupervisedGateway) -> None:
    await supervised.cluster.start()
    supervised.ray.children[0].answers.extend([PAGE, []])
    assert await read(gateway) is PAGE
    context = RedactionContext()
    assert await gateway.redact([RawText("x")], context, timeout_s=3.0) == []
    (picture, redact) = supervised.ray.children[0].calls
    assert picture[:2] == ("read_picture", (b"picture",))
    assert picture[2]["document_type"] == "meter"
    assert picture[2]["timeout_s"] == 5.0
    assert redact[1] == ([RawText("x")], context)


async def test_a_call_waits_for_the_start(supervised: Supervised, gateway: SupervisedGateway) -> None:
    reading = read(gateway)
    await asyncio.sleep(0)
    await supervised.cluster.start()
    supervised.ray.children[0].answers.append(PAGE)
    assert await reading is PAGE


async def test_a_call_is_made_again_after_a_loss(supervised: Supervised, gateway: SupervisedGateway) -> None:
    supervised.ray.answers[1] = [PAGE]
    await supervised.cluster.start()
    reading = read(gateway)
    await eventually(lambda: supervised.ray.children[0].calls)
    await supervised.lose()
    assert await reading is PAGE


async def test_a_loss_that_a_call_sees_before_the_supervisor_counts_once(
    supervised: Supervised, gateway: SupervisedGateway
) -> None:
    supervised.ray.answers[1] = [PAGE]
    await supervised.cluster.start()
    supervised.ray.children[0].answers.append(Unavailable("Lost.", reason=Reason.CLUSTER_LOST))
    reading = read(gateway)
    await eventually(lambda: not supervised.ray.children[0].answers)
    await asyncio.sleep(0)
    await supervised.lose()
    assert await reading is PAGE
    assert len(supervised.ray.children[0].calls) == 1


async def test_a_call_that_loses_two_clusters_is_not_made_a_third_time(
    supervised: Supervised, gateway: SupervisedGateway
) -> None:
    await supervised.cluster.start()
    reading = read(gateway)
    for _ in range(2):
        await eventually(lambda: supervised.ray.children[-1].calls)
        await supervised.lose()
    with pytest.raises(WorkerLost) as lost:
        await reading
    assert lost.value.reason == "CLUSTER_LOST_TWICE", "a job then runs alone among those of all kinds"


@pytest.mark.parametrize("sign", [WorkerLost("Died."), Unavailable("Silent.", reason=Reason.CLUSTER_UNAVAILABLE)])
async def test_a_worker_that_dies_with_its_cluster_is_a_loss_of_the_cluster(
    supervised: Supervised, sign: Unavailable
) -> None:
    async def lose(_seconds: float) -> None:
        await supervised.lose()
        supervised.ray.children[1].answers.append(PAGE)

    await supervised.cluster.start()
    supervised.ray.children[0].answers.append(sign)
    assert await read(SupervisedGateway(supervised.cluster, lose)) is PAGE


@pytest.mark.parametrize("error", [WorkerLost("Died."), BrokenMedia("Broken."), Unavailable("Other.")])
async def test_errors_of_a_cluster_that_is_up_are_passed_on(
    supervised: Supervised, gateway: SupervisedGateway, error: Exception
) -> None:
    await supervised.cluster.start()
    supervised.ray.children[0].answers.append(error)
    with pytest.raises(type(error)):
        await read(gateway)
    assert len(supervised.ray.children[0].calls) == 1


async def test_a_call_that_waits_in_vain_says_why_and_when_to_try_again(
    supervised: Supervised, gateway: SupervisedGateway
) -> None:
    with pytest.raises(Unavailable) as early:
        await read(gateway, 0.01)
    assert early.value.reason == "WORKERS_NOT_READY"
    await supervised.cluster.start()
    never = asyncio.Event()

    async def wait(_seconds: float) -> None:
        await never.wait()

    supervised.cluster._sleep = wait
    supervised.ray.errors.append(NOT_THERE)
    supervised.ray.children[0].lose()
    await eventually(lambda: supervised.cluster.state.retry_in_s)
    with pytest.raises(Unavailable) as late:
        await read(gateway, 0.01)
    assert late.value.reason == "CLUSTER_LOST"
    assert late.value.retry_after_s is not None
    assert [info.healthy for info in await gateway.engines()] == [False] * 3


async def test_weights_that_came_up_are_those_of_the_next_start_and_others_are_not(
    supervised: Supervised, gateway: SupervisedGateway
) -> None:
    models = SpeechModels("whisper-small", "whisper-tiny.en")
    await supervised.cluster.start()
    child = supervised.ray.children[0]
    child.answers.extend([WeightsError("Not there."), None])
    with pytest.raises(WeightsError):
        await gateway.use_speech_models(models, timeout_s=60.0)
    assert supervised.cluster.speech_models == SpeechModels()
    await gateway.use_speech_models(models, timeout_s=60.0)
    assert supervised.cluster.speech_models == models
    assert child.calls[-1] == ("use_speech_models", (models,), {"timeout_s": 60.0})


async def test_a_call_to_the_candidate_neither_waits_for_the_cluster_nor_is_made_again(
    supervised: Supervised, gateway: SupervisedGateway
) -> None:
    window = SpeechWindow(b"", final=True)
    with pytest.raises(Unavailable) as early:
        await gateway.candidate_step(window, timeout_s=60.0)
    assert early.value.reason == "WORKERS_NOT_READY"
    await supervised.cluster.start()
    asking = asyncio.ensure_future(gateway.candidate_step(window, timeout_s=60.0))
    await eventually(lambda: supervised.ray.children[0].calls)
    await supervised.lose()
    with pytest.raises(Unavailable) as lost:
        await asking
    assert lost.value.reason == "CLUSTER_LOST"
    assert not supervised.ray.children[1].calls


async def test_a_status_does_not_wait(
    supervised: Supervised, gateway: SupervisedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {info.detail for info in await gateway.engines()} == {"It is starting."}
    await supervised.cluster.start()
    monkeypatch.setattr(supervised_gateway, "ENGINES_S", 0.01)
    assert {info.detail for info in await gateway.engines()} == {"The cluster does not answer."}
