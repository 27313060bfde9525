"""The lease of a server on its installation id, on its Ray cluster, for as long as the server lives.

A lease is a named actor: its name is unique, and Ray ends it together with the process that made it. A server that has
its installation for itself holds the actor called like the installation. Servers that share one hold one each, called
after the installation, the fingerprint of their workers, themselves, and the weights that they recognise speech with;
then the actor called like the installation is held for moments only, by the one whose turn it is to deploy or to delete
workers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import ray
from ray.exceptions import ActorAlreadyExistsError

from models.errors import Unavailable
from models.reasons import Reason

NAMESPACE: Final = "vestibule"
SEPARATOR: Final = "-"
BETWEEN: Final = "."
"""Between the identities in the name of a lease."""
LEASE_PARTS: Final = 2
"""Least parts of the name of the lease of one of several servers, after the installation. Releases that knew no change
of weights had no third one.
"""
RELEASE_S: Final = 5.0
"""How long Ray may take to notice that the holder of a lease was killed."""
ENDED_S: Final = 0.6
"""How long Ray may take to forget a lease that was given back."""
POLL_S: Final = 0.2


@ray.remote(num_cpus=0, max_restarts=-1)
class Lease:
    """An actor that does nothing. Its name is unique, and Ray ends it together with the process that made it."""


class SharedLease:
    """The lease of one of several servers of an installation. Take and end it while it is this server's turn.

    Args:
        installation: Id of the installation.
        fingerprint: Of what the workers of this server are built from.
    """

    def __init__(self, installation: str, fingerprint: str) -> None:
        self._installation = installation
        self._fingerprint = fingerprint
        self._server = secrets.token_hex(6)
        self._name = ""
        self._actor: Any = None

    @property
    def taken(self) -> bool:
        """Whether this server holds it."""
        return self._actor is not None

    def take(self, identities: Iterable[str]) -> None:
        """Take it, or another in its place; it ends with this process.

        Args:
            identities: Of the weights that this server recognises speech with from now on.
        """
        used = BETWEEN.join(sorted(set(identities)))
        name = SEPARATOR.join((self._installation, self._fingerprint, self._server, used))
        if name == self._name:
            return
        taken = Lease.options(name=name, namespace=NAMESPACE).remote()  # type: ignore[attr-defined]
        before, self._actor, self._name = self._actor, taken, name  # not before Ray has made it
        if before is not None:
            ray.kill(before)

    def others(self) -> list[str]:
        """Fingerprints of the other servers of the installation that live."""
        return [fingerprint for fingerprint, _used in self._leases_of_others()]

    def used_by_others(self) -> set[str]:
        """Identities of the weights that they recognise speech with."""
        return {identity for _, used in self._leases_of_others() for identity in used.split(BETWEEN) if identity}

    def end(self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        """Give it back. Blocks until the other servers do not see it any more."""
        ray.kill(self._actor)
        give_up_at = clock() + ENDED_S
        while self._name in leases() and clock() < give_up_at:
            sleep(POLL_S)

    def _leases_of_others(self) -> Iterator[tuple[str, str]]:
        for name in leases():
            installation, *parts = name.split(SEPARATOR)
            if installation == self._installation and len(parts) >= LEASE_PARTS and parts[1] != self._server:
                yield parts[0], parts[LEASE_PARTS] if len(parts) > LEASE_PARTS else ""


def take_lease(
    installation: str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    *,
    wait_s: float = RELEASE_S,
) -> Any:
    """Take the lease of an installation. Blocks while the lease of a server that was just killed still exists.

    Args:
        installation: Its id.
        clock: Seconds, monotonic.
        sleep: Waits between attempts.
        wait_s: Bound on the wait.

    Returns:
        A handle; the lease ends when it is dropped, or with this process.

    Raises:
        Unavailable: INSTALLATION_IN_USE.
    """
    give_up_at = clock() + wait_s
    while True:
        try:
            return Lease.options(name=installation, namespace=NAMESPACE).remote()  # type: ignore[attr-defined]
        except ActorAlreadyExistsError:
            if clock() > give_up_at:
                raise in_use() from None
            sleep(POLL_S)


@contextmanager
def turn(installation: str, wait_s: float) -> Iterator[None]:
    """Held while one of several servers looks who else is there, and deploys or deletes the workers accordingly.

    Raises:
        Unavailable: INSTALLATION_IN_USE, another server had it for all of ``wait_s``.
    """
    held = take_lease(installation, wait_s=wait_s)
    try:
        yield
    finally:
        ray.kill(held)


def in_use() -> Unavailable:
    """The error of a server whose installation is another server's."""
    return Unavailable(
        "Another server with the same installation id uses this Ray cluster.",
        reason=Reason.INSTALLATION_IN_USE,
        hint="Stop it, or give this server a state folder of its own (VESTIBULE_STATE_DIR), or let both share one "
        "(VESTIBULE_SHARED_DIR).",
    )


def leases() -> set[str]:
    """Names of all leases on the cluster."""
    actors: list[dict[str, str]] = ray.util.list_named_actors(all_namespaces=True)
    return {actor["name"] for actor in actors if actor["namespace"] == NAMESPACE}


def leased_installations() -> set[str]:
    """Ids of the installations that have a living server on the cluster."""
    return {name.partition(SEPARATOR)[0] for name in leases()}
