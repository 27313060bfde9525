"""Number plates in photographs of a site. No word stands beside the plate of a car, so its shape alone counts.

It must be the whole line. Plates of the USA are left out, because labels of things have their shape (``PMP-0042``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.countries.loader import countries
from models.redaction.normalize.view import TextView
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_LIKE_LABELS: Final = frozenset({"us"})
_SHAPES: Final = "|".join(
    identifier.pattern
    for code, country in countries().items()
    for identifier in country.identifiers
    if identifier.entity == "PLATE" and code not in _LIKE_LABELS
)
_LINE: Final = re.compile(rf"^[^\w\n]{{0,3}}(?P<plate>{_SHAPES})[^\w\n]{{0,3}}$", re.MULTILINE)
_SCORE: Final = 0.6


class PicturedPlateRecognizer:
    """Finds lines that are a number plate and nothing else."""

    name = "pictured-plate"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.OCR or context.document_type != "site" or not view.digits:
            return
        for match in _LINE.finditer(view.text):
            yield Entity("PLATE", *match.span("plate"), _SCORE, self.name)


PICTURED_PLATE: Final = PicturedPlateRecognizer()
