"""Publish and subscribe, by topic, within one process; ``relayed_updates`` adds what other servers publish.

A topic is the id of a session or of an upload. To miss nothing, subscribe first, then read the ledger, then follow::

    with pubsub.subscribe(upload_id) as updates:
        yield await ledger.read(...)
        async for update in updates:
            ...

Call everything on the event loop; nothing here is safe for threads.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from types import TracebackType

from models.errors import Overloaded, ShuttingDown
from models.reasons import Reason
from models.text import RedactedText
from server.ledger.types import Origin, RecommendationRow, SessionRow, TurnRow, UploadRow

QUEUE_UPDATES = 256
"""Updates that may wait for one subscriber. Uploads and turns take one place each, however often they change."""


@dataclass(frozen=True, slots=True)
class LateReply:
    """A reply of a background job, for a turn that got the fallback's, or one that broke off."""

    turn_id: str
    text: RedactedText
    origin: Origin


Update = SessionRow | UploadRow | RecommendationRow | TurnRow | LateReply


class Subscription:
    """Updates of one topic, in the order of their first publication; of an upload or a turn only the latest state.

    A subscriber that does not keep up gets an error, so it never misses an update silently.
    """

    def __init__(self, pubsub: PubSub, topic: str, queue_updates: int, *, reads_again: bool) -> None:
        self._pubsub = pubsub
        self._topic = topic
        self._queue_updates = queue_updates
        self._reads_again = reads_again
        # By key, so that a newer state replaces an older one; dict keeps the order of arrival.
        self._waiting: dict[str, Update] = {}
        self._count = 0
        self._changed = asyncio.Event()
        self._lagged = False
        self._closed = False

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pubsub._remove(self._topic, self)

    def __aiter__(self) -> AsyncIterator[Update]:
        return self

    async def __anext__(self) -> Update:
        """The next update.

        Raises:
            Overloaded: The subscriber did not keep up, or updates of other servers were lost; it should read the
                current state again.
            ShuttingDown: The server is ending.
        """
        while not self._waiting:
            if self._lagged:
                raise Overloaded("Changes were missed.", reason=Reason.WATCH_LAGGED, retry_after_s=1.0)
            if self._closed:
                raise ShuttingDown("The server is ending.")
            self._changed.clear()
            await self._changed.wait()
        return self._waiting.pop(next(iter(self._waiting)))

    def _offer(self, update: Update) -> None:
        self._count += 1
        key = update.id if isinstance(update, UploadRow | TurnRow) else f"#{self._count}"
        if key not in self._waiting and len(self._waiting) >= self._queue_updates:
            self._lagged = True
        if not self._lagged:
            self._waiting[key] = update
        self._changed.set()

    def _lag(self) -> None:
        self._lagged = True
        self._changed.set()

    def _close(self) -> None:
        self._closed = True
        self._changed.set()


class PubSub:
    """All subscriptions of this process.

    Attributes:
        on_publish: Is given each update of this server, with its topics.
    """

    def __init__(self) -> None:
        self.on_publish: Callable[[Update, tuple[str, ...]], None] = lambda update, topics: None
        self._subscriptions: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._closed = False

    def subscribe(self, topic: str, *, queue_updates: int = QUEUE_UPDATES, reads_again: bool = False) -> Subscription:
        """Subscribe at once. Use it in a ``with`` block, which ends the subscription.

        Args:
            topic: Id of a session or of an upload.
            queue_updates: Updates that may wait.
            reads_again: Whether the subscriber gets an error when updates of other servers were lost. Otherwise it is
                given the session and its uploads anew.
        """
        subscription = Subscription(self, topic, queue_updates, reads_again=reads_again)
        if self._closed:
            subscription._close()
        self._subscriptions[topic].add(subscription)
        return subscription

    def publish(self, update: Update, *topics: str) -> None:
        """Give an update to all subscribers of the topics, those of other servers too. Never waits."""
        self.offer(update, *topics)
        self.on_publish(update, topics)

    def offer(self, update: Update, *topics: str) -> None:
        """Give an update to the subscribers of this server alone."""
        for topic in topics:
            for subscription in self._subscriptions.get(topic, ()):
                subscription._offer(update)

    def is_followed(self, topic: str) -> bool:
        """Whether this server has a subscriber of a topic."""
        return topic in self._subscriptions

    def lag(self, topics: Iterable[str]) -> None:
        """Tell the subscribers of topics that read again to do so."""
        for topic in topics:
            for subscription in self._subscriptions.get(topic, ()):
                if subscription._reads_again:
                    subscription._lag()

    def lose(self) -> list[str]:
        """Updates of other servers were lost: tell those that read again; returns the topics of the other ones."""
        self.lag(self._subscriptions)
        return [
            topic
            for topic, subscriptions in self._subscriptions.items()
            if not all(subscription._reads_again for subscription in subscriptions)
        ]

    def close(self) -> None:
        """End all subscriptions, later ones too, with ShuttingDown; updates that already wait are delivered first."""
        self._closed = True
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription._close()

    @property
    def subscribers(self) -> int:
        """Number of open subscriptions."""
        return sum(len(s) for s in self._subscriptions.values())

    def _remove(self, topic: str, subscription: Subscription) -> None:
        subscriptions = self._subscriptions.get(topic)
        if subscriptions is not None:
            subscriptions.discard(subscription)
            if not subscriptions:
                del self._subscriptions[topic]
