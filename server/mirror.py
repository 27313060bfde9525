"""Keeps the mirror of PostgreSQL up to date, in which analysts and reports read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeVar

from models.errors import Conflict, Unavailable, VestibuleError
from models.private_files import make_private_folder, open_private
from models.reasons import Reason
from server.ledger import mirrored
from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.mirrored import Increment, Position
from server.ledger.opened import copying_folder
from server.observability.log import describe, get_logger
from server.records.status import Component

log = get_logger("mirror")

T = TypeVar("T")

ROUND_S: Final = 1.0
NOTED_S: Final = 60.0
"""How often the position is written where nothing changed."""
LATE_S: Final = 30.0
"""From when on the status says that the mirror is behind."""

LONGEST_WAIT_S: Final = 30.0
"""How long an erasure waits for the mirrors of other servers."""
GRACE_S: Final = 10.0
"""How long a mirror may be without its connection. From then on it counts as dead, and begins anew when it is back."""
_PAUSE_S: Final = 0.2

LOCK_FILE: Final = "mirror.lock"
"""In the state folder, where copies of the mirror lie; one process at a time may delete what another one left."""


class Forgetting(Protocol):
    """A request to all mirrors to forget what is deleted; ``server.ledger.postgres.mirrors.Forgetting``."""

    def finish(self, *, without_dead: bool) -> bool:
        """Forget in PostgreSQL what was deleted, if every mirror has; returns whether every mirror had. Blocking.

        Raises:
            VestibuleError: PostgreSQL does not answer.
        """
        ...

    def close(self) -> None:
        """End it."""
        ...


class Source(Protocol):
    """Reads what changed; ``server.ledger.postgres.increments.IncrementReader``."""

    def read(self, since: Position | None, folder: Path) -> Increment:
        """Write what changed since a position into files of a folder. Blocking.

        Raises:
            VestibuleError: The source does not answer.
        """
        ...

    def interrupt(self) -> None:
        """End what another thread reads at the moment, with an error there."""
        ...

    def forgot(self, request: int) -> None:
        """Note that no byte of what was deleted before a request is in the mirror. Blocking.

        Raises:
            VestibuleError: The source does not answer.
        """
        ...

    def forgetting(self) -> Forgetting:
        """Ask all mirrors of the source to forget what is deleted now. Blocking.

        Raises:
            VestibuleError: The source does not answer.
        """
        ...


async def _nothing() -> None:
    return


class Mirror:
    """Copies what changed, round after round. Where an erasure asks for it, no byte of what was deleted is left then.

    Args:
        source: Where the truth is.
        target: The file of the mirror. Nobody else writes to it.
        folder: Where what was read lies until it is written. Its owner alone can enter it.
        monotonic: Seconds of a clock that never goes back.

    Attributes:
        forget_copies: Called when the file was written anew, so that nothing is left in copies of it.
    """

    def __init__(
        self, source: Source, target: EmbeddedLedger, folder: Path, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._target = target
        self._folder = folder
        self._monotonic = monotonic
        self._up_to = monotonic()
        self._noted = -NOTED_S
        self._position: Position | None = None
        self._alone = asyncio.Lock()
        self.forget_copies: Callable[[], Awaitable[None]] = _nothing

    @property
    def lag_s(self) -> float:
        """Seconds since the moment whose state it shows; those since the start before the first round."""
        return self._monotonic() - self._up_to

    @property
    def component(self) -> Component:
        """Its state, for the status report."""
        healthy = self.lag_s < LATE_S
        return Component("mirror", healthy, f"Analysts and reports see PostgreSQL as it was {self.lag_s:.0f} s ago.")

    async def run(self) -> None:
        """Copy until cancelled. What fails is logged and tried again with the next round."""
        while True:
            await self.attempt()
            await asyncio.sleep(ROUND_S)

    async def attempt(self) -> None:
        """A round whose failure is logged: the server works without its mirror."""
        try:
            await self.round()
        except (VestibuleError, OSError) as error:
            log.warning("mirror_failed", **describe(error))
        except Exception as error:  # noqa: BLE001 - the edge: a failure must not end the rounds
            log.error("unexpected_error", **describe(error))

    async def round(self) -> None:
        """Copy what changed since the last round; the whole ledger where that is not known.

        Raises:
            VestibuleError: PostgreSQL does not answer, or the mirror's disk refuses. The mirror is as it was.
            OSError: The folder's disk refuses. The mirror is as it was.
        """
        async with self._alone:
            began = self._monotonic()
            if self._position is None:
                self._position = await self._target.read(mirrored.position)
            with TemporaryDirectory(dir=self._folder) as folder:
                found = await self._read(Path(folder))
                if found.tables or found.request or self._is_new(found) or began - self._noted >= NOTED_S:
                    await self._target.write(lambda cursor: mirrored.apply(cursor, found))
                    self._noted = began
            self._position, self._up_to = found.position, began
            if found.request:
                await self._target.rewrite()
                await self.forget_copies()
                await asyncio.to_thread(self._source.forgot, found.request)

    def _is_new(self, found: Increment) -> bool:
        """Whether PostgreSQL knows the mirror under another id than before."""
        return self._position is None or self._position.mirror != found.position.mirror

    async def _read(self, folder: Path) -> Increment:
        """Read in a thread. A cancelled read is ended, and waited for: it writes into the folder."""
        reading = asyncio.ensure_future(asyncio.to_thread(self._source.read, self._position, folder))
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._source.interrupt)
            await asyncio.gather(reading, return_exceptions=True)
            raise

    async def forget_deleted(self) -> None:
        """Leave no byte of what was deleted in this mirror, in others, or in what PostgreSQL remembers of it.

        Raises:
            VestibuleError: As ``round`` and ``forget_deleted``. It can be repeated.
            OSError: As ``round``.
        """
        await forget_deleted(self._source.forgetting, self.round)


async def build_mirror(url: str, file: EmbeddedLedger, state_dir: Path, stack: AsyncExitStack) -> Mirror:
    """Build the mirror of a database.

    Args:
        url: Of PostgreSQL.
        file: Of the mirror, which nobody else writes to.
        state_dir: Used by no other process that has a mirror.
        stack: Ends its connection.

    Raises:
        Unavailable: LEDGER_LOCKED, another process has a mirror with this state folder.
        OSError: The disk refuses.
    """
    from server.ledger.postgres.increments import IncrementReader  # psycopg is an extra

    take_state_folder(state_dir, stack)
    source = IncrementReader(url, await file.read(mirrored.columns_of))
    stack.callback(source.close)
    make_private_folder(copying_folder(state_dir))
    return Mirror(source, file, copying_folder(state_dir))


def take_state_folder(state_dir: Path, stack: AsyncExitStack) -> None:
    """Take a state folder, and delete what a process that was killed left of a mirror there.

    Raises:
        Unavailable: LEDGER_LOCKED, another process has a mirror with this state folder.
        OSError: The disk refuses.
    """
    stack.callback(os.close, _locked(state_dir))
    shutil.rmtree(copying_folder(state_dir), ignore_errors=True)


class NoMirror:
    """Stands in for the mirror of a server that keeps none."""

    async def read(self, fn: Callable[[DuckDb], T]) -> T:
        """Never reads.

        Raises:
            Conflict: LEDGER_NOT_MIRRORED.
        """
        raise Conflict(
            "This server keeps no mirror of PostgreSQL, and this reads one.",
            reason=Reason.LEDGER_NOT_MIRRORED,
            hint="Ask a server with VESTIBULE_LEDGER__MIRROR=true.",
        )


def _locked(state_dir: Path) -> int:
    """The descriptor of the lock of a state folder."""
    lock = open_private(str(state_dir / LOCK_FILE), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
    except OSError:  # the file system has no locks
        return lock
    else:
        return lock
    raise Unavailable(
        "The state folder is used by another server or mirror.",
        reason=Reason.LEDGER_LOCKED,
        hint="End it, or name another folder with --state-dir.",
    )


async def forget_deleted(
    ask: Callable[[], Forgetting],
    fulfil: Callable[[], Awaitable[None]] = _nothing,
    grace_s: float = GRACE_S,
    longest_s: float = LONGEST_WAIT_S,
) -> None:
    """Have all mirrors of a source forget what is deleted now, and the source, too.

    Args:
        ask: Asks them.
        fulfil: Has those of this process do so.
        grace_s: How long to wait for a mirror that does not live.
        longest_s: How long to wait for one that lives.

    Raises:
        Unavailable: LEDGER_CONFLICT, another mirror has not forgotten yet.
        VestibuleError: The source does not answer, or what ``fulfil`` raises.
    """
    asked = await asyncio.to_thread(ask)
    try:
        await fulfil()
        began = time.monotonic()
        while not await asyncio.to_thread(partial(asked.finish, without_dead=time.monotonic() - began >= grace_s)):
            if time.monotonic() - began > longest_s:
                raise Unavailable(
                    "The mirror of another server still has what was deleted.",
                    reason=Reason.LEDGER_CONFLICT,
                    hint="Look at its log and its disk. It is tried again.",
                )
            await asyncio.sleep(_PAUSE_S)
    finally:
        await asyncio.to_thread(asked.close)
