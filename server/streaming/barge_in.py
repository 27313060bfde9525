"""Barge-in: a reply stops when the person goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.text import TextSource
from server.streaming.events import Emit, Final, Output, Partial


class Interrupted(Exception):
    """The person went on."""


class BargeIn:
    """How far the person has come; stops the reply to an earlier utterance.

    A sound alone stops nothing: words count, as soon as two recognitions in a row agree on the first one, or the final
    of an utterance or of a typed text. Words of which no turn comes were none, so they stop nothing any more.

    Args:
        enabled: Without it, nothing is ever stopped.

    Attributes:
        source: How the newest words came.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.source = TextSource.SPEECH
        self._enabled = enabled
        self._newest = self._newest_finished = -1
        self._running: tuple[int, asyncio.Timeout] | None = None

    def passed(self, utterance: int) -> bool:
        """Whether the person has gone on since an utterance."""
        return self._enabled and utterance < self._newest

    def passed_for_good(self, utterance: int) -> bool:
        """The same, by an utterance that is a turn, and not only by words that may turn out to be none."""
        return self._enabled and utterance < self._newest_finished

    def listening(self, emit: Emit) -> Emit:
        """The same way to the client; what is sent on it is looked at for new words of the person."""

        async def look_and_emit(output: Output) -> None:
            match output:
                case Partial() if output.has_words:
                    self.heard(output.utterance, TextSource.SPEECH, finished=False)
                case Final():
                    self.heard(output.turn.utterance, TextSource(output.turn.source))
            await emit(output)

        return look_and_emit

    def heard(self, utterance: int, source: TextSource, *, finished: bool = True) -> None:
        """Note that an utterance has words; stops the running reply if it is to an earlier one.

        Args:
            utterance: Its number.
            source: How the words came.
            finished: Whether it is a turn.
        """
        if finished:
            self._newest_finished = max(self._newest_finished, utterance)
        if utterance <= self._newest:
            return
        self._newest, self.source = utterance, source
        if self._running is not None:
            answered, block = self._running
            if self.passed(answered) and not block.expired():
                block.reschedule(asyncio.get_running_loop().time())

    def nothing_said(self, utterance: int) -> None:
        """Note that an utterance has ended without a turn."""
        if utterance == self._newest:
            self._newest = self._newest_finished

    @asynccontextmanager
    async def stops_reply_to(self, utterance: int) -> AsyncIterator[None]:
        """Cancel the block, the reply to an utterance, as soon as the person goes on; at once if that was before.

        Raises:
            Interrupted: The block was cancelled.
        """
        if self.passed(utterance):
            raise Interrupted
        try:
            async with asyncio.timeout(None) as block:
                self._running = utterance, block
                try:
                    yield
                finally:
                    self._running = None
        except TimeoutError:
            if not block.expired():
                raise
            raise Interrupted from None
