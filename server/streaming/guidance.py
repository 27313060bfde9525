"""How far the session of a stream is in its flow, as the stream knows and tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Protocol

from models.errors import Overloaded, ShuttingDown
from models.redaction.dialogue_context import AnswerHints
from server.flows.asking import answer_hints, asked_for
from server.flows.briefing import Briefing
from server.flows.progress import Progress
from server.ledger.types import TurnRow
from server.streaming.events import Emit, Final, Output, ProgressChanged, ReplyEnded


class ProgressStore(Protocol):
    """``server.streaming.repository.StreamRepository``."""

    def changes(self) -> AsyncIterator[Progress]:
        """The progress of the session each time that something else than a turn may have changed it."""
        ...


class StreamGuidance:
    """The progress of the session of one stream.

    Args:
        progress: When the stream was opened.
        language: Of the session or the stream; empty while it is not known.
        guided: Whether the app shows the questions.

    Attributes:
        language: The same, or from the first turn on the one of the newest turn that has one.
    """

    def __init__(self, progress: Progress, *, language: str, guided: bool) -> None:
        self.progress = progress
        self.replied: Callable[[], bool] = lambda: False
        self.language = language
        self._guided = guided
        self._told: object = progress.summary
        self._final_waits = False
        self._known = self._open
        self._asked_by_reply = ("", "")

    @property
    def known(self) -> str | None:
        """The field of the newest question that reached the person; empty where they know that nothing is open, None
        where they know no question. What they say from now on may answer it, and no question that comes later.
        """
        return self._known if self.question_was_put else None

    @property
    def question_was_put(self) -> bool:
        """Whether the person knows the question: the app shows it, or the assistant has replied."""
        return self._guided or self.replied()

    @property
    def asked_field(self) -> str:
        """The field of the open question; empty where there is none, or the person does not know it."""
        return self._open if self.question_was_put else ""

    @property
    def now(self) -> ProgressChanged:
        """The progress as an app is told of it."""
        return ProgressChanged(self.progress, self.progress.flow.language(self.language))

    def asked_for(self, by_reply: tuple[str, ...]) -> tuple[str, ...]:
        """What the redactor is told was asked for: by the flow, and by what the assistant said last.

        Args:
            by_reply: What the newest reply asks for, see ``models.redaction.dialogue_context``.
        """
        current = self.progress.current
        own = asked_for(current.field) if current is not None and self.question_was_put else ()
        return tuple(sorted({*own, *by_reply}))

    def hints(self) -> AnswerHints:
        """What the answer to the open question may consist of besides; the names of numbers alone where the person does
        not know it.
        """
        current, flow = self.progress.current, self.progress.flow
        field = current.field if current is not None and self.question_was_put else None
        return answer_hints(field, flow, flow.language(self.language))

    def briefing(self, turn: TurnRow) -> Briefing:
        """What the reply to a turn is told."""
        if turn.id != self._asked_by_reply[0]:
            self._asked_by_reply = (turn.id, self._open)
        return Briefing.after(self.progress, turn.id, turn.text, self.language)

    def stored(self, progress: Progress, language: str) -> None:
        """Take the progress after a turn was stored; it is told after the final of the turn."""
        self.progress, self.language = progress, language or self.language
        self._final_waits = True

    def telling(self, emit: Emit) -> Emit:
        """``emit`` that also sends the progress after a final that changed it, or that is sent again, and notes the
        question of a whole reply.
        """

        async def emit_all(output: Output) -> None:
            await emit(output)
            if isinstance(output, ReplyEnded) and not output.cut and output.turn_id == self._asked_by_reply[0]:
                self._known = self._asked_by_reply[1]
            if isinstance(output, Final):
                if not self._final_waits:  # it was stored before a connection broke
                    self._told = None
                self._final_waits = False
                await self._tell(emit)

        return emit_all

    async def follow(self, store: ProgressStore, emit: Emit) -> None:
        """Send the progress when a picture or the app changes it, until the stream ends."""
        with suppress(ShuttingDown, Overloaded):
            async for progress in store.changes():
                self.progress = progress
                if not self._final_waits:
                    await self._tell(emit)

    async def _tell(self, emit: Emit) -> None:
        summary, asks = self.progress.summary, self._open
        if summary != self._told:
            self._told = summary
            await emit(self.now)
        if self._guided:
            self._known = asks

    @property
    def _open(self) -> str:
        """The field that is asked now; empty where nothing is open."""
        return self.progress.current.field.name if self.progress.current is not None else ""
