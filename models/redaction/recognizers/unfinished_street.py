"""The beginning of a street address at the end of an utterance: "I live at forty", "my address is twenty two b maple".

Only right behind words that introduce an address. Must NOT match: "I live at the corner", "deliver it to two people".
"""

from __future__ import annotations

import re

from models.redaction.cardinals import numeral_view

_TAIL_CHARS = 120

_HOME = (
    r"live[sd]? (?:at|on|in)|living (?:at|on|in)|address(?:'s| is)(?: at)?|(?:house|home) is (?:at|on)|reside[sd]? at"
    r"|stay(?:s|ing)? at|dirección es|vivo en(?: el)?|habit(?:e|ons|ez|ent) (?:au|à|le)"
    r"|adresse (?:est|c'est)(?: le| au)?"
    r"|indirizzo è|moro (?:no|na)|house number(?: is)?|hausnummer(?: ist)?"
)
"""Behind this and a number everything up to the end is an address."""

_ERRAND = (
    r"(?:deliver|ship|send|bring|take|come|drop)(?: it| them| this| that| him| her| me| us| the \w{2,12})?(?: off)? "
    r"(?:to|at)"
    r"|pick (?:it|them|him|her|me|us) up (?:at|from)"
)
"""Behind this only a number that ends the utterance: "deliver it to two people" goes on."""

_NUMBER = r"(?:number |the )?(?P<value>\d{1,5}(?: \d{1,4}){0,2}(?: ?[a-z](?![^\W_]))?"
_POLITE = r"(?:please|thanks|thank you|cheers|por favor|gracias|merci|s'il vous plaît|bitte|danke|grazie|obrigad[ao])"
_END = rf"(?:[\s.,]{{1,3}}{_POLITE})?[\s.,!]{{0,3}}$"
_CUE = re.compile(rf"(?<![^\W_])(?:{_HOME}|{_ERRAND})(?![^\W_])", re.IGNORECASE)
_HOME_AT_END = re.compile(
    rf"(?<![^\W_])(?:{_HOME})[:,]? {_NUMBER}(?:,? (?!{_POLITE})[^\W_][\w'\u2019-]{{0,24}}){{0,3}}){_END}",
    re.IGNORECASE,
)
_ERRAND_AT_END = re.compile(rf"(?<![^\W_])(?:{_ERRAND})[:,]? {_NUMBER}){_END}", re.IGNORECASE)


def street_at_end(text: str, language: str) -> tuple[int, int] | None:
    """Where an address that breaks off at the end of a text begins and ends, or None."""
    offset = max(0, len(text) - _TAIL_CHARS)
    if not _CUE.search(text, offset):
        return None  # before the numbers are read, which takes longer
    view = numeral_view(text[offset:], language)
    said = view.text if view else text[offset:]
    match = _HOME_AT_END.search(said) or _ERRAND_AT_END.search(said)
    if match is None:
        return None
    start, end = match.span("value")
    if view:
        start, end = view.original_span(start, end)
    return offset + start, offset + end
