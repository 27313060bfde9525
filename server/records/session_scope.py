"""Whose a text of a session is, for the redactor."""

from __future__ import annotations

from models.redaction.flow_words import NO_FLOW_WORDS
from models.redaction.types import RedactionScope
from models.sealed_values import SealRequest
from server.flows.asking import flow_words
from server.flows.definition import FlowDefinition
from server.ledger.types import SessionRow


def scope_of(session: SessionRow, flow: FlowDefinition | None, seal: SealRequest | None = None) -> RedactionScope:
    """Client, session and the words of its flow.

    Args:
        session: The session.
        flow: Of the session; None where it is not known.
        seal: Which values of the text are sealed.
    """
    words = NO_FLOW_WORDS if flow is None else flow_words(flow)
    return RedactionScope(session.client_id, session.id, seal, words)
