"""What is refreshed on which word, and from time to time anyway."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.notices import Notice
from server.relay import Relay
from tests.eventually import eventually


class Known:
    """Counts what is refreshed and passed on."""

    def __init__(self, every_s: float = 1000.0) -> None:
        self.done = Counter[str]()
        self.passed: list[Notice] = []
        self.missed_updates = 0
        self.fails: Exception | None = None
        self.relay = Relay(self, {"keys": self._refresh("keys"), "flows": self._refresh("flows")}, every_s)

    def heard(self, notice: Notice) -> None:
        self.passed.append(notice)

    def missed(self) -> None:
        self.missed_updates += 1

    def _refresh(self, kind: str) -> Callable[[], Awaitable[None]]:
        async def refresh() -> None:
            self.done[kind] += 1
            if self.fails is not None and kind == "flows":
                raise self.fails

        return refresh


async def test_a_word_refreshes_its_own_and_everything_else_is_passed_on() -> None:
    known = Known()
    await known.relay.refresh()
    assert known.done == {"keys": 1, "flows": 1}, "once at the start"
    known.relay.heard([Notice("keys"), Notice("turn", "t", ("s",)), Notice("keys")])
    await known.relay.refresh()
    await known.relay.refresh()
    assert known.done == {"keys": 2, "flows": 1}
    assert known.passed == [Notice("turn", "t", ("s",))]


async def test_a_loss_refreshes_everything() -> None:
    known = Known()
    await known.relay.refresh()
    known.relay.missed()
    await known.relay.refresh()
    assert known.done == {"keys": 2, "flows": 2}
    assert known.missed_updates == 1


async def test_a_notice_wakes_at_once_and_without_one_it_is_looked_anyway() -> None:
    known, polling = Known(), Known(every_s=0.005)
    running = [asyncio.create_task(each.relay.run()) for each in (known, polling)]
    known.relay.heard([Notice("keys")])
    await eventually(lambda: known.done["keys"] == 1)
    await eventually(lambda: polling.done["flows"] > 3)
    for task in running:
        task.cancel()
    await asyncio.wait(running)


@pytest.mark.parametrize("failure", [Unavailable("Away.", reason=Reason.LEDGER_IO), KeyError("defect")])
async def test_a_refresh_that_fails_ends_neither_the_others_nor_the_next_one(failure: Exception) -> None:
    known = Known(every_s=0.005)
    known.fails = failure
    running = asyncio.create_task(known.relay.run())
    await eventually(lambda: known.done["keys"] > 3 and known.done["flows"] > 3)
    running.cancel()
    await asyncio.wait([running])
