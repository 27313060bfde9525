"""Phone numbers of four or five digits right after a word for a phone: "extension 4821", "Telefon 48213".

Must NOT match: models and bills of telephones, years ("phone 2024"), amounts, longer numbers (see ``phone``).
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.filters.quantity_context import is_amount

_PHONE = (
    r"(?:tele)?phone|tel|mobile|fax|landline|fon|telefon|telefax|handy|rufnummer|teléfono|telefono|téléphone|telefone"
    r"|फ़ोन|फोन|मोबाइल"
)
EXTENSIONS = (
    r"extension|extn?|durchwahl|nebenstelle|dw|extensión|anexo|interno|int|numéro de poste|poste téléphonique|poste"
    r"|ramal|एक्सटेंशन"
)
"""Words before the extension that follows a telephone number; alternatives of an expression."""
_EXTENSION = (
    r"extension|extn?|durchwahl|nebenstelle|dw|extensión|anexo|interno|numéro de poste|poste téléphonique|ramal|एक्सटेंशन"
)
_TO = (
    r"(?:\.?\s?(?:numbers?|no|nr|num|nummer|numéro|número|n[º°]|नंबर))?\.?(?:\s(?:is|ist|lautet|es|est|é))?[\s:#=]{1,3}"
)
_AFTER = r"(?![\w%]|[.,:/-]\d| \d)"


def _after(words: str, value: str, name: str, hints: tuple[str, ...] = ()) -> Pattern:
    regex = re.compile(rf"(?<![^\W_])(?:{words}){_TO}(?P<value>{value}){_AFTER}", re.IGNORECASE)
    return Pattern(regex, 0.7, group="value", name=name, hints=hints)


SHORT_PHONE = PatternRecognizer(
    entity="PHONE",
    name="short-phone",
    needs="0",
    patterns=(
        _after(_PHONE, r"(?!(?:19|20)\d\d(?!\d))\d{4,5}", "phone"),
        _after(
            _EXTENSION,
            r"\d{4,5}",
            "extension",
            ("ext", "durchwahl", "nebenstelle", "dw", "anexo", "interno", "poste", "ramal", "एक्सटेंशन"),
        ),
    ),
    unless=is_amount,
)
