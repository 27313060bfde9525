"""Asks a person again for what a reviewer took out of the record."""

from __future__ import annotations

from datetime import datetime

from server.flows.catalogue import Flows
from server.flows.progress import NO_VALUE, Answer, AnswerStatus
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow
from server.records.noted_answers import NotedAnswers
from server.records.reviewed_values import fields_to_ask
from server.records.session_material import material


def reopen_refused(cursor: Cursor, flows: Flows, session: SessionRow, recommendation_id: str, now: datetime) -> None:
    """Open the fields whose values reviewers took out, in the transaction that sends a record back.

    Args:
        cursor: Within a transaction of the writer.
        flows: Every flow that a session may have.
        session: In progress again.
        recommendation_id: UUID of the record that is sent back.
        now: When.

    Raises:
        NotFound: FLOW_NOT_FOUND.
    """
    flow = flows.get(session.flow, session.flow_version)
    names = fields_to_ask(flow, material(cursor, session.id), recommendation_id)
    noted = NotedAnswers(flow, cursor, session)
    rows = [
        Answer(one.step.name, one.field.name, AnswerStatus.REOPENED, NO_VALUE, "review", recommendation_id)
        for one in noted.before.fields
        if one.field.name in names and one.can_reopen
    ]
    if rows:
        noted.add(rows, now)
