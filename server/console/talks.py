"""The bridge between a browser and ``Converse``: a browser cannot send and receive on one call.

What it sends comes in requests of its own, each a piece. What the server says while somebody speaks is kept here until
it is stored; the page shows it, and follows the changes.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from vestibule.v1 import conversation_pb2 as pb

from models.errors import Overloaded, VestibuleError
from models.reasons import Reason

MOST: Final = 32
"""Conversations that are kept; beyond, the oldest that has ended is forgotten."""
WAITING: Final = 50
"""Pieces that may wait; then the next request waits."""
_NOTICES: Final = 3
"""Newest notices that are shown."""

Converse = Callable[[AsyncIterator[pb.ConverseRequest]], AsyncGenerator[Any, None]]
"""Makes the call."""


class Notice(NamedTuple):
    """Something that went wrong: its stable reason, and what the server says of it, in English."""

    reason: str
    message: str


@dataclass(slots=True)
class Spoken:
    """What the server says of a conversation before it is stored.

    Attributes:
        text: Of the running utterance, redacted.
        pending_words: Words that were recognised after it and are held back.
        listening: Whether somebody speaks.
        reply: The reply so far, redacted.
        notices: What went wrong, newest last.
    """

    text: str = ""
    pending_words: int = 0
    listening: bool = False
    reply: str = ""
    notices: list[Notice] = field(default_factory=list)


class Talk:
    """One call of ``Converse``.

    Args:
        converse: Makes the call.
        config: Its first message.
        tell: Called after each change.
    """

    def __init__(self, converse: Converse, config: pb.ConverseConfig, tell: Callable[[], None]) -> None:
        self.session_id = config.session_id
        self.state = Spoken()
        self.failure: VestibuleError | None = None
        self._tell = tell
        self._requests: asyncio.Queue[pb.ConverseRequest | None] = asyncio.Queue(WAITING)
        self._requests.put_nowait(pb.ConverseRequest(config=config))
        # A context of its own: the deadline and the caller of the request that begins it end with that request.
        self.task = asyncio.create_task(self._run(converse), context=Context())

    async def send(self, request: pb.ConverseRequest | None) -> None:
        """Hand a message on; None half-closes the call.

        Raises:
            VestibuleError: What ended the call.
        """
        putting = asyncio.ensure_future(self._requests.put(request))
        await asyncio.wait({putting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()
        if self.failure is not None:
            raise self.failure

    async def ended(self, patience_s: float) -> None:
        """Wait for the end of the call, or so long.

        Raises:
            VestibuleError: What ended the call.
        """
        await asyncio.wait({self.task}, timeout=patience_s)
        if self.failure is not None:
            raise self.failure

    async def _run(self, converse: Converse) -> None:
        try:
            async with aclosing(converse(self._messages())) as replies:
                async for reply in replies:
                    self._take(reply)
                    self._tell()
        except VestibuleError as error:
            self.failure = error
            self._note(error.reason, error.message)
        finally:
            self.state.text, self.state.listening, self.state.reply = "", False, ""
            self._tell()

    async def _messages(self) -> AsyncIterator[pb.ConverseRequest]:
        while (request := await self._requests.get()) is not None:
            yield request

    def _take(self, reply: pb.ConverseResponse) -> None:
        state = self.state
        match reply.WhichOneof("payload"):
            case "speech_began":
                state.listening, state.notices = True, []
            case "speech_ended":
                state.listening = False
            case "partial":
                state.text, state.pending_words = reply.partial.text.value, reply.partial.pending_words
            case "final":
                state.text, state.pending_words = "", 0
            case "reply_piece":
                state.reply += reply.reply_piece.text
            case "reply_ended":
                state.reply = ""
            case "notice":
                state.text, state.pending_words = "", 0
                self._note(reply.notice.reason, reply.notice.message)

    def _note(self, reason: str, message: str) -> None:
        self.state.notices = [*self.state.notices, Notice(reason, message)][-_NOTICES:]


class Talks:
    """The conversations of all browsers."""

    def __init__(self) -> None:
        self._talks: OrderedDict[tuple[str, str], Talk] = OrderedDict()
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def find(self, subject: str, talk_id: str) -> Talk | None:
        """A conversation that a caller began."""
        return self._talks.get((subject, talk_id))

    def begin(self, subject: str, talk_id: str, converse: Converse, config: pb.ConverseConfig) -> Talk:
        """Begin one.

        Args:
            subject: Who begins it.
            talk_id: Made by the browser.
            converse: Makes the call.
            config: Its first message.

        Raises:
            Overloaded: TOO_MANY_STREAMS.
        """
        if len(self._talks) >= MOST:
            ended = next((key for key, talk in self._talks.items() if talk.task.done()), None)
            if ended is None:
                raise Overloaded("Too many browsers talk.", reason=Reason.TOO_MANY_STREAMS, retry_after_s=5.0)
            del self._talks[ended]
        talk = Talk(converse, config, lambda: self._tell(config.session_id))
        self._talks[subject, talk_id] = talk
        return talk

    def said(self, session_id: str) -> Spoken:
        """What is said in a session now, and the notices of its newest conversation."""
        of_session = [talk for talk in self._talks.values() if talk.session_id == session_id]
        running = [talk for talk in of_session if not talk.task.done()]
        found = next((talk for talk in reversed(running) if talk.state.text or talk.state.listening), None)
        state = found or (of_session[-1] if of_session else None)
        shown = state.state if state is not None else Spoken()
        reply = next((talk.state.reply for talk in reversed(running) if talk.state.reply), "")
        return Spoken(shown.text, shown.pending_words, shown.listening, reply, shown.notices)

    @contextmanager
    def told(self, session_id: str, changed: asyncio.Event) -> Iterator[None]:
        """Set the event whenever something changes in a session, while this is held."""
        listeners = self._listeners.setdefault(session_id, set())
        listeners.add(changed)
        try:
            yield
        finally:
            listeners.discard(changed)
            if not listeners:
                self._listeners.pop(session_id, None)

    def _tell(self, session_id: str) -> None:
        for changed in self._listeners.get(session_id, ()):
            changed.set()
