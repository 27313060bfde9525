"""A street address that breaks off at the end of an utterance: "I live at forty", "my address is twenty two b maple".

It counts only right after words that introduce an address. Must NOT match: "I live at the corner", "deliver it to two
people", "come at ten", "we live on ten euros a day".
"""

from __future__ import annotations

import re

from models.redaction.itn.cardinals import numeral_view

_TAIL_CHARS = 120

_HOME = (
    r"live[sd]? at|living at|address(?:'s| is)(?: at)?|(?:house|home) is (?:at|on)|reside[sd]? at"
    r"|stay(?:s|ing)? at|dirección es|vivo en(?: el)?|habit(?:e|ons|ez|ent) (?:au|à|le)"
    r"|adresse (?:est|c'est)(?: le| au)?"
    r"|indirizzo è|moro (?:no|na)|house number(?: is)?|hausnummer(?: ist)?"
)
"""After these words and a number, everything up to the end is an address."""

_ON_OR_IN = r"live[sd]? (?:on|in)|living (?:on|in)"
"""After these words a bare number may be a year or an amount. An ordinal, a letter or a street name must follow."""

_ERRAND = (
    r"(?:deliver|ship|send|bring|take|come|drop)(?: it| them| this| that| him| her| me| us| the \w{2,12})?(?: off)? "
    r"(?:to|(?P<when>at))"
    r"|pick (?:it|them|him|her|me|us) up (?:(?P<picked>at)|from)"
)
"""After these words only a number at the end of the utterance counts: "deliver it to two people" goes on."""

_CLOCK = re.compile(r"(?:[1-9]|1[0-2])(?: [0-5]\d)?|(?:1[3-9]|2[0-3]) (?:00|15|30|45)")
"""A time of day. After "at" it is a time, not a place."""

_HOUSE = r"\d{1,5}(?: \d{1,4}){0,2}"
_HOUSE_NUMBER = re.compile(_HOUSE)
_NUMBER = rf"(?:number |the )?(?P<value>{_HOUSE}(?: ?[a-z](?![^\W_]))?"
_COUNTED = re.compile(
    r",? (?:minut\w{1,3}|hours?|days?|weeks?|months?|years?|euros?|dollars?|pounds?|rupees?|percent|people|feet|miles?"
    r"|met(?:er|re)s?|kilomet(?:er|re)s?|places|meals|hotels|houses|flats|rooms|floors|homes|countries|cities|towns"
    r"|pisos|casas|lugares|sitios|años|días|meses|horas|semanas|heures?|jours?|mois|ans|kilomètres?|mètres?|maisons"
    r"|endroits|pièces|anni|giorni|ore|mesi|anos|dias|tage|stunden|wochen)(?![^\W_])",
    re.IGNORECASE,
)
"""Words for what is counted. They do not follow a house number."""

_NO_STREET = re.compile(
    r" (?:(?:or|and|to|a|an|the|different|other|big|small|new|of)(?![^\W_])|[^\W_]{1,24}s(?![^\W_]))", re.IGNORECASE
)
"""A plural after a number above one is counted: "in two places". "In forty two maple" is a street."""

_POLITE = r"(?:please|thanks|thank you|cheers|por favor|gracias|merci|s'il vous plaît|bitte|danke|grazie|obrigad[ao])"
_END = rf"(?:[\s.,]{{1,3}}{_POLITE})?[\s.,!]{{0,3}}$"
_WORD = rf",? (?!{_POLITE})[^\W_][\w'\u2019-]{{0,24}}"
_CUE = re.compile(rf"(?<![^\W_])(?:{_HOME}|{_ON_OR_IN}|{_ERRAND})(?![^\W_])", re.IGNORECASE)
_HOME_AT_END = re.compile(rf"(?<![^\W_])(?:{_HOME})[:,]? {_NUMBER}(?:{_WORD}){{0,3}}){_END}", re.IGNORECASE)
_ORDINAL_AT_END = re.compile(
    rf"(?<![^\W_])(?:{_ON_OR_IN}) (?:the )?(?P<value>\d{{1,3}}(?:st|nd|rd|th)(?:{_WORD})?){_END}", re.IGNORECASE
)
_NUMBERED_AT_END = re.compile(
    rf"(?<![^\W_])(?:{_ON_OR_IN}) (?:number (?P<house>{_HOUSE})|(?P<value>{_HOUSE} ?[a-z](?![^\W_]))){_END}",
    re.IGNORECASE,
)
_NAMED_AT_END = re.compile(rf"(?<![^\W_])(?:{_ON_OR_IN}) (?P<value>{_HOUSE}(?:{_WORD}){{1,3}}){_END}", re.IGNORECASE)
_ERRAND_AT_END = re.compile(rf"(?<![^\W_])(?:{_ERRAND})[:,]? {_NUMBER}){_END}", re.IGNORECASE)


def street_at_end(text: str, language: str) -> tuple[int, int] | None:
    """Start and end of an address that breaks off at the end of a text, or None."""
    offset = max(0, len(text) - _TAIL_CHARS)
    if not _CUE.search(text, offset):
        return None  # before the numbers are read, which takes longer
    view = numeral_view(text[offset:], language)
    span = _span(view.text if view else text[offset:])
    if span is None:
        return None
    start, end = view.original_span(*span) if view else span
    return offset + start, offset + end


def _span(said: str) -> tuple[int, int] | None:
    for pattern in (_ORDINAL_AT_END, _NUMBERED_AT_END):
        if match := pattern.search(said):
            return match.span("house" if match.groupdict().get("house") else "value")
    for pattern in (_HOME_AT_END, _NAMED_AT_END):
        if (match := pattern.search(said)) and not _is_counted(match, named=pattern is _NAMED_AT_END):
            return match.span("value")
    match = _ERRAND_AT_END.search(said)
    if match is None or (_says_when(match) and _CLOCK.fullmatch(match["value"])):
        return None
    return match.span("value")


def _is_counted(match: re.Match[str], named: bool) -> bool:
    """Whether the number counts something; ``named`` where only the name of a street may follow it."""
    said = match.string
    number = _HOUSE_NUMBER.match(said, match.start("value"))
    if number is None or _COUNTED.match(said, number.end()):
        return True
    return named and (number.group() == "1" or _NO_STREET.match(said, number.end()) is not None)


def _says_when(match: re.Match[str]) -> bool:
    """Whether a bare number follows "at", unlike "at number ten"."""
    at = match.start("when") if match["when"] else match.start("picked")
    return at >= 0 and "number" not in match.string[at : match.start("value")].lower()
