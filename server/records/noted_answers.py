"""The answers of one session while some are added, and the events that tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from server.flows.definition import FlowDefinition, Step
from server.flows.progress import NO_VALUE, Answer, AnswerStatus, FieldState, Progress, progress_of
from server.ledger import answers, events
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, SessionRow
from server.records.events import make_event


@dataclass(frozen=True, slots=True)
class Change:
    """How far a session is now, whether something was stored, and how many values are sealed or hashed anew."""

    progress: Progress
    made: bool = False
    sealed: int = 0


class NotedAnswers:
    """The progress of one session before some answers, and what is stored when they come."""

    def __init__(self, flow: FlowDefinition, cursor: Cursor, session: SessionRow) -> None:
        self._flow = flow
        self._cursor = cursor
        self._session = session
        self._stored = answers.list_of_session(cursor, session.id)
        self.before = self._progress(())

    def at(self, time: datetime) -> Progress:
        """The progress as it was at a time."""
        came = [row for row in self._stored if row.create_time is not None and row.create_time <= time]
        return progress_of(self._flow, self._session.facts, came)

    def add(self, rows: Sequence[Answer], now: datetime) -> Change:
        """Store answers, and the steps to which the person comes with them, with an event for each."""
        after = self._progress(rows)
        entered = [_entered(step) for step in _steps_reached(after) if step.name not in after.entered]
        if not rows and not entered:
            return Change(self.before)
        answers.append(self._cursor, self._session.id, self._flow, [*rows, *entered], len(self._stored), now)
        self._tell(rows, entered, after, now)
        return Change(self._progress([*rows, *entered]), made=True)

    def _progress(self, rows: Sequence[Answer]) -> Progress:
        return progress_of(self._flow, self._session.facts, [*self._stored, *rows])

    def _tell(self, rows: Sequence[Answer], entered: Sequence[Answer], after: Progress, now: datetime) -> None:
        for row in entered:
            events.append(self._cursor, make_event(self._session, f"step_{row.step}", now))
        for row in rows:
            had = self.before.find(row.field)
            events.append(self._cursor, self._event(row, now, again=had is not None and bool(had.value)))
        disputed = {one.field.name for one in self.before.fields if one.state is FieldState.DISPUTED}
        for one in after.fields:
            if one.state is FieldState.DISPUTED and one.field.name not in disputed:
                asked = make_event(self._session, "disagreement_asked", now, field=one.field.name, step=one.step.name)
                events.append(self._cursor, asked)

    def _event(self, row: Answer, now: datetime, *, again: bool) -> EventRow:
        session, field, step, way = self._session, row.field, row.step, row.way
        if row.status is AnswerStatus.SKIPPED:
            return make_event(session, "step_skipped", now, field=field, step=step, way=way)
        if row.status is AnswerStatus.REOPENED:
            return make_event(session, "field_reopened", now, field=field, step=step, way=way)
        return make_event(
            session, "field_corrected" if again else "field_answered", now, field=field, step=step, way=way
        )


def _steps_reached(progress: Progress) -> list[Step]:
    """The steps up to the one that is asked now."""
    steps = list(progress.steps)
    return steps if progress.step is None else steps[: steps.index(progress.step) + 1]


def _entered(step: Step) -> Answer:
    return Answer(step.name, "", AnswerStatus.ENTERED, NO_VALUE, "app")
