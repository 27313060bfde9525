"""Shared by the tests of redaction: a redactor without weights, and the text of what it found."""

from __future__ import annotations

from functools import cache

from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

BADGE = """
  recognizers:
    - name: badge
      entity: BADGE
      patterns: ['\\bRB-\\d{4}\\b']
      match: [my badge is RB-1234]
      no_match: [RB is a department, RB-12345]
"""
"""A recognizer in the form of a policy file."""


@cache
def patterns_only() -> LocalRedactor:
    """A redactor whose classifier knows nothing. It has no state, so it is made once."""
    return LocalRedactor(WordListClassifier())


def found(
    text: str, source: TextSource = TextSource.TYPED, language: str = "en", redactor: LocalRedactor | None = None
) -> list[tuple[str, str]]:
    """(type, text) of every entity."""
    redaction = (redactor or patterns_only()).redact(RawText(text), RedactionContext(source, language))
    return [(e.type, text[e.start : e.end]) for e in redaction.entities]
