"""People who are named by an initial in running text, as court decisions and the press write: "la declaración de K.".

Only in languages with an ``initials`` lexicon. Must NOT match: letters that number things ("Anexo B", "vitamine C"),
ranges ("de A a F"), roman numerals, abbreviations ("S. A.").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from models.redaction.lexicons.loader import ANY, alternatives, words
from models.redaction.normalize.view import TextView
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

SUBJECT: Final = "initials"

_BRACKETED: Final = re.compile(r"[\[(] ?(?P<initials>[A-Z](?: ?\. ?[A-Z]){0,2}(?: ?\.)?) ?[\])](?! ?\d)")
_ENUMERATED: Final = re.compile(r"^\s*[\[(][A-Z] ?\.? ?[\])]", re.MULTILINE)
_ABBREVIATIONS: Final = words(ANY, "abbreviations", "initials")
_RANGE_BEFORE: Final = re.compile(r"(?<!\w)[A-Z] ?\.?,? $")
_RANGE_REACH: Final = 5
_RANGE: Final = re.compile(rf" ?\.? (?:{alternatives(SUBJECT, 'between')}|-|–) [A-Z](?!\w)")


@lru_cache(maxsize=8)
def _after_words(language: str) -> re.Pattern[str] | None:
    """One to three initials after a word of the lexicon; None for a language without one."""
    before = words(language, SUBJECT, "before")
    if not before:
        return None
    letter = rf"(?![{''.join(words(language, SUBJECT, 'letters')).upper()}](?! ?\.))[A-HJ-UW-Z]"
    initials = rf"{letter}(?: ?\. ?[A-Z](?= ?\.)){{0,2}}(?: ?\.(?! ?\d))?"
    return re.compile(rf"(?<!\w)(?i:{'|'.join(before)}) (?P<initials>{initials})(?![\w'\u2019/-]|\.\w)")


class InitialsRecognizer:
    """Initials in brackets, and initials after a preposition or a conjunction."""

    name = "initials"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        after_words = _after_words(context.language[:2].lower())
        if after_words is None or context.source is not TextSource.TYPED:
            return
        numbered = {m.end() for m in _ENUMERATED.finditer(view.text)}
        for pattern in (after_words, _BRACKETED):
            for match in pattern.finditer(view.text):
                letters = "".join(filter(str.isalpha, match["initials"]))
                if (
                    letters.lower() not in _ABBREVIATIONS
                    and match.end() not in numbered
                    and not _is_range(view.text, match)
                ):
                    yield Entity("NAME", *match.span("initials"), 0.65, self.name)


def _is_range(text: str, match: re.Match[str]) -> bool:
    """Whether another letter stands beside: "de C à F"."""
    before = _RANGE_BEFORE.search(text, max(0, match.start() - _RANGE_REACH), match.start())
    return before is not None or _RANGE.match(text, match.end()) is not None


INITIALS = InitialsRecognizer()
