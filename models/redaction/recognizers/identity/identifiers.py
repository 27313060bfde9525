"""National, tax, bank, health and customer numbers of people.

The label is ``ID`` unless a finer one exists; the recognizer's name says the country. Must NOT match: reference numbers
of objects (see ``quantity_context``). A bare number counts if its checksum is right and long enough to exclude chance,
or if a word introduces it.
"""

from __future__ import annotations

import re

from models.redaction.countries.loader import Identifier, countries
from models.redaction.normalize.view import TextView
from models.redaction.patterns.checksums import checksum
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.contact.phone import EXTENSIONS
from models.redaction.recognizers.filters.quantity_context import introduced_as, is_amount, is_harmless

_ENGLISH = {
    "PLATE": ("plates?", "registration", "reg", "registered", "vehicle", "car", "van", "parked", "drives?"),
    "LICENCE": ("licen[cs]e", "dl", "dlno"),
    "PASSPORT": ("passports?", "identity card", "id card"),
}
"""Context words of a kind of identifier, beside those of the country."""


def _national(country: str, identifier: Identifier) -> PatternRecognizer:
    """A recognizer of a country's identifier. Without context a match counts only if the checksum holds."""
    check = checksum(identifier.checksum)
    return PatternRecognizer(
        entity=identifier.entity,
        name=f"{country}-{identifier.name}",
        needs="0",
        patterns=(Pattern(re.compile(rf"(?<![\w.-])(?:{identifier.pattern})(?![\w-])"), identifier.score),),
        check=(lambda text: None if check(text) else False) if check else None,
        context=words(*identifier.context, *_ENGLISH.get(identifier.entity, ())),
        unless=_is_of_a_thing if check else is_harmless,
    )


def _is_of_a_thing(view: TextView, start: int, end: int) -> bool:
    """Whether plain digits are a reference number of an object. One number in ten has a right check digit by chance."""
    return introduced_as(view, start) == "harmless" and not _LETTER.search(view.text, start, end)


_LETTER = re.compile(r"[^\W\d_]")

NATIONAL = tuple(
    _national(code, identifier) for code, country in countries().items() for identifier in country.identifiers
)
"""The identifiers of all countries that have a file in ``models/redaction/countries``."""

_VALUE = (
    r"(?P<value>[A-Za-z]{0,4}[- ]?\d[^\W_]{0,64}(?:[-./ _]\d[^\W_]{0,64}){0,5}"
    r"|[A-Za-z]{1,4}(?:[- ]?\d){4,18}[A-Za-z]?)"
)
_LINK = (
    r"(?:\s{0,2}(?:number|numbers|num|no|nr|id|ids|code|#|№|नंबर|संख्या))?\.?"
    r"(?:\s{1,2}(?:is|was|of|as|are|listed|ending in|ending|ist|lautet|es|est))?[\s:#|=(*]{0,30}"
)


def _introduced(entity: str, name: str, *labels: str, score: float = 0.8) -> PatternRecognizer:
    """A value right after a word that says what it is."""
    alternatives = "|".join(sorted(labels, key=len, reverse=True))
    regex = re.compile(rf"(?<![^\W_])(?:{alternatives})(?![^\W\d_]){_LINK}{_VALUE}(?![^\W_])", re.IGNORECASE)
    return PatternRecognizer(entity, name, (Pattern(regex, score, group="value"),), needs="0", check=_long_enough)


def _long_enough(text: str) -> bool | None:
    """Whether the value has more than three digits; shorter ones are a page or a room."""
    return None if sum(c.isdigit() for c in text) >= 4 else False


