"""Redacts labels of pictures.

A label is a few words without a sentence. The classifier then takes "red" of "red car" for a name. So an English label
is also read within a sentence. That reading counts, unless a rule finds something in the label alone, or all of it is a
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models.redaction.types import Redaction, RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.records.redact_output import REDACT_TIMEOUT_S

_SENTENCE: Final = "Seen in the picture: a "
_BY_CLASSIFIER: Final = "ner:"


async def redact_labels(
    gateway: Gateway, labels: Sequence[str], language: str, scope: RedactionScope
) -> list[RedactedText]:
    """Redact labels, in order.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the labels must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    prefix = _SENTENCE if language.startswith("en") else ""
    context = RedactionContext(TextSource.ASSISTANT, language, scope=scope)
    raw = [RawText(label) for label in labels] + [RawText(prefix + label) for label in labels if prefix]
    redactions = await gateway.redact(raw, context, timeout_s=REDACT_TIMEOUT_S) if raw else []
    alone, within = redactions[: len(labels)], redactions[len(labels) :]
    if not prefix:
        return [redaction.text for redaction in alone]
    return [_judged(*read, prefix) for read in zip(labels, alone, within, strict=True)]


def _judged(label: str, alone: Redaction, within: Redaction, prefix: str) -> RedactedText:
    cut = within.text.without_prefix(prefix)
    hidden = sum(entity.end - entity.start for entity in alone.entities)
    whole = hidden >= len(label.replace(" ", ""))
    by_rule = any(not entity.recognizer.startswith(_BY_CLASSIFIER) for entity in alone.entities)
    return alone.text if whole or by_rule or cut is None or not alone.text.safe_for_llm else cut
