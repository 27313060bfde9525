"""What the assistant just asked for, read from its redacted reply.

A bare answer is ambiguous: "nine nine three eight" may be a meter reading or the end of a telephone number, and "dawn"
a time of day or a person. The question resolves it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.types import RedactionContext

READING: Final = "READING"
"""Not an entity: the assistant asked for a number of a thing, so a bare number in the answer may stay."""

_NUMERIC: Final = labels_where(lambda entity: entity.answers_with_number)

LONGEST_REPLY_CHARS: Final = 600
"""Characters that are read at the end of a reply. The question comes last."""


def _words(*alternatives: str) -> re.Pattern[str]:
    """A pattern of whole words. ``patterns.pattern_recognizer.words`` does the same, but importing it would be
    circular.
    """
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(alternatives, key=len, reverse=True))})(?![^\W_])")


_SUBJECTS: Final = {
    "PHONE": _words(
        "(?:tele)?phone", "phone numbers?", "mobile", "cell(?:phone)?", "(?:call|ring|text) you", "reach you",
        "number to call",
        "call ?back", "contact (?:number|details)", "your number", "teléfono", "móvil", "celular",
        "numéro de téléphone",
        "téléphone", "portable", "telefon(?:nummer)?", "handy(?:nummer)?", "rufnummer", "mobilnummer", "फ़ोन", "फोन",
        "मोबाइल", "संपर्क नंबर", "phone number",
    ),
    "EMAIL": _words(
        "e-?mails?", "e-?mail address(?:es)?", "mail address", "correo(?: electrónico)?", "courriel",
        "adresse e-?mail",
        "mail-?adresse", "e-?mail-?adresse", "ईमेल", "मेल",
    ),
    "NAME": _words(
        "names?", "surname", "who (?:are you|am i (?:speaking|talking)|is (?:this|speaking|calling|it))",
        "call you by",
        "whom? (?:do|did) (?:you|i) (?:meet|visit|speak)", "spell (?:it|that|your)", "nombre", "apellidos?",
        "cómo se llama", "cómo te llamas", "quién", "noms?", "prénom", "appelez-vous", "appelle", "qui êtes",
        "namens?",
        "nachnamen?", "vornamen?", "wie hei(?:ß|ss)en", "wer sind", "mit wem", "buchstabieren", "नाम", "कौन",
    ),
    "DOB": _words(
        "birth", "birth ?dates?", "birthday", "born", "d\\.?o\\.?b", "how old", "(?:your|the) age",
        "nacimiento", "nació",
        "naciste", "edad", "naissance", "né", "née", "quel âge", "geburtsdatum", "geburtstag", "geboren", "wie alt",
        "जन्म", "जन्मतिथि", "उम्र",
    ),
    "ADDRESS": _words(
        "address(?:es)?", "street", "post ?codes?", "zip(?: ?code)?", "pin ?code", "where (?:do )?you live",
        "house number",
        "city", "dirección", "domicilio", "calle", "código postal", "dónde vive", "adresse", "rue", "code postal",
        "habitez", "anschrift", "straße", "strasse", "hausnummer", "postleitzahl", "plz", "wohnen", "पता",
        "पते", "पिनकोड",
        "पिन कोड", "कहाँ रहते",
    ),
    "ID": _words(
        "ids?", "identification", "identity", "passport", "licen[cs]e", "social security", "ssn",
        "account(?: number)?",
        "iban", "card(?: number)?", "policy number", "customer number", "member(?:ship)?", "insurance", "tax",
        "aadhaa?r",
        "pan", "voter", "registration number", "vehicle", "plate", "badge", "dni", "nie", "pasaporte", "cuenta",
        "tarjeta", "matrícula", "carte", "pièce d'identité", "passeport", "permis", "compte", "numéro de client",
        "ausweis(?:nummer)?", "reisepass", "führerschein", "konto(?:nummer)?", "kundennummer", "kennzeichen",
        "versicherungsnummer", "आधार", "पैन", "पासपोर्ट", "खाता", "कार्ड", "लाइसेंस", "पहचान",
    ),
    READING: _words(
        "readings?", "meters?", "cubic metres?", "counter", "dial", "how many", "how much", "what time",
        "when", "amount",
        "price", "total", "pressure", "temperature", "index", "serial", "invoice", "ticket", "order number", "room",
        "floor", "lectura", "contador", "medidor", "cuánt[oa]s?", "a qué hora", "cuándo", "compteur",
        "relevé", "combien",
        "quelle heure", "quand", "zählerstand", "zähler", "wie ?viele?", "wann", "uhrzeit", "zimmer",
        "रीडिंग", "मीटर",
        "कितने", "कितना", "कितनी", "कब",
    ),
}  # fmt: skip

_REQUEST = re.compile(
    r"[?？]|(?<![^\W_])(?:please|tell|give|say|spell|repeat|provide|enter|need|may i|can i|could (?:you|i)|let me have"
    r"|dígame|dime|indique|deme|necesito|deletree|puede|por favor|donnez|dites|indiquez|épelez|puis-je|pouvez|veuillez"
    r"|besoin|nennen|sagen|geben|buchstabieren|brauche|bitte|könn(?:en|ten)|बताइए|बताएं|बताएँ|बताइये|दीजिए|दें|कृपया|चाहिए|क्या"
    r"|batao|bataiye|bataye)(?![^\W_])"
)
_SENTENCE = re.compile(r"[^.!?？।\n]+[.!?？।\n]*")

_ROMAN_HINDI = {
    "NAME": _words("naam", "nam"),
    "PHONE": _words("phone", "mobile"),
    "ADDRESS": _words("pata"),
    "DOB": _words("janm", "umar"),
}


def asked_for(reply: str) -> tuple[str, ...]:
    """The entity types that a reply asks for, sorted; ``READING`` where it asks for the number of a thing.

    Args:
        reply: What the assistant said last, redacted, in any of the languages.
    """
    found: set[str] = set()
    for sentence in _SENTENCE.findall(reply[-LONGEST_REPLY_CHARS:].lower()):
        if not _REQUEST.search(sentence):
            continue
        for tables in (_SUBJECTS, _ROMAN_HINDI):
            found |= {kind for kind, pattern in tables.items() if pattern.search(sentence)}
    if "EMAIL" in found and not _plain_address(reply):
        found.discard("ADDRESS")
    return tuple(sorted(found))


def _plain_address(reply: str) -> bool:
    """Whether the reply asks for a postal address, and not only for an e-mail address."""
    rest = _SUBJECTS["EMAIL"].sub(" ", reply[-LONGEST_REPLY_CHARS:].lower())
    return _SUBJECTS["ADDRESS"].search(rest) is not None


def personal(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The asked types that identify a person."""
    return tuple(kind for kind in asked if kind != READING)


def numeric(asked: tuple[str, ...]) -> tuple[str, ...]:
    """The asked types that identify a person and contain digits."""
    return tuple(kind for kind in asked if kind in _NUMERIC)


def is_reading(asked: tuple[str, ...]) -> bool:
    """Whether the reply asked for the number of a thing and for no personal number. A bare number may then stay."""
    return READING in asked and not numeric(asked)


def answering(context: RedactionContext, asked: tuple[str, ...]) -> RedactionContext:
    """The context for redacting an answer. After a question for a reading it is the context of a meter."""
    return replace(context, asked_for=asked, document_type="meter" if is_reading(asked) else context.document_type)
