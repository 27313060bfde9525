"""Spoken labels of numbers, which become a part of the entity if the tag says the same: "My SSN is six double four".

A misheard number is often too short for a pattern; its label still finds it. A readable label would also tell which
number the rest of a sentence completes. Must NOT match: requests ("call me on"), numbers of objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_LABELS = {
    "SSN": r"ssn|social security(?: number)?|social|itin|tax payer number",
    "IP": r"i ?p(?: address)?",
    "PASSPORT": r"passport(?: number)?|pasaporte|passeport|reisepass(?:nummer)?|पासपोर्ट(?: नंबर)?",
    "ACCOUNT": r"(?:bank )?account number|número de cuenta|numéro de compte|kontonummer|खाता नंबर",
    "IBAN": r"iban",
    "CC": r"(?:credit )?card number|número de tarjeta|numéro de carte|kartennummer|कार्ड नंबर",
}
_NUMBER = r"(?P<number>\d[\d ,.-]{3,40}\d)"
_PATTERNS = {
    kind: re.compile(
        rf"(?<![^\W_])(?:(?:my|the|mi|el|mon|le|ma|la|meine|mein|die|मेरा) )?(?:{label})(?:'s)? "
        rf"(?:number )?(?:(?:is|es|est|ist|है|lautet) )?(?:the )?(?={_NUMBER})"
    )
    for kind, label in _LABELS.items()
}


class LabelSpanRecognizer:
    """Finds labels, each with the number after it."""

    name = "labelled"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or not has_digit(view.text):
            return
        for kind, pattern in _PATTERNS.items():
            for match in pattern.finditer(view.lower):
                yield Entity(kind, match.start(), match.end("number"), 0.8, self.name)


LABEL_SPAN = LabelSpanRecognizer()
