"""When ``make chaos`` says that the system works again after a fault."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.chaos.clients import Clients
from tests.chaos.plan import WORKERS, Act, Fault
from tests.chaos.recovery import WAIT_S, Prober, Recoveries
from tests.chaos.seen import Seen, Trying


def prober(**rounds: list[tuple[float, float]]) -> Prober:
    """One with these rounds, as (begin, end), and one round before each fault for the other kinds of workers."""
    seen = Seen()
    made = Prober(Clients("127.0.0.1:1", "", seen, asyncio.Event()), seen, b"", lambda: 0.0)
    made.rounds.update(rounds)
    return made


def act(fault: Fault, target: str = "") -> Act:
    return Act(fault, target, 0.0, 0.0, at_once=False)


def test_a_killed_worker_is_back_when_its_own_work_is_done() -> None:
    working = [(0.0, 1.0), (2.0, 3.0)]
    found = prober(redaction=working, vision=working, speech=[(0.0, 1.0), (1.0, 9.0), (9.5, 12.0)])
    killed = act(Fault.REPLICA, "speech")
    assert found.recovered_after(1.5, killed.workers) == 10.5, "the round that began before does not count"
    assert found.recovered_after(1.5, act(Fault.REPLICA, "vision").workers) == 1.5
    assert found.recovered_after(9.6, killed.workers) is None


def test_a_fault_of_another_part_is_over_when_all_kinds_of_workers_work() -> None:
    found = prober(redaction=[(2.0, 3.0)], vision=[(2.0, 7.0)], speech=[(2.0, 4.0)])
    assert act(Fault.RAYLET).workers == act(Fault.STOPPED, "server").workers == WORKERS
    assert found.recovered_after(1.0, WORKERS) == 6.0
    found.rounds["speech"].clear()
    assert found.recovered_after(1.0, WORKERS) is None


def test_each_kind_of_worker_has_a_line() -> None:
    recoveries = Recoveries()
    for each, took in ((act(Fault.REPLICA, "speech"), 8.0), (act(Fault.REPLICA, "redaction"), 2.0)):
        recoveries.happened(each)
        recoveries.note(each, took, "")
    recoveries.note(act(Fault.GCS), None, "redaction: type, for 300 s, {'no answer': 9}")
    assert [line.split("  ")[0] for line in recoveries.lines()] == [
        "replica killed: redaction",
        "replica killed: speech",
    ]
    assert "8.0 s (median)" in recoveries.lines()[1]
    told = f"after 'GCS killed' it did not work for {WAIT_S:.0f} s: redaction: type, for 300 s, {{'no answer': 9}}"
    assert recoveries.stuck == [told]


def test_what_an_app_tries_just_now_is_told() -> None:
    found = prober()
    assert found.doing(["speech"]) == "speech"
    found.seen.trying["prober of redaction"] = Trying("type", -300.0, Counter({"no answer": 9}))
    assert found.doing(["redaction"]) == "redaction: type, for 300 s, {'no answer': 9}"


async def test_what_a_client_tries_is_known_as_long_as_it_tries() -> None:
    seen = Seen()
    clients = Clients("127.0.0.1:1", "", seen, asyncio.Event())
    during: list[Trying] = []

    async def second_time() -> None:
        during.extend(seen.trying.values())
        if len(during) < 2:
            raise TimeoutError

    await clients.patiently(second_time, "type")
    assert during[0] is during[1]
    assert (during[1].what, during[1].errors) == ("type", {"no answer": 1})
    assert seen.trying == {}
