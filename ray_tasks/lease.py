"""The lease of a server on its installation id, on its Ray cluster, for as long as the server lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import ray
from ray.exceptions import ActorAlreadyExistsError

from models.errors import Unavailable
from models.reasons import Reason

NAMESPACE: Final = "vestibule"
RELEASE_S: Final = 5.0
"""How long Ray may take to notice that the holder of a lease was killed."""
POLL_S: Final = 0.2


@ray.remote(num_cpus=0, max_restarts=-1)
class Lease:
    """An actor that does nothing. Its name is unique, and Ray ends it together with the process that made it."""


def take_lease(
    installation: str, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Any:
    """Take the lease of an installation. Blocks while the lease of a server that was just killed still exists.

    Returns:
        A handle; the lease ends when it is dropped, or with this process.

    Raises:
        Unavailable: INSTALLATION_IN_USE.
    """
    give_up_at = clock() + RELEASE_S
    while clock() <= give_up_at:
        try:
            return Lease.options(name=installation, namespace=NAMESPACE).remote()  # type: ignore[attr-defined]
        except ActorAlreadyExistsError:
            sleep(POLL_S)
    raise Unavailable(
        "Another server with the same installation id uses this Ray cluster.",
        reason=Reason.INSTALLATION_IN_USE,
        hint="Stop it, or give this server a state folder of its own (VESTIBULE_STATE_DIR).",
    )


def leased_installations() -> set[str]:
    """Ids of the installations that have a living server on the cluster."""
    actors: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
    return {actor["name"] for actor in actors if actor["namespace"] == NAMESPACE}
