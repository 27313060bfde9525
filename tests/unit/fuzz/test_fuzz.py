"""The fuzzer notices what it should, repeats itself, and what it found before stays mended."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory

from tests.fuzz import target
from tests.fuzz.__main__ import TARGETS
from tests.fuzz.findings import SEEDS, Finding, leaks
from tests.fuzz.messages import fill
from tests.fuzz.mutate import LARGEST_BYTES, mutated, mutated_text
from tests.fuzz.target import CHECK_EVERY, attempt, fuzz
from tests.unit.rpc.every_method import every_method


class Broken:
    """A target with a defect that one try in a hundred meets."""

    name = "broken"

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.checks = 0

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        yield

    async def attempt(self, number: int, rng: random.Random) -> None:
        if rng.random() < 0.01:
            if self.hangs:
                await asyncio.Event().wait()
            raise Finding(self.name, number, "broken", b"bytes")

    async def check(self, number: int) -> None:
        self.checks += 1


async def test_a_defect_is_found_saved_and_repeated_by_its_number(tmp_path: Path) -> None:
    tries, [found] = await fuzz(Broken(), 60.0, first=1000)
    assert tries == found.number - 1000
    saved = json.loads(found.save(tmp_path).read_text(encoding="utf-8"))
    assert saved == {"target": "broken", "number": found.number, "what": "broken", "data": b"bytes".hex()}
    with pytest.raises(Finding):
        await attempt(Broken(), found.number)
    await attempt(Broken(), found.number - 1)


async def test_a_try_that_hangs_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "LONGEST_S", 0.01)
    _, [found] = await fuzz(Broken(hangs=True), 60.0, first=1000)
    assert found.what == "took longer than 0.01 s"


async def test_the_state_is_checked_from_time_to_time_and_at_the_end() -> None:
    broken = Broken()
    with pytest.raises(Finding):
        for number in range(10_000):
            await attempt(broken, number)
    assert broken.checks == 0
    tries, found = await fuzz(broken, 0.0, first=0)
    assert (tries, found, broken.checks) == (0, [], 1)
    assert CHECK_EVERY < 1000


@pytest.mark.parametrize(
    ("text", "leaks_what"),
    [
        ("The content does not have the declared SHA-256.", ""),
        ("vestibule.v1.SessionService/GetSession", ""),
        ("cannot open /home/someone/file", "/home/"),
        ("Exception in server.py line 3", ".py"),
        ("Unexpected <class 'ValueError'>", "<class '"),
    ],
)
def test_paths_and_traces_are_noticed(text: str, leaks_what: str) -> None:
    assert leaks(text) == leaks_what


def test_mutations_are_decided_by_the_number_alone_and_bounded() -> None:
    def made(seed: int) -> tuple[bytes, str]:
        rng = random.Random(seed)
        return mutated(rng, b"abcdef" * 100, [b"xyz"]), mutated_text(rng, "SELECT 1", ["FROM"])

    assert [made(seed) for seed in range(200)] == [made(seed) for seed in range(200)]
    assert len({made(seed) for seed in range(200)}) > 180
    assert max(len(mutated(random.Random(seed), bytes(LARGEST_BYTES))) for seed in range(50)) <= LARGEST_BYTES


@pytest.mark.parametrize("method", every_method(), ids=lambda method: method.name)
def test_messages_of_every_type_can_be_made(method: Any) -> None:
    contents = set()
    for seed in range(30):
        message = message_factory.GetMessageClass(method.descriptor.input_type)()
        fill(random.Random(seed), message, ["known"])
        contents.add(message.SerializeToString(deterministic=True))
    assert len(contents) > 1 or not method.descriptor.input_type.fields


@pytest.mark.parametrize("name", ["tokens", "statements"])
async def test_a_short_run_of_the_quick_targets_finds_nothing(name: str) -> None:
    tries, found = await fuzz(TARGETS[name][0](), 0.5, first=0)
    assert found == []
    assert tries > 0


def seeds(*names: str) -> list[dict[str, Any]]:
    files = [file for name in names for file in sorted(SEEDS.glob(f"{name}-*.json"))]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


@pytest.mark.parametrize(
    "found", seeds("tokens", "statements"), ids=lambda found: f"{found['target']}-{found['number']}"
)
async def test_what_was_found_stays_mended(found: dict[str, Any]) -> None:
    made: Any = TARGETS[found["target"]][0]()
    async with made.opened():
        await made.one(found["number"], bytes.fromhex(found["data"]).decode("utf-8", "surrogatepass"))
