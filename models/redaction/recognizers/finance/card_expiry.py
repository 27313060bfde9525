"""The month and year in which a payment card expires.

Must NOT match: when a contract, a certificate or food expires. So a word for a card, or the number of one, must be
near, except after "valid thru" and "good thru", which is printed on cards, and in a text that begins with the word for
expiring: it goes on from the number of the card.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words

_ON_CARDS: Final = r"(?:valid|good) thru"
_EXPIRES: Final = f"(?:{alternatives('identifiers', 'card_expiry')})"
_CUE: Final = f"(?:{_EXPIRES}|{alternatives('identifiers', 'valid_until')})"
_FILLER: Final = f"(?:{alternatives('identifiers', 'card_expiry_fillers')})"
_FIRST: Final = (
    rf"\A(?:(?:{alternatives('announcements', 'articles')}|{alternatives('announcements', 'owners')}"
    rf"|{alternatives('units', 'and')}) )?"
)
_BETWEEN: Final = rf"[ .:=-]{{0,3}}(?:{_FILLER}[ .:=-]{{1,3}}){{0,4}}"
_YEAR: Final = r"(?:20)?[2-4]\d"
_MONTH: Final = rf"(?:{alternatives('months', 'all')}|{alternatives('months', 'short')})"
_VALUE: Final = (
    rf"(?P<value>(?:[0-3]?\d[./-])?(?:0?[1-9]|1[0-2])(?:st|nd|rd|th)?(?: ?[/. -]? ?| of ){_YEAR}"
    rf"|{_MONTH}[.,]? (?:of |de |del )?['’]?{_YEAR})(?![^\W_]|[./-]\d)"
)


def _pattern(cue: str, score: float, name: str = "") -> Pattern:
    return Pattern(re.compile(rf"(?<![^\W_]){cue}{_BETWEEN}{_VALUE}", re.IGNORECASE), score, group="value", name=name)


CARD_EXPIRY = PatternRecognizer(
    entity="CC",
    name="card-expiry",
    needs="0",
    patterns=(_pattern(_ON_CARDS, 0.6, "thru"), _pattern(_FIRST + _EXPIRES, 0.6, "first"), _pattern(_CUE, 0.3)),
    context=words(*across("contexts", "card_expiry"), r"\d(?:[ -]?\d){12,18}"),
)
