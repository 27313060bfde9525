"""All views of a text on which recognizers run."""

from __future__ import annotations

from collections.abc import Iterator

from models.redaction.itn.cardinals import numeral_view
from models.redaction.itn.tokens import Token, tokens_of
from models.redaction.itn.view import spoken_view
from models.redaction.normalize import view
from models.redaction.normalize.view import TextView
from models.redaction.types import RedactionContext
from models.text import TextSource


def views_of(original: TextView, context: RedactionContext, tokens: list[Token] | None = None) -> Iterator[TextView]:
    """The text itself, then every other view that differs from it; ``tokens`` are those of the text, if known."""
    text = original.text
    yield original
    if (folded := view.folded(text)) is not None:
        yield folded
    if (spaced := view.spaced(text)) is not None:
        yield spaced
    if (disguised := view.disguised(text)) is not None:
        yield disguised
    if (unglued := view.unglued(text)) is not None:
        yield unglued
    if context.source is TextSource.OCR:
        if (corrected := view.ocr_corrected(text)) is not None:
            yield corrected
        return
    if tokens is None:
        tokens = tokens_of(text)
    if (spoken := spoken_view(text, context.language, tokens)) is not None:
        yield spoken
    if (counted := numeral_view(text, context.language, tokens)) is not None:
        yield counted