INTRODUCED = (
    _introduced("MEDICAL_ID", "medical-record", "mrn", "med(?:ical)? ?rec(?:ord)?s?",
    "(?:hospital|patient)(?: record| file)?", "patientennummer", "chart(?: mrn)?", "health plan", "beneficiary", "मरीज़",
    "रोगी"),
    _introduced("MEDICAL_ID", "provider", "npi", "dea", "provider", "prescriber"),
    _introduced("LICENCE", "licence", "driver'?s? licen[cs]e", "driving licen[cs]e", "licen[cs]e", "dl", "permis",
    "führerschein"),
    _introduced("PASSPORT", "passport", "passport", "reisepass", "pasaporte", "passeport"),
    _introduced("ACCOUNT", "account", "account", "acct", "a/c", "routing", "aba", "sort code", "swift", "bic",
    "ifsc", "konto(?:nummer|nr)?", "(?:बैंक )?खाता", "cuenta(?: bancaria)?", "compte(?: bancaire)?", "iban"),
    _introduced("SSN", "ssn", "ssn", "socials?", "social security", "itin",
    "last (?:four|4) of (?:my|his|her|the) (?:ssn|social)", score=0.95),
    _introduced("ID", "personal-number", "national id", "id card", "identity card",
    "voter id", "member(?:ship)?", "policy", "insurance",
                "employee", "customer", "student", "personal number", "biometric(?: identifier)?",
                "tax(?:payer)?(?: id)?", "tin", "ein", "vin", "imei", "aadhaar"),
    _introduced("PLATE", "plate", "licen[cs]e plate", "number plate", "plate", "kennzeichen"),
)  # fmt: skip

_PHONE = (
    r"(?:tele)?phone|tel|mobile|fax|landline|fon|telefon|telefax|handy|rufnummer|teléfono|telefono|téléphone|telefone"
    r"|फ़ोन|फोन|मोबाइल"
)
_EXTENSION = "|".join(word for word in EXTENSIONS if word not in ("int", "poste"))
_TO = (
    r"(?:\.?\s?(?:numbers?|no|nr|num|nummer|numéro|número|n[º°]|नंबर))?\.?(?:\s(?:is|ist|lautet|es|est|é))?[\s:#=]{1,3}"
)
SHORT_PHONE = PatternRecognizer(
    entity="PHONE",
    name="short-phone",
    needs="0",
    # Must NOT match: years ("phone 2024"), amounts, longer numbers.
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:{_EXTENSION}|(?:{_PHONE})(?!\D{{1,20}}(?:19|20)\d\d(?!\d))){_TO}(?P<value>\d{{4,5}})"
                r"(?![\w%]|[.,:/-]\d| \d)",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
        ),
    ),
    unless=is_amount,
)

CODED = PatternRecognizer(
    entity="ID",
    name="coded",
    needs="0",
    # A letter or two and seven or more digits: licences, passports, members. Must NOT match part and meter numbers,
    # which context clears.
    patterns=(Pattern(re.compile(r"(?<![\w/.-])(?:[A-Z]\d{7,13}|[A-Z]{2}\d{6,12}|\d{8,12}[A-Z])(?![\w/-])"), 0.5),),
)

_FILE = r"(?:\d{2,6}\s?/\s?\d{2,4}|\d{1,6}\s?/\s?(?:19|20)\d{2}|\d{1,6}(?:\s?/\s?\d{1,4}){2,3})"
"""A file number and its year, in either order, or in three or four parts."""

_FILES = (
    r"sentencia|auto|expediente|sumario|asunto|caso|recurso|juicio|procedimiento|diligencias|st[cs]|atc|affaire|dossier"
    r"|mandat(?:\sd['\u2019]arrêt)?|arrêt|décision|jugement|plainte|rg|az|aktenzeichen|verfahren|case|file|docket|claim"
)

CASE_NUMBER = PatternRecognizer(
    entity="ID",
    name="case-number",
    needs="/",
    # "no 71204 / 03", "n° 1234/56", "sumario 12/2003": files of courts and offices lead to the parties. Must NOT match:
    # fractions, dates (12/05), laws.
    patterns=(
        Pattern(
            re.compile(
                rf"(?<!\w)(?:n[o°º]s?|nr|núm|num|number|{_FILES})\s?\.?:?\s{{0,2}}(?P<value>{_FILE})(?![\w/])",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
        ),
        Pattern(  # the others of a row: "nos 50317/99, 50318/99 and 50322/99"
            re.compile(r"(?<![\w/.,-])(?P<value>\d{4,6}\s?/\s?\d{2,4})(?![\w/])"), 0.3, group="value", name="row"
        ),
    ),
    context=words(
        "requ[êe]tes?", "demandas?", "affaires?", "asuntos?", "applications?", "cases?", "arr[êe]ts?", "sentencias?",
        "dossiers?", "expedientes?", "recursos?", "pourvois?", "beschwerden?", "aktenzeichen", "verfahren", "nos",
    ),
)  # fmt: skip
