"""Which calls may have died together."""

from __future__ import annotations

from contextlib import suppress

import pytest

from models.errors import InternalError, Unavailable, VestibuleError, WorkerLost, WorkersMismatch
from models.reasons import Reason
from models.redaction.types import RedactionScope
from server.breakers.worker_calls import TOGETHER_S, WorkerCall, WorkerCalls
from tests.clocks import HandSeconds

LOST = WorkerLost("It died.")
CLUSTER_LOST = Unavailable("It is lost.", reason=Reason.CLUSTER_LOST)
OTHER_ERRORS = [
    Unavailable("They are not up.", reason=Reason.WORKERS_NOT_READY),
    WorkersMismatch("They are others."),
    InternalError("A defect."),
]


class World:
    """The calls of a server, on a clock by hand."""

    def __init__(self) -> None:
        self.clock = HandSeconds()
        self.calls = WorkerCalls(self.clock)

    def end(self, client: str, error: VestibuleError) -> WorkerCall:
        """Have a call begin and fail at once."""
        with suppress(VestibuleError), self.calls.running("vision", RedactionScope(client, "session")) as call:
            raise error
        return call


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("error", [LOST, CLUSTER_LOST], ids=lambda error: error.reason)
def test_a_call_that_ended_shortly_before_is_known(world: World, error: VestibuleError) -> None:
    with suppress(VestibuleError), world.calls.running("vision", RedactionScope("long", "session")) as call:
        other = world.end("other", error)
        world.clock.advance(TOGETHER_S - 1)
        assert world.calls.beside(call) == {other}
        raise LOST
    assert call.clients == {"long", "other"}


def test_a_call_that_ended_long_before_is_not(world: World) -> None:
    with suppress(VestibuleError), world.calls.running("vision", RedactionScope("long", "session")) as call:
        world.end("early", LOST)
        world.clock.advance(TOGETHER_S)
        late = world.end("late", LOST)
        assert world.calls.beside(call) == {late}
        assert call._lost.keys() == {late}, "nothing old is kept while a long call runs"
        world.clock.advance(TOGETHER_S)
        raise LOST
    assert call.clients == {"long"}


@pytest.mark.parametrize("error", OTHER_ERRORS, ids=lambda error: error.reason)
def test_a_call_that_failed_otherwise_is_not(world: World, error: VestibuleError) -> None:
    with world.calls.running("vision", RedactionScope("long", "session")) as call:
        world.end("other", error)
        assert not world.calls.beside(call)
