"""Servers of one installation share the workers on a Ray cluster of two nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from models.errors import WorkersMismatch
from ray_tasks.types import SpeechModels
from tests.eventually import eventually
from tests.ray.joined_nodes import STARTS_S, Member, Nodes, config_of, two_nodes


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Both nodes; no worker is deployed."""
    with two_nodes() as running:
        yield running


async def test_servers_come_and_go_and_the_last_one_deletes_the_workers(nodes: Nodes) -> None:
    first, second, third = (Member(config_of(nodes)) for _ in range(3))
    other = Member(config_of(nodes, redaction_policies=""))
    try:
        await first.cluster.start()
        deployed = nodes.all_replicas()
        assert len(deployed) == 5
        await second.cluster.start()
        assert nodes.all_replicas() == deployed, "the second one deploys nothing"
        async with second.calling() as calls:
            await first.cluster.stop()
            await second.answered(calls)
            with pytest.raises(WorkersMismatch) as refused:
                await other.cluster.start()
            assert "same release and settings" in refused.value.hint
            await other.cluster.stop()
            assert nodes.all_replicas() == deployed, "neither who leaves nor who is refused replaces them"
            third.cluster.prepare()  # its process is there already when the second one stops
            await second.answered(calls)
        # Whichever of the two has its turn first, the third has workers.
        await asyncio.gather(second.cluster.stop(), third.cluster.start())
        async with third.calling():
            pass
    finally:
        for member in (first, second, other, third):
            await member.cluster.stop()
    await eventually(lambda: not nodes.all_replicas(), STARTS_S)


async def test_of_servers_that_start_and_stop_at_once_one_deploys_and_one_deletes(nodes: Nodes) -> None:
    members = [Member(config_of(nodes)) for _ in range(2)]
    seen: set[int] = set()
    starting = asyncio.gather(*(member.cluster.start() for member in members))
    try:
        while not starting.done():
            seen |= nodes.all_replicas()
            await asyncio.sleep(0.2)
        await starting
        assert seen | nodes.all_replicas() == nodes.all_replicas(), "nobody replaced what another had just deployed"
        assert [await member.redacted() for member in members] == ["I am [REDACTED_NAME]"] * 2
    finally:
        await asyncio.gather(*(member.cluster.stop() for member in members))
    await eventually(lambda: not nodes.all_replicas(), STARTS_S)


async def test_calls_go_on_when_a_node_is_killed(nodes: Nodes) -> None:
    member = Member(config_of(nodes))
    try:
        await member.cluster.start()
        for kind in ("speech", "redaction"):
            assert [len(nodes.replicas(kind, name)) for name in ("head", "second")] == [1, 1]
        async with member.calling() as calls:
            await asyncio.to_thread(nodes.kill, "second")
            await member.answered(calls, 20)
            await asyncio.to_thread(nodes.start, "second")
            await eventually(lambda: len(nodes.replicas("speech", "second")) == 1, STARTS_S)
        assert member.cluster.state.restarts == 0
    finally:
        await member.cluster.stop()


async def speech_has_grown(member: Member) -> bool:
    """Whether two replicas take calls."""
    return next(each.replicas for each in await member.gateway.engines() if each.kind == "speech") >= 2


async def test_calls_go_on_when_the_node_is_killed_to_which_speech_has_grown(nodes: Nodes) -> None:
    small = config_of(nodes)
    speech = replace(small.speech, replicas=1, most_replicas=2)
    member = Member(replace(small, speech=speech, redaction=replace(small.redaction, replicas=1)))
    nodes.kill("second")
    try:
        await member.cluster.start()
        assert len(nodes.replicas("speech", "head")) == 1
        await asyncio.to_thread(nodes.start, "second")
        async with member.calling(at_once=6) as calls:
            await eventually(lambda: len(nodes.replicas("speech", "second")) == 1, STARTS_S)
            await eventually(lambda: speech_has_grown(member), STARTS_S)
            [grown] = map(psutil.Process, nodes.replicas("speech", "second"))
            ready_s = grown.cpu_times().user
            await eventually(lambda: grown.cpu_times().user > ready_s + 1.0, STARTS_S)  # it recognises, too
            await asyncio.to_thread(nodes.kill, "second")
            await member.answered(calls, 20)
            await asyncio.to_thread(nodes.start, "second")
            await eventually(lambda: len(nodes.replicas("speech", "second")) == 1, STARTS_S)
        assert member.cluster.state.restarts == 0
    finally:
        await member.cluster.stop()


async def test_servers_recognise_speech_by_weights_of_their_own(nodes: Nodes) -> None:
    small = config_of(nodes)
    speech = replace(small.speech, cpus=0.2, replicas=1)
    tiny, base = (replace(small, speech=replace(speech, weights=name)) for name in ("whisper-tiny.en", "whisper-base"))
    first, second = Member(tiny), Member(base)
    try:
        await first.cluster.start()
        [of_first] = nodes.replicas("speech")
        async with first.calling() as calls:
            await second.cluster.start()
            assert len(nodes.replicas("speech")) == 2, "neither replaces what the other uses"
            async with second.calling():
                await first.answered(calls)
            await first.gateway.use_speech_models(SpeechModels("whisper-base"), timeout_s=STARTS_S)
            await eventually(lambda: len(nodes.replicas("speech")) == 1, STARTS_S)
            assert of_first not in nodes.replicas("speech"), "it calls the application of the second one"
            await second.cluster.stop()
            await first.answered(calls)
    finally:
        for member in (first, second):
            await member.cluster.stop()
    await eventually(lambda: not nodes.all_replicas(), STARTS_S)
