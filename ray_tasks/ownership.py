"""Whose the applications of an installation are: of one server, or of several that share them. Everything here blocks.

Of servers that share them, the first one deploys them, the others find them running, and the last one to leave deletes
them. Who is first and who is last is decided by turns, so it holds for servers that come and go at the same time.
Speech of some weights is deployed by the first server that uses these, and deleted by the last one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from models.errors import Unavailable, WorkersMismatch
from models.reasons import Reason
from ray_tasks.applications import Application, Applications
from ray_tasks.lease import POLL_S, RELEASE_S, SharedLease, in_use, take_lease, turn
from ray_tasks.types import ClusterConfig

log = logging.getLogger(__name__)

START_TURN_S: Final = 60.0
"""How long a start waits for its turn. The one before it may have to start Serve, and to ask workers that hang."""
STOP_TURN_S: Final = 1.2
"""How long a stop waits for its turn. With ``applications.DELETE_S`` and ``lease.ENDED_S`` it must end before
``cluster.STOP_S``.
"""


class Ownership:
    """The claim of one server on the applications of its installation.

    Args:
        config: The installation, and whether others share it.
        applications: What is claimed.
    """

    def __init__(self, config: ClusterConfig, applications: Applications) -> None:
        self._installation = config.installation
        self._shared = config.shared and bool(config.address)  # a local cluster is of one server
        self._applications = applications
        self._mine = SharedLease(config.installation, applications.fingerprint)
        self._alone: object | None = None
        self._changing = threading.Lock()
        self._given_up = False

    def claim(self) -> None:
        """Claim the applications, and deploy those that do not run yet; returns before they are up.

        Raises:
            Unavailable: INSTALLATION_IN_USE.
            WorkersMismatch: They are of other servers that live, and built from other settings, policies or code.
        """
        applications = self._applications
        wanted = list(applications.current.values())
        if self._shared:
            with turn(self._installation, START_TURN_S):
                others = self._others_like_this()
                self._mine.take(_identities(wanted))
                applications.start()
                applications.deploy(wanted, in_use=others)
                self._delete_unused(wanted)
            return
        self._alone = take_lease(self._installation, wait_s=RELEASE_S)
        if self._mine.others():
            self._alone = None
            raise in_use()
        applications.start()
        applications.deploy(wanted, in_use=False)
        self._delete_unused(wanted)

    def use(self, speech: Iterable[Application]) -> None:
        """Use these applications of speech from now on: deploy those that do not run, and delete those that no server
        uses. Returns before they are up, or away.

        Raises:
            Unavailable: INSTALLATION_IN_USE, another server had its turn all the time; WORKERS_NOT_READY, the claim was
                given up.
        """
        speech = list(speech)
        with self._changing, self._turn():
            if self._given_up:
                raise Unavailable("The cluster was stopped.", reason=Reason.WORKERS_NOT_READY)
            if self._shared:
                self._mine.take(_identities(speech))
            self._applications.deploy(speech, in_use=True)
            self._delete_unused(speech, hurry=lambda: self._given_up)  # a stop waits for this

    def give_up(self) -> None:
        """Delete the applications, unless another server has a claim on them, too."""
        self._given_up = True
        give_up_at = time.monotonic() + STOP_TURN_S
        changed = self._changing.acquire(timeout=STOP_TURN_S)  # what is deployed just now is to be deleted, too
        try:
            self._give_up(max(0.0, give_up_at - time.monotonic()))
        finally:
            if changed:
                self._changing.release()

    def _give_up(self, wait_s: float) -> None:
        if self._alone is not None:
            self._applications.delete()
        if not self._mine.taken:
            return
        try:
            with turn(self._installation, wait_s):
                if self._mine.others():
                    self._delete_unused(())
                else:
                    self._applications.delete()
                self._mine.end()
        except Unavailable:  # another server starts just now, and has a claim on them
            log.info("workers_left_to_a_server_that_starts")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._shared:
            yield
            return
        with turn(self._installation, START_TURN_S):
            yield

    def _delete_unused(self, used: Iterable[Application], hurry: Callable[[], bool] = lambda: False) -> None:
        others = self._mine.used_by_others() if self._shared else set()
        self._applications.delete_speech_except(others | _identities(used), hurry)

    def _others_like_this(self) -> bool:
        """Whether other servers have a claim. One that was just killed may have had another fingerprint."""
        give_up_at = time.monotonic() + RELEASE_S
        while (others := set(self._mine.others())) - {self._applications.fingerprint}:
            if time.monotonic() > give_up_at:
                raise WorkersMismatch(
                    "Other servers of this installation use its workers with other settings, another redaction policy "
                    "or another release.",
                    hint="Give all its servers the same release and settings, or stop the others before this one "
                    "starts.",
                )
            time.sleep(POLL_S)
        return bool(others)


def _identities(applications: Iterable[Application]) -> set[str]:
    return {one.identity for one in applications if one.identity}
