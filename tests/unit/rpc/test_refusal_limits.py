"""Refused credentials are bounded for each network address, before they are looked at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from models.errors import Overloaded, PermissionDenied, Unauthenticated
from models.reasons import Reason
from server.access.authenticator import Grant
from server.access.caller import Caller, Scope
from server.access.peer import Peer
from server.observability.metrics import Metrics
from server.rpc.interceptors import refusal_limits
from server.rpc.interceptors.authenticate import Authenticate, observer
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.token_bucket import SWEEP_KEYS
from server.setting_groups import LimitSettings
from tests.eventually import eventually
from tests.unit.rpc.every_method import Port, every_method, serving
from tests.unit.rpc.test_interceptors import details

METHODS = {method.descriptor.name: method for method in every_method()}
GET, STATUS = METHODS["GetSession"], METHODS["GetStatus"]
NETWORK, NEIGHBOUR = "192.0.2.1", "192.0.2.2"
UNAUTHENTICATED, FULL = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.RESOURCE_EXHAUSTED
ADMITTED = grpc.StatusCode.INVALID_ARGUMENT
"""The empty request is checked only behind the bounds."""
BURST = 3


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Guard:
    """Knows credentials that begin with "good", and holds those that begin with "slow" until released."""

    def __init__(self) -> None:
        self.checked = 0
        self.revoked: set[str] = set()
        self.release = asyncio.Event()

    async def authenticate(self, authorization: Sequence[str | bytes], peer: Peer) -> Grant:
        self.checked += 1
        value = str(authorization[0]) if authorization else ""
        if value.startswith("slow"):
            await self.release.wait()
        if not value.startswith("good") or value in self.revoked:
            raise Unauthenticated("The credential is not valid.")

        async def recheck() -> None: ...

        return Grant(Caller(f"key:{value}", "site-1", frozenset({Scope.APP}), peer), recheck)


class Door:
    """A real port with bounds."""

    def __init__(self, port: Port, guard: Guard, metrics: Metrics, audited: list[str]) -> None:
        self.port, self.guard, self.metrics, self.audited = port, guard, metrics, audited

    async def call(self, credential: str, method: Any = GET) -> tuple[grpc.StatusCode, Any]:
        return await self.port.outcome(method, (("authorization", credential),))

    def refused(self, reason: Reason) -> float | None:
        return self.metrics.registry.get_sample_value("vestibule_refused_calls_total", {"reason": reason})


class Audit:
    """Notes what would be a row."""

    def __init__(self) -> None:
        self.denied: list[str] = []

    def record(self, caller: Caller, method: str, *, denied: str = "") -> None:
        if denied:
            self.denied.append(denied)


@asynccontextmanager
async def door(clock: Clock, **limits: Any) -> AsyncIterator[Door]:
    bounds = LimitSettings(**{"network_refused_per_s": 0.5, "network_refused_burst": BURST} | limits)
    guard, metrics, audit = Guard(), Metrics(), Audit()
    observe = observer(metrics, audit)  # type: ignore[arg-type]
    authenticate = Authenticate(guard, observe, RefusalLimits(bounds, clock))  # type: ignore[arg-type]
    async with asyncio.timeout(20), serving(authenticate) as port:
        yield Door(port, guard, metrics, audit.denied)


async def test_bad_credentials_of_one_address_are_not_looked_at_without_end() -> None:
    clock = Clock()
    async with door(clock) as opened:
        answers = [await opened.call(f"bad-{number}") for number in range(50)]
        assert [code for code, _ in answers] == [UNAUTHENTICATED] * BURST + [FULL] * (50 - BURST)
        assert opened.guard.checked == BURST
        found = details(answers[-1][1])
        assert found["ErrorInfo"].reason == Reason.REFUSALS_TOO_FAST
        assert found["ErrorInfo"].metadata["hint"]
        wait_s = found["RetryInfo"].retry_delay.ToTimedelta().total_seconds()
        assert wait_s == pytest.approx(2.0, abs=0.01)
        assert opened.refused(Reason.REFUSALS_TOO_FAST) == 50 - BURST
        assert opened.audited.count(Reason.REFUSALS_TOO_FAST) == 50 - BURST
        clock.now_s += wait_s
        assert [(await opened.call("bad"))[0] for _ in range(2)] == [UNAUTHENTICATED, FULL]


async def test_a_scope_that_is_missing_counts_too() -> None:
    async with door(Clock()) as opened:
        codes = [(await opened.call("good", STATUS))[0] for _ in range(BURST + 2)]
        assert codes == [grpc.StatusCode.PERMISSION_DENIED] * BURST + [FULL] * 2


async def test_good_calls_use_nothing_up_and_go_on_beside_a_flood_from_their_address() -> None:
    async with door(Clock()) as opened:
        assert {(await opened.call(f"good-{number % 20}"))[0] for number in range(100)} == {ADMITTED}
        assert (await opened.call("bad"))[0] is UNAUTHENTICATED
        for _ in range(BURST):
            await opened.call("bad")
        assert (await opened.call("good-1"))[0] is ADMITTED
        assert (await opened.call("good-that-was-never-seen"))[0] is FULL


async def test_a_credential_that_was_accepted_and_then_revoked_is_looked_at_once() -> None:
    async with door(Clock()) as opened:
        await opened.call("good-1")
        for _ in range(BURST):
            await opened.call("bad")
        opened.guard.revoked.add("good-1")
        assert [(await opened.call("good-1"))[0] for _ in range(3)] == [UNAUTHENTICATED, FULL, FULL]


async def test_few_credentials_of_one_address_are_checked_at_the_same_time() -> None:
    async with door(Clock(), network_checks=2, network_refused_burst=100) as opened:
        slow = [asyncio.create_task(opened.call(f"slow-{number}")) for number in range(2)]
        await eventually(lambda: opened.guard.checked == 2)
        code, error = await opened.call("good")
        assert (code, details(error)["ErrorInfo"].reason) == (FULL, Reason.TOO_MANY_CREDENTIAL_CHECKS)
        assert details(error)["RetryInfo"].retry_delay.ToTimedelta().total_seconds() == pytest.approx(3.0)
        assert opened.refused(Reason.TOO_MANY_CREDENTIAL_CHECKS) == 1
        opened.guard.release.set()
        assert [code for code, _ in await asyncio.gather(*slow)] == [UNAUTHENTICATED] * 2
        assert (await opened.call("good"))[0] is ADMITTED


def refuse(limits: RefusalLimits, network: str, credential: str = "bad") -> None:
    with pytest.raises(Unauthenticated), limits.checking(network, [credential]):
        raise Unauthenticated("The credential is not valid.")


def test_another_address_is_not_affected_and_loopback_is_bounded() -> None:
    for flooding in (NETWORK, "127.0.0.1", "::/64", "unix"):
        limits = RefusalLimits(LimitSettings(network_refused_burst=BURST), Clock())
        for _ in range(BURST):
            refuse(limits, flooding)
        with pytest.raises(Overloaded), limits.checking(flooding, ["new"]):
            pass
        with limits.checking(NEIGHBOUR, ["new"]):
            pass


def test_two_credentials_are_never_remembered_as_accepted() -> None:
    limits = RefusalLimits(LimitSettings(network_refused_burst=1), Clock())
    with limits.checking(NETWORK, ["good"]):
        pass
    refuse(limits, NETWORK)
    for authorization in ([], ["good", "good"], [b"good"]):
        with pytest.raises(Overloaded), limits.checking(NETWORK, authorization):
            pass
    with pytest.raises(PermissionDenied), limits.checking(NETWORK, ["good"]):
        raise PermissionDenied("No.", reason=Reason.SCOPE_MISSING)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusal_limits, "MOST_ACCEPTED", 10)
    clock = Clock()
    limits = RefusalLimits(LimitSettings(), clock)
    for number in range(20 * SWEEP_KEYS):
        clock.now_s += 0.001  # a thousand addresses a second
        network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        refuse(limits, network)
        with limits.checking(network, [f"good-{number}"]):
            pass
    assert len(limits) <= 2 * SWEEP_KEYS + 10
