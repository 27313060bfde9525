"""Builds what the servers on one database tell each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from server.access.api_keys import ApiKeys
from server.jobs.runner import JobRunner
from server.ledger.notices import API_KEYS, BREAKERS, DECLARED_EVENTS, FLOWS, JOBS, SPEECH_MODELS, Notice
from server.records.declared_events import DeclaredEvents
from server.records.followed_flows import FollowedFlows
from server.records.relayed_updates import RelayedUpdates
from server.relay import Relay
from server.speech_models.choice import SpeechModelChoice
from server.wiring.shared import Shared

if TYPE_CHECKING:
    from server.ledger.postgres.notices import PostgresNotices


class RunningRelay:
    """A relay with its connection."""

    def __init__(self, relay: Relay, updates: RelayedUpdates, notices: PostgresNotices) -> None:
        self._relay = relay
        self._updates = updates
        self._notices = notices
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen and to refresh."""
        loop = asyncio.get_running_loop()

        def on_loop(call: Callable[..., None], *arguments: Any) -> None:
            with suppress(RuntimeError):  # the loop is closed, and the thread was stuck in a connection
                loop.call_soon_threadsafe(call, *arguments)

        self._work = asyncio.create_task(self._relay.run())
        self._notices.start(partial(on_loop, self._relay.heard), partial(on_loop, self._relay.missed))

    async def close(self) -> None:
        """Tell what is still to be told, and end."""
        await asyncio.to_thread(self._notices.close)
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        await self._updates.close()


def build_relay(
    url: str,
    shared: Shared,
    runner: JobRunner,
    keys: ApiKeys,
    declared: DeclaredEvents,
    speech_models: SpeechModelChoice,
) -> RunningRelay | None:
    """Build it and connect the parts of the server with it; None without the URL of a database of PostgreSQL."""
    if not url:
        return None
    from server.ledger.postgres.notices import PostgresNotices  # psycopg is an extra

    notices = PostgresNotices(url)

    def tells(kind: str) -> Callable[[], None]:
        return lambda: notices.tell(Notice(kind))

    runner.on_wake = tells(JOBS)
    keys.on_change = tells(API_KEYS)
    declared.on_change = tells(DECLARED_EVENTS)
    shared.breakers.tell_when_stored(tells(BREAKERS))
    speech_models.on_change = tells(SPEECH_MODELS)
    refreshes: dict[str, Callable[[], Awaitable[object]]] = {
        JOBS: _at_once(runner.look),
        API_KEYS: keys.load,
        DECLARED_EVENTS: _at_once(declared.forget),
        FLOWS: FollowedFlows(shared.ledger, shared.flows, declared).follow,
        BREAKERS: shared.breakers.follow,
        SPEECH_MODELS: _at_once(speech_models.wake),
    }
    notices.tell(Notice(FLOWS))  # those of this server's files are stored by now
    updates = RelayedUpdates(shared.ledger, shared.pubsub, notices)
    return RunningRelay(Relay(updates, refreshes), updates, notices)


def _at_once(refresh: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def refreshed() -> None:
        refresh()

    return refreshed
