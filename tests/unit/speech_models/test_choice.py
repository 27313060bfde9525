"""The chosen weights are brought about: at the start, when they change, and when the cluster came up anew."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from models.deadline import ending_in
from models.errors import Conflict, InvalidInput, Unavailable, VestibuleError, WeightsError
from models.reasons import Reason
from models.retry import CLUSTER_POLICY
from ray_tasks.types import SpeechModels
from server.access.audit import AuditTrail
from server.ledger import speech_models
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.speech_models import SpeechModelsRow
from server.speech_models.choice import CHANGE_LIMIT_S, SpeechModelChoice
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

HERE = ("base", "small", "tiny")
NOT_UP = Unavailable("The workers did not come up.", reason=Reason.WORKERS_NOT_READY)


def require(name: str) -> None:
    if name not in HERE:
        raise WeightsError(f"There are no weights named '{name}'.")


class World:
    """A ledger, workers, and a server that follows the choice.

    Attributes:
        told: How often other servers were told.
        restarts: How often the cluster came up again.
        has_cluster: Whether further servers see what their workers have.
    """

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger
        self.now = NOW
        self.steady = 0.0
        self.restarts = 0
        self.told = 0
        self.has_cluster = False
        self.gateway = FakeGateway()
        self.choice = self.server(self.gateway)

    def server(self, gateway: FakeGateway) -> SpeechModelChoice:
        choice = SpeechModelChoice(
            self.ledger,
            gateway,
            AuditTrail(bytes(32), bytes(32), self.clock),
            self.clock,
            "base",
            require,
            restarts=lambda: self.restarts,
            deployed=(lambda: gateway.models) if self.has_cluster else None,
            steady=lambda: self.steady,
        )
        choice.on_change = self._tell
        return choice

    def clock(self) -> datetime:
        return self.now

    def _tell(self) -> None:
        self.told += 1

    def chosen(self) -> SpeechModelsRow:
        return self.ledger.write_now(speech_models.load)

    def choose(self, *row: object) -> None:
        """As another server does."""
        self.now += timedelta(seconds=1)
        self.ledger.write_now(lambda cursor: speech_models.store(cursor, SpeechModelsRow(*row), self.now))  # type: ignore[arg-type]

    @property
    def asked(self) -> list[SpeechModels]:
        return [call.argument for call in self.gateway.calls if isinstance(call.argument, SpeechModels)]

    def audited(self) -> list[tuple[str, str]]:
        rows = self.ledger.write_now(lambda cursor: fetch_all(cursor, "SELECT * FROM audit ORDER BY number"))
        return [(row["action"], row["object_id"]) for row in rows]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    yield World(ledger)
    ledger.close()


async def test_without_a_choice_the_settings_count_and_no_worker_is_asked(world: World) -> None:
    await world.choice.follow()
    world.restarts += 1
    await world.choice.follow()
    assert (world.asked, world.choice.weights) == ([], "base")
    assert world.choice.component.healthy
    assert world.choice.component.detail == "base, as the settings say."


async def test_a_change_is_stored_audited_and_told_after_the_workers_are_there(world: World) -> None:
    held = world.gateway.hold("use_speech_models")
    using = asyncio.create_task(world.choice.use("small"))
    await until(lambda: bool(world.asked))
    assert (world.chosen(), world.told, world.choice.weights) == (SpeechModelsRow(), 0, "base")
    held.set()
    assert await using == world.chosen() == SpeechModelsRow("small", update_time=NOW)
    assert (world.told, world.choice.weights) == (1, "small")
    assert world.audited() == [("speech_model_used", "small")]
    assert "small, chosen with" in world.choice.component.detail


async def test_a_restarted_server_has_the_choice_before_the_settings(world: World) -> None:
    await world.choice.use("small")
    await world.choice.shadow("tiny", 0.25)
    again = world.server(FakeGateway())
    await again.follow()
    assert again.in_use == world.chosen() == SpeechModelsRow("small", "tiny", 0.25, NOW)
    assert "The candidate tiny gets 25 % of the finals" in again.component.detail
    await world.choice.use("")
    assert world.choice.weights == "base"
    assert world.asked[-1] == SpeechModels("", "tiny")


async def test_a_candidate_that_gets_used_is_none_any_more_and_another_one_stays(world: World) -> None:
    await world.choice.shadow("small", 0.5)
    await world.choice.use("small")
    assert world.asked == [SpeechModels("", "small"), SpeechModels("small")]
    assert world.chosen() == SpeechModelsRow("small", update_time=NOW)
    await world.choice.shadow("tiny", 1.0)
    await world.choice.use("base")
    assert world.asked[-1] == SpeechModels("base", "tiny")
    await world.choice.discard()
    assert world.asked[-1] == SpeechModels("base")
    audited = world.audited()
    assert await world.choice.discard() == world.chosen()
    assert (len(world.asked), world.audited()) == (5, audited), "nothing to do, and no error"
    await world.choice.shadow("small", 0.1)
    await world.choice.use("small")
    await world.choice.shadow("base", 0.1)
    await world.choice.use("")
    assert world.asked[-1] == SpeechModels(), "the settings name the candidate"


async def test_who_chooses_what_is_in_use_has_the_workers_asked_for_again(world: World) -> None:
    """They may have been deleted from the cluster. Whoever only follows asks nobody."""
    await world.choice.use("small")
    await world.choice.use("small")
    await world.choice.follow()
    assert world.asked == [SpeechModels("small")] * 2
    await world.choice.shadow("tiny", 0.5)
    await world.choice.shadow("tiny", 0.1)
    await world.choice.follow()
    assert world.asked[2:] == [SpeechModels("small", "tiny")] * 2
    assert (world.choice.in_use, world.choice.in_use.share) == (world.chosen(), 0.1)


@pytest.mark.parametrize("weights", ["", "base"])
async def test_the_weights_in_use_are_no_candidate(world: World, weights: str) -> None:
    if weights:
        await world.choice.use(weights)
    before = world.chosen()
    with pytest.raises(InvalidInput):
        await world.choice.shadow("base", 0.5)
    assert world.chosen() == before


@pytest.mark.parametrize("error", [NOT_UP, InvalidInput("They need a GPU."), WeightsError("They are damaged.")])
async def test_after_an_error_all_is_as_before(world: World, error: VestibuleError) -> None:
    await world.choice.use("small")
    before = (world.chosen(), world.choice.in_use, world.audited(), world.told)
    world.gateway.will("use_speech_models", error)
    with pytest.raises(type(error)):
        await world.choice.use("tiny")
    with pytest.raises(WeightsError):
        await world.choice.use("maria")
    assert (world.chosen(), world.choice.in_use, world.audited(), world.told) == before
    assert world.choice.component.healthy
    calls = len(world.asked)
    await world.choice.follow()
    assert len(world.asked) == calls, "the workers have what the ledger says"


async def test_what_cannot_be_stored_is_undone(world: World) -> None:
    await world.choice.follow()
    refused = Unavailable("The ledger is full.", reason=Reason.LEDGER_FULL)
    write = world.ledger.write

    async def refuse(*_: object, **__: object) -> None:
        raise refused

    world.ledger.write = refuse  # type: ignore[assignment,method-assign]
    with pytest.raises(Unavailable):
        await world.choice.use("small")
    world.ledger.write = write  # type: ignore[method-assign]
    await world.choice.follow()
    assert (world.gateway.models, world.choice.weights, world.told) == (SpeechModels(), "base", 0)


async def test_a_choice_of_another_server_meanwhile_counts(world: World) -> None:
    await world.choice.shadow("tiny", 0.5)
    held = world.gateway.hold("use_speech_models")
    for change in (world.choice.use("small"), world.choice.shadow("small", 0.5), world.choice.discard()):
        held.clear()
        asked, audited, told = len(world.asked), world.audited(), world.told
        changing = asyncio.create_task(change)
        await until(lambda asked=asked: len(world.asked) > asked)  # type: ignore[misc]
        world.choose("base", "tiny", 0.1)
        theirs = world.chosen()
        held.set()
        with pytest.raises(Conflict):
            await changing
        assert (world.chosen(), world.audited(), world.told) == (theirs, audited, told)
        await world.choice.follow()
        assert (world.gateway.models, world.choice.in_use) == (SpeechModels("base", "tiny"), theirs)


async def test_a_change_that_was_broken_off_is_brought_to_what_the_ledger_says(world: World) -> None:
    world.gateway.hold("use_speech_models")
    using = asyncio.create_task(world.choice.use("small"))
    await until(lambda: bool(world.asked))
    using.cancel()
    await asyncio.wait([using])
    world.gateway.hold("use_speech_models").set()
    await world.choice.follow()
    assert world.asked == [SpeechModels("small"), SpeechModels()]
    assert world.chosen() == SpeechModelsRow()


async def test_the_deadline_of_the_caller_bounds_the_wait_for_workers(world: World) -> None:
    await world.choice.use("small")
    with ending_in(7):
        await world.choice.use("tiny")
    limits = [call.timeout_s for call in world.gateway.called("use_speech_models")]
    assert limits[0] == CHANGE_LIMIT_S
    assert 0 < limits[1] <= 7


async def test_another_server_follows(world: World) -> None:
    other_workers = FakeGateway()
    other = world.server(other_workers)
    await other.follow()
    await world.choice.use("small")
    await other.follow()
    await other.follow()
    assert other_workers.models == SpeechModels("small")
    assert len(other_workers.calls) == 1


async def test_who_chooses_does_not_wait_for_what_is_only_followed(world: World) -> None:
    held = world.gateway.hold("use_speech_models")
    world.choose("small")
    following = asyncio.create_task(world.choice.run())
    world.choice.wake()
    await until(lambda: world.asked == [SpeechModels("small")])
    using = asyncio.create_task(world.choice.use("tiny"))
    await until(lambda: world.asked == [SpeechModels("small"), SpeechModels("tiny")])
    assert world.gateway.cancelled == ["use_speech_models"]
    held.set()
    await using
    for _ in range(100):
        await asyncio.sleep(0)
    assert (world.asked[2:], world.choice.weights) == ([], "tiny")
    assert not following.done()
    following.cancel()
    await asyncio.wait([following])


async def test_who_chooses_goes_before_a_follower_that_waits(world: World) -> None:
    held = world.gateway.hold("use_speech_models")
    first = asyncio.create_task(world.choice.use("small"))
    await until(lambda: len(world.asked) == 1)
    following = asyncio.create_task(world.choice.follow())
    await asyncio.sleep(0)
    second = asyncio.create_task(world.choice.use("tiny"))
    world.gateway.will("use_speech_models", NOT_UP)
    held.set()
    with pytest.raises(Unavailable):
        await first
    await asyncio.wait([following, second])
    assert world.asked == [SpeechModels("small"), SpeechModels("tiny")]


async def test_a_name_that_nothing_has_breaks_off_nothing(world: World) -> None:
    world.gateway.hold("use_speech_models")
    world.choose("small")
    following = asyncio.create_task(world.choice.follow())
    await until(lambda: len(world.asked) == 1)
    with pytest.raises(WeightsError):
        await world.choice.use("maria")
    assert world.gateway.cancelled == []
    following.cancel()
    await asyncio.wait([following])


async def test_a_server_that_is_woken_follows_at_once(world: World) -> None:
    following = asyncio.create_task(world.choice.run())
    world.choose("small")
    world.choice.wake()
    await until(lambda: world.choice.weights == "small")
    following.cancel()
    await asyncio.wait([following])


async def test_a_new_cluster_gets_the_choice(world: World) -> None:
    await world.choice.use("small")
    world.restarts += 1
    await world.choice.follow()
    await world.choice.follow()
    assert world.asked == [SpeechModels("small")] * 2


async def test_missing_weights_leave_those_of_the_settings_and_the_status_says_why(world: World) -> None:
    world.choose("small")
    world.gateway.will("use_speech_models", WeightsError("They are not in the cache."))
    await world.choice.follow()
    part = world.choice.component
    assert (part.healthy, part.reason, world.choice.weights) == (False, Reason.WEIGHTS_UNAVAILABLE, "base")
    assert part.detail.startswith("small was chosen, and base is used: They are not in the cache.")
    world.steady += CLUSTER_POLICY.longest_s
    await world.choice.follow()
    assert (world.choice.component.healthy, world.choice.weights) == (True, "small")


async def test_what_fails_is_tried_again_as_the_policy_says_and_a_new_choice_at_once(world: World) -> None:
    world.choose("small")
    world.gateway.will("use_speech_models", *[NOT_UP] * 100)
    tried = 0
    chance = random.Random(7)
    for retry in range(8):
        await world.choice.follow()
        assert len(world.asked) == (tried := tried + 1)
        world.steady += CLUSTER_POLICY.whole_delay(retry) * chance.uniform(0.0, 0.49)
        await world.choice.follow()
        assert len(world.asked) == tried, "too soon"
        world.steady += CLUSTER_POLICY.whole_delay(retry)
    world.steady -= CLUSTER_POLICY.whole_delay(7) * 0.9
    world.choose("tiny")
    await world.choice.follow()
    assert world.asked[-1] == SpeechModels("tiny")


async def test_a_candidate_that_fails_does_not_keep_the_chosen_weights_away(world: World) -> None:
    world.choose("small", "tiny", 0.5)
    world.gateway.will("use_speech_models", WeightsError("The candidate is not in the cache."))
    await world.choice.follow()
    assert (world.choice.weights, world.choice.in_use.candidate) == ("small", "")
    assert not world.choice.component.healthy
    world.steady += CLUSTER_POLICY.longest_s
    await world.choice.follow()
    assert (world.choice.in_use.candidate, world.choice.component.healthy) == ("tiny", True)


@pytest.mark.parametrize(
    ("chosen", "started"),
    [
        (("small", "tiny", 0.5), SpeechModels("small", "tiny")),
        (("small", "maria", 0.5), SpeechModels("small")),
        (("maria", "tiny", 0.5), SpeechModels()),
        (("", "tiny", 0.5), SpeechModels("", "tiny")),
        ((), SpeechModels()),
    ],
)
async def test_the_cluster_starts_with_what_was_chosen_and_is_there(
    world: World, chosen: tuple[object, ...], started: SpeechModels
) -> None:
    if chosen:
        world.choose(*chosen)
    assert await world.choice.at_start() == started


async def test_a_server_whose_cluster_started_with_the_choice_asks_for_nothing_more(world: World) -> None:
    world.choose("small", "tiny", 0.5)
    world.has_cluster = True
    again = world.server(FakeGateway())
    again._gateway.models = await again.at_start()  # type: ignore[attr-defined]
    assert again.weights == "small"
    await again.follow()
    assert (again.in_use, again._gateway.calls) == (world.chosen(), [])  # type: ignore[attr-defined]


async def test_a_cluster_that_came_up_without_the_choice_is_told_and_asked_again(world: World) -> None:
    world.has_cluster = True
    gateway = FakeGateway()
    choice = world.server(gateway)
    await choice.use("small")
    gateway.models = SpeechModels()  # the supervisor started it without them
    world.restarts += 1
    assert (choice.weights, choice.in_use) == ("base", SpeechModelsRow())
    assert choice.component.detail == "small was chosen. base is used until its workers take calls."
    gateway.will("use_speech_models", NOT_UP)
    await choice.follow()
    assert (choice.weights, choice.component.healthy, choice.problem) == ("base", False, NOT_UP)
    world.steady += CLUSTER_POLICY.longest_s
    await choice.follow()
    assert (choice.weights, choice.component.healthy, gateway.models) == ("small", True, SpeechModels("small"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a fake sets no event
            await asyncio.sleep(0)
