"""Which workers ended, and why, out of Ray's table of dead actors. Messages of Ray are real, its table is not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ray.core.generated import common_pb2, gcs_pb2

from ray_tasks.deployments import application_name
from ray_tasks.types import WorkerEnd, WorkerEndReason
from ray_tasks.worker_ends import WorkerEnds

INSTALLATION = "0123456789ab"
SPEECH = application_name(INSTALLATION, "speech", "0a1b2c3d")
ENDED = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
CAUSES = gcs_pb2 if hasattr(gcs_pb2, "ActorDeathCause") else common_pb2
DIED = CAUSES.ActorDiedErrorContext


def died(reason: int) -> Any:
    # The text of Ray may hold anything, so none of it is kept.
    context = DIED(reason=reason, error_message="maria", pid=7)
    return CAUSES.ActorDeathCause(actor_died_error_context=context)


def actor(cause: Any, kind: str = "vision", deployment: str = "Vision", installation: str = INSTALLATION) -> Any:
    application = SPEECH if kind == "speech" else application_name(installation, kind)
    name = f"SERVE_REPLICA::{application}#{deployment}#a1b2c3"
    return {"Name": name, "Pid": 42, "EndTime": round(1000 * ENDED.timestamp()), "DeathCause": cause}


class Table:
    """Ray's table of dead actors."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}

    def __call__(self) -> dict[str, Any]:
        return dict(self.rows)


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def ends(table: Table) -> WorkerEnds:
    made = WorkerEnds(INSTALLATION, lambda: SPEECH, table)
    assert made.look() == []
    return made


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (died(DIED.WORKER_DIED), WorkerEndReason.PROCESS_ENDED),
        (died(DIED.NODE_DIED), WorkerEndReason.NODE_LOST),
        (died(DIED.RAY_KILL), WorkerEndReason.REPLACED),
        (died(DIED.OWNER_DIED), WorkerEndReason.UNKNOWN),
        (CAUSES.ActorDeathCause(oom_context={"error_message": "maria"}), WorkerEndReason.OUT_OF_MEMORY),
        (CAUSES.ActorDeathCause(creation_task_failure_context={}), WorkerEndReason.NOT_STARTED),
        (CAUSES.ActorDeathCause(), WorkerEndReason.UNKNOWN),
    ],
)
def test_a_worker_that_ended_is_told_once_with_its_reason(
    table: Table, ends: WorkerEnds, cause: Any, reason: WorkerEndReason
) -> None:
    table.rows["a"] = actor(cause)
    found = ends.look()
    assert found == [WorkerEnd("vision", reason, 42, ENDED)]
    assert "maria" not in repr(found)
    assert ends.look() == []


def test_two_ends_between_two_looks_are_both_told(table: Table, ends: WorkerEnds) -> None:
    table.rows |= {"a": actor(died(1), "speech", "Speech"), "b": actor(died(1), "redaction", "Redaction")}
    assert [end.kind for end in ends.look()] == ["speech", "redaction"]


def test_what_ended_before_the_first_look_is_not_told(table: Table) -> None:
    table.rows["a"] = actor(died(1))
    ends = WorkerEnds(INSTALLATION, lambda: SPEECH, table)
    assert ends.look() == []
    table.rows["b"] = actor(died(1))
    assert len(ends.look()) == 1


def test_actors_of_others_are_not_told(table: Table, ends: WorkerEnds) -> None:
    table.rows |= {
        "a": actor(died(1), installation="ba9876543210"),
        "b": actor(died(1)) | {"Name": "SERVE_CONTROLLER_ACTOR"},
        "c": actor(died(1)) | {"Name": ""},
        "d": actor(died(1)) | {"Name": "SERVE_REPLICA::speech#Speech#a1b2c3"},
        "e": actor(died(1)) | {"Name": f"vestibule-{INSTALLATION}-speech#Speech#a1b2c3"},
    }
    assert ends.look() == []


@pytest.mark.parametrize("cause", [died(DIED.WORKER_DIED), died(DIED.RAY_KILL)], ids=["died", "ended by Serve"])
def test_speech_workers_of_a_candidate_and_of_weights_of_before_are_not_told(table: Table, cause: Any) -> None:
    """Each change of weights would look like a speech worker that was lost."""
    names = {identity: application_name(INSTALLATION, "speech", identity) for identity in ("0a1b2c3d", "4e5f6a7b")}
    now = names["0a1b2c3d"]
    ends = WorkerEnds(INSTALLATION, lambda: now, table)
    assert ends.look() == []

    def end_of_both(key: str) -> list[int]:
        for number, name in enumerate(names.values()):
            row = {"Name": f"SERVE_REPLICA::{name}#Speech#a1b2c3", "Pid": number}
            table.rows[f"{key}-{number}"] = actor(cause) | row
        return [end.pid for end in ends.look()]

    assert end_of_both("a") == [0]
    now = names["4e5f6a7b"]
    assert end_of_both("b") == [1]
