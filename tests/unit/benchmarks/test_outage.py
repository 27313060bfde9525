"""What benchmarks/outage.py makes of its measurements."""

from __future__ import annotations

import asyncio
import time

import pytest

from benchmarks._outage_load import FAILED, Request, play
from benchmarks._outage_modes import BROKEN, STEADY, Mode
from benchmarks._outage_report import Contestant, Outage, report

CLOSED = Outage(Mode.REFUSE, 10.0, 20.0, {})
SILENT = Outage(Mode.HANG, 30.0, 40.0, {7: 3, 8: 100})


def requests(took_s: float, served_by: str = STEADY) -> list[Request]:
    """One a second; after an outage the first upstream serves again 3 s later."""
    away = [*range(10, 23), *range(30, 43)]
    return [Request(float(at), took_s if at in away else 0.1, served_by if at in away else BROKEN) for at in range(50)]


def contestant(took_s: float = 0.2, served_by: str = STEADY, reset_s: float = 12.0) -> Contestant:
    return Contestant("ours", reset_s, requests(took_s, served_by), requests(0.2), 7)


def test_refused_attempts_are_counted_by_connections_and_others_by_the_upstream() -> None:
    connections = [(9.9, 7), (10.0, 7), (12.0, 8), (19.9, 7), (20.0, 7)]
    assert CLOSED.attempts(7, connections) == 2
    assert SILENT.attempts(7, connections) == 3


@pytest.mark.parametrize(
    ("ours", "kept"),
    [
        (contestant(), True),
        (contestant(took_s=0.25), False),
        (contestant(served_by=FAILED), False),
        (contestant(reset_s=2.9), False),
    ],
    ids=["as good as the fallback", "slow", "failed", "late"],
)
def test_the_bars(ours: Contestant, kept: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert report([ours], [CLOSED, SILENT], [], scale=10) is kept
    assert ("MISSED" in capsys.readouterr().out) is not kept


def test_a_recovery_is_noticed_by_the_next_request_that_the_first_upstream_serves() -> None:
    assert contestant().noticed_s(CLOSED) == 3.0
    never = Contestant("ours", 12.0, requests(0.2)[:35], requests(0.2), 7)
    assert never.noticed_s(SILENT) == float("inf")


async def test_a_client_gives_up_and_an_error_is_a_failure() -> None:
    answers = iter(["first", "late", "error"])

    async def ask() -> str:
        answer = next(answers)
        if answer == "late":
            await asyncio.Event().wait()
        if answer == "error":
            raise ValueError
        return answer

    now = time.monotonic()
    played = await play([now, now, now], ask, 0.01, (ValueError,))
    assert [one.served_by for one in played] == ["first", FAILED, FAILED]
