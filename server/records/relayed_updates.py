"""Brings what other servers publish to the subscribers of this one. Its notice has ids; the row is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice
from typing import Final, assert_never

from models.errors import NotFound, VestibuleError
from server.ledger import recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.notices import Notice, Notices
from server.ledger.transactional import Ledger
from server.ledger.types import RecommendationRow, SessionRow, TurnRow, UploadRow
from server.observability.log import describe, get_logger
from server.records.pubsub import LateReply, PubSub, Update

log = get_logger("relay")

MOST_WAITING: Final = 10_000
"""Rows that may wait to be read. If there are more, the subscribers are told that they missed some."""
AT_ONCE: Final = 50
"""Rows of one read."""
PAUSE_S: Final = 1.0
"""Before a read that failed is tried again."""

SESSION: Final = "session"
UPLOAD: Final = "upload"
RECOMMENDATION: Final = "recommendation"
TURN: Final = "turn"
LATE_REPLY: Final = "late_reply"

_STATE: Final = "state"
"""Of a session: the row, and those of its uploads."""

Key = tuple[str, str]
"""Kind and id."""


class RelayedUpdates:
    """Tells other servers what this one publishes, and publishes here what they told. Call it on the event loop.

    Args:
        ledger: Has the rows.
        pubsub: That of this server.
        notices: The way to the other servers.
        sleep: Waits before a read is tried again.
    """

    def __init__(
        self,
        ledger: Ledger,
        pubsub: PubSub,
        notices: Notices,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._pubsub = pubsub
        self._notices = notices
        self._sleep = sleep
        self._waiting: dict[Key, set[str]] = {}
        self._reading = False
        self._outdated: set[Key] = set()
        self._missed = False
        self._work: asyncio.Task[None] | None = None
        pubsub.on_publish = self._published

    def heard(self, notice: Notice) -> None:
        """Another server has published something. It is read only where somebody here follows it."""
        followed = [topic for topic in notice.topics if self._pubsub.is_followed(topic)]
        if not followed or notice.kind not in _READ:
            return
        self._waiting.setdefault((notice.kind, notice.id), set()).update(followed)
        if len(self._waiting) > MOST_WAITING:
            self._waiting.clear()
            self._missed = True
        self._begin()

    def missed(self) -> None:
        """Other servers may have published anything: each subscriber is told, or gets the state anew."""
        self._missed = True
        self._begin()

    async def close(self) -> None:
        """Publish no more."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])

    def _published(self, update: Update, topics: tuple[str, ...]) -> None:
        key = _key(update)
        if self._reading:
            self._outdated.add(key)
        self._notices.tell(Notice(*key, topics))

    def _begin(self) -> None:
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._publish_waiting())

    async def _publish_waiting(self) -> None:
        told = ""
        while self._waiting or self._missed:
            if self._missed:
                self._missed = False
                for topic in self._pubsub.lose():
                    self._waiting.setdefault((_STATE, topic), set()).add(topic)
            try:
                await self._publish({key: self._waiting.pop(key) for key in list(islice(self._waiting, AT_ONCE))})
                told = ""
            except VestibuleError as error:
                if error.reason != told:  # a database may be away for hours
                    log.warning("updates_not_read", **describe(error))
                told = error.reason
                await self._sleep(PAUSE_S)

    async def _publish(self, wanted: dict[Key, set[str]]) -> None:
        """Read rows and publish them. Those that are told of meanwhile wait anew: the read may not see the change.

        Args:
            wanted: Topics by row.

        Raises:
            VestibuleError: The ledger does not answer; the rows wait on.
        """
        found: dict[Key, list[Update] | None] = {}
        self._reading = True
        try:
            found = await self._ledger.read(lambda cursor: {key: _found(cursor, *key) for key in wanted})
        finally:
            self._reading = False
            outdated, self._outdated = self._outdated, set()
            for key, topics in wanted.items():
                # What this server has published meanwhile may be newer.
                if key not in found or not outdated.isdisjoint(map(_key, found[key] or ())):
                    self._waiting.setdefault(key, set()).update(topics)
                    found.pop(key, None)
        for key, updates in found.items():
            if updates is None:
                self._pubsub.lag(wanted[key])
            for update in updates or ():
                self._pubsub.offer(update, *wanted[key])


def _key(update: Update) -> Key:
    match update:
        case SessionRow():
            return SESSION, update.id
        case UploadRow():
            return UPLOAD, update.id
        case RecommendationRow():
            return RECOMMENDATION, update.id
        case TurnRow():
            return TURN, update.id
        case LateReply():
            return LATE_REPLY, update.turn_id
    assert_never(update)


def _found(cursor: Cursor, kind: str, row_id: str) -> list[Update] | None:
    """What is published of a row; None if it was erased."""
    try:
        return list(_READ[kind](cursor, row_id))
    except NotFound:
        return None


def _late_reply(turn: TurnRow) -> list[Update]:
    if turn.reply is None or turn.reply_origin is None:
        return []
    return [LateReply(turn.id, turn.reply, turn.reply_origin)]


def _state(cursor: Cursor, session_id: str) -> list[Update]:
    return [sessions.get(cursor, session_id), *uploads.list_of_session(cursor, session_id)]


_READ: Final[Mapping[str, Callable[[Cursor, str], Sequence[Update]]]] = {
    SESSION: lambda cursor, row_id: [sessions.get(cursor, row_id)],
    UPLOAD: lambda cursor, row_id: [uploads.get(cursor, row_id)],
    RECOMMENDATION: lambda cursor, row_id: [recommendations.get(cursor, row_id)],
    TURN: lambda cursor, row_id: [turns.get(cursor, row_id)],
    LATE_REPLY: lambda cursor, row_id: _late_reply(turns.get(cursor, row_id)),
    _STATE: _state,
}
