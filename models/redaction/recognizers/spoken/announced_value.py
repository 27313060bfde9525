"""In speech: the value after or before words that announce an identifier, even if it was badly recognized.

"You can call me on for 1555-a-132", "362316 is the verification code". The value reaches to the end of its clause: over
commas and full stops where digits or letters of a code go on after them, over pauses and corrections ("no wait").
The assistant's last question has no influence. Must NOT match: times and days ("call me at half past ten"), amounts
("my code is 2500 lines long"), places ("reach me at the site"), remarks ("my number is up", "my email is broken"), two
digits or fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from models.redaction.itn.tokens import tokens_of
from models.redaction.normalize.view import TextView, original
from models.redaction.recognizers.spoken.announced_address import joined_words
from models.redaction.recognizers.spoken.announced_clause import Clause, Value
from models.redaction.recognizers.spoken.announced_harmless import is_harmless
from models.redaction.recognizers.spoken.announcements import Announcement, Announcements, announcements_of
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_SCORE: Final = 0.6
_POINTER_REACH_CHARS: Final = 80
_POINTER_WORDS: Final = 9
"""Most words of an announcement that points back: "is what they sent me as the verification code"."""


class AnnouncedValueRecognizer:
    """Walks from an announcement over its value."""

    name = "announced"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or view.kind != "original":
            return
        words = announcements_of(context.language)
        for announcement in words.before_values(view.lower):
            clause = Clause.after(view, announcement, words, context.language)
            yield from _entity(view, announcement, clause, clause.value())
            yield from _mailbox(announcement, clause)
        for announcement in words.after_values(view.lower):
            clause = Clause.before(view, announcement, words, context.language)
            yield from _entity(view, announcement, clause, clause.value_at_end())


def unsettled_from(text: str, language: str) -> int | None:
    """Start of an announced value that further words may still change; None if there is none.

    Args:
        text: What was spoken so far.
        language: ISO 639-1 code.
    """
    words = announcements_of(language)
    view = original(text)
    starts = [
        announcement.end
        for announcement in words.before_values(view.lower)
        if Clause.after(view, announcement, words, language).may_go_on()
    ]
    return min(starts or _pointed_at(view, words, language), default=None)


def _pointed_at(view: TextView, words: Announcements, language: str) -> Iterator[int]:
    """Where a number begins at the end of the text, or before the first words of an announcement: "362316 is the"."""
    low = max(0, len(view.text) - _POINTER_REACH_CHARS)
    spoken = [token for token in tokens_of(view.text[low:]) if token.text[0].isalnum()]
    starts = [low + token.start for token in spoken[-_POINTER_WORDS:] if token.text in words.pointers]
    for start, kind in product((*starts, len(view.text)), ("ID", "SECRET")):
        clause = Clause.before(view, Announcement(kind, start, start, told=True), words, language)
        if (value := clause.value_at_end()) and clause.ends_with(value):
            yield value.start


def _entity(view: TextView, announcement: Announcement, clause: Clause, value: Value | None) -> Iterator[Entity]:
    if value is not None and not is_harmless(view, clause, value):
        yield Entity(announcement.type, value.start, value.end, _SCORE, AnnouncedValueRecognizer.name)


def _mailbox(announcement: Announcement, clause: Clause) -> Iterator[Entity]:
    """An e-mail address where a number was announced, too: "reach me at maria.lopez.example.net"."""
    if announcement.type == "PHONE" and announcement.requested and (joined := joined_words(clause)):
        first, last = (clause.tokens[at] for at in joined)
        start, end = clause.offset + first.start, clause.offset + last.end
        yield Entity("EMAIL", start, end, _SCORE, AnnouncedValueRecognizer.name)


ANNOUNCED_VALUE = AnnouncedValueRecognizer()
