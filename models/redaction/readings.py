"""All readings of a text in which recognizers look."""

from __future__ import annotations

from collections.abc import Iterator

from models.redaction import views
from models.redaction.cardinals import numeral_view
from models.redaction.spoken import spoken_view
from models.redaction.spoken_words import tokens_of
from models.redaction.types import RedactionContext
from models.redaction.views import View
from models.text import TextSource


def views_of(text: str, context: RedactionContext) -> Iterator[View]:
    """The text itself, then every other reading that differs from it."""
    yield views.original(text)
    if (folded := views.folded(text)) is not None:
        yield folded
    if (disguised := views.disguised(text)) is not None:
        yield disguised
    if context.source is TextSource.OCR:
        if (print_read := views.print_read(text)) is not None:
            yield print_read
        return
    said = tokens_of(text)
    if (spoken := spoken_view(text, context.language, said)) is not None:
        yield spoken
    if (counted := numeral_view(text, context.language, said)) is not None:
        yield counted
