"""Notices that workers ended, and why. Serve replaces them without telling anybody; Ray keeps a table of its actors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from ray._private.state import state
from ray.serve._private.common import REPLICA_ID_FULL_ID_STR_PREFIX

from ray_tasks.deployments import kind_of
from ray_tasks.serve_client import RAY_ERRORS
from ray_tasks.types import WorkerEnd, WorkerEndReason

_DIED: Final = {
    "WORKER_DIED": WorkerEndReason.PROCESS_ENDED,
    "NODE_DIED": WorkerEndReason.NODE_LOST,
    "RAY_KILL": WorkerEndReason.REPLACED,  # Serve ended it: a failed health check, or an update
}
_OTHER: Final = {
    "oom_context": WorkerEndReason.OUT_OF_MEMORY,
    "creation_task_failure_context": WorkerEndReason.NOT_STARTED,
    "actor_unschedulable_context": WorkerEndReason.NOT_STARTED,
    "runtime_env_failed_context": WorkerEndReason.NOT_STARTED,
}

LOOK_ERRORS: Final = (*RAY_ERRORS, RuntimeError, ValueError, KeyError, AttributeError, TypeError)
"""What a look may raise. RuntimeError and ValueError are how Ray says that the GCS is away. The last three come from a
row of another form, such as one of another release of Ray."""


def dead_actors() -> Mapping[str, Mapping[str, Any]]:
    """Ray's table of actors that ended, by id. Ray's public interface to it needs the dashboard."""
    table: Mapping[str, Mapping[str, Any]] = state.actor_table(None, actor_state_name="DEAD")
    return table


class WorkerEnds:
    """The workers of one installation that ended.

    Args:
        installation: Id of the installation.
        speech: Name of the application that recognises speech now. Workers of a candidate, and of weights that are not
            used any more, have others: what becomes of them is no fault of those that take calls.
        read: The table.
    """

    def __init__(
        self,
        installation: str,
        speech: Callable[[], str],
        read: Callable[[], Mapping[str, Mapping[str, Any]]] = dead_actors,
    ) -> None:
        self._installation = installation
        self._speech = speech
        self._read = read
        self._seen: set[str] | None = None

    def look(self) -> list[WorkerEnd]:
        """Those that ended since the last look; the first one finds none. Blocks."""
        table = self._read()
        new = [] if self._seen is None else [table[key] for key in table if key not in self._seen]
        self._seen = set(table)
        return [end for row in new if (end := self._end(row)) is not None]

    def _end(self, row: Mapping[str, Any]) -> WorkerEnd | None:
        prefix, replica = REPLICA_ID_FULL_ID_STR_PREFIX, row["Name"].partition("#")[0]
        application = replica.removeprefix(prefix)
        kind = kind_of(application, self._installation)
        if kind is None or not replica.startswith(prefix) or (kind == "speech" and application != self._speech()):
            return None
        return WorkerEnd(
            kind, _reason(row["DeathCause"]), row["Pid"], datetime.fromtimestamp(row["EndTime"] / 1000, UTC)
        )


def _reason(cause: Any) -> WorkerEndReason:
    """A word for Ray's cause. The text of Ray is not kept: it may hold anything."""
    context = cause.WhichOneof("context")
    if context == "actor_died_error_context":
        died = cause.actor_died_error_context
        return _DIED.get(died.Reason.Name(died.reason), WorkerEndReason.UNKNOWN)
    return _OTHER.get(context, WorkerEndReason.UNKNOWN)
