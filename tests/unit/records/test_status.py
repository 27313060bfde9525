"""What the status says of the ledger is what its last writes showed."""

from __future__ import annotations

import duckdb
import pytest

from models.errors import Overloaded
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.ledger.embedded import EmbeddedLedger
from server.llm.upstream import CHECKER_API, LLM_API
from server.observability.metrics import Metrics
from server.records.status import Component, StatusReporter
from tests.fakes.assistant import FakeAssistant
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW


async def _ledger_row(ledger: EmbeddedLedger) -> Component:
    breakers = Breakers(ledger, Metrics(), lambda: NOW)
    breakers.build("llm_api", BreakerBounds())
    reporter = StatusReporter(FakeGateway(), ledger, FakeAssistant(), breakers, NOW, lambda: 0, ())
    return next(part for part in (await reporter.report()).components if part.name == "ledger")


async def test_a_ledger_that_was_only_read_is_not_said_to_write(ledger: EmbeddedLedger) -> None:
    await ledger.read(lambda cursor: None)
    assert await _ledger_row(ledger) == Component(
        "ledger", True, "One DuckDB file; nothing was written since the start."
    )
    await ledger.write(lambda cursor: None)
    assert await _ledger_row(ledger) == Component(
        "ledger", True, f"One DuckDB file; last written {NOW:%Y-%m-%d %H:%M} UTC."
    )


async def test_a_disk_that_refuses_writes_is_told_until_it_takes_one(ledger: EmbeddedLedger) -> None:
    class Full:
        """Refuses commits as a full disk does."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def commit(self) -> None:
            real.roll_back()
            raise duckdb.TransactionException("Failed to commit: No space left on device")

    real = ledger._file.transactions
    ledger._file.transactions = Full()  # type: ignore[assignment]
    with pytest.raises(Overloaded) as caught:
        await ledger.write(lambda cursor: None)
    assert caught.value.reason == "LEDGER_FULL"
    assert caught.value.retry_after_s
    row = await _ledger_row(ledger)
    assert not row.healthy
    assert row.detail.startswith("The disk of the ledger is full. Writes fail since")
    ledger._file.transactions = real
    await ledger.write(lambda cursor: None)
    assert (await _ledger_row(ledger)).healthy


async def test_the_address_of_rays_dashboard_is_told_where_there_is_one(ledger: EmbeddedLedger) -> None:
    async def told(url: str) -> str:
        breakers = Breakers(ledger, Metrics(), lambda: NOW)
        parts = (FakeGateway(), ledger, FakeAssistant(), breakers, NOW, lambda: 0, ())
        return (await StatusReporter(*parts, dashboard_url=lambda: url).report()).dashboard_url

    assert await told("http://127.0.0.1:8265") == "http://127.0.0.1:8265"
    assert not await told("")


async def _component(ledger: EmbeddedLedger, breakers: Breakers, name: str) -> Component | None:
    reporter = StatusReporter(FakeGateway(), ledger, FakeAssistant(), breakers, NOW, lambda: 0, ())
    return next((part for part in (await reporter.report()).components if part.name == name), None)


async def test_a_checker_of_its_own_is_a_part_whose_faults_are_told(ledger: EmbeddedLedger) -> None:
    breakers = Breakers(ledger, Metrics(), lambda: NOW)
    llm, checker = (breakers.build(name, BreakerBounds()) for name in (LLM_API, CHECKER_API))
    assert await _component(ledger, breakers, "checker") == Component("checker", True, "The breaker is closed.")

    checker.trip()
    told = await _component(ledger, breakers, "checker")
    assert told == Component("checker", False, "The breaker is open.", "BREAKER_OPEN")

    checker.reset()
    checker.block("UPSTREAM_KEY_REFUSED")
    told = await _component(ledger, breakers, "checker")
    assert told is not None
    assert (told.healthy, told.reason) == (False, "UPSTREAM_KEY_REFUSED")
    assert told.detail.startswith("The breakers: checker_api refuses the key. Change the key")
    assert await _component(ledger, breakers, "llm") == Component("llm", True, "The breaker is closed.")

    llm.trip()
    checker.reset()
    assert await _component(ledger, breakers, "checker") == Component("checker", True, "The breaker is closed.")
    await breakers.drain()


async def test_a_checker_that_is_the_llm_itself_is_no_part_of_its_own(ledger: EmbeddedLedger) -> None:
    breakers = Breakers(ledger, Metrics(), lambda: NOW)
    breakers.build(LLM_API, BreakerBounds())
    assert await _component(ledger, breakers, "checker") is None
