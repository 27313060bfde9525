"""Redacts what a model wrote, before it is stored, shown or sent on."""

from __future__ import annotations

from models.redaction.types import RedactionContext, Whose
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway

REDACT_TIMEOUT_S = 10.0


async def redact_all(gateway: Gateway, texts: list[str], language: str, whose: Whose) -> list[RedactedText]:
    """Redact texts of the assistant, in order.

    Raises:
        Unavailable: The redactor cannot be reached, or broke; the texts must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    context = RedactionContext(TextSource.ASSISTANT, language or "en", whose=whose)
    redactions = await gateway.redact([RawText(text) for text in texts], context, timeout_s=REDACT_TIMEOUT_S)
    return [redaction.text for redaction in redactions]
