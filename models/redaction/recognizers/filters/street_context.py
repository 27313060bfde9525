"""Context that tells a spoken street from a sentence with a number: "por la calle pasan veinte camiones".

A plural right after the number is what it counts, and street names hold no verbs, unless the speaker says where
somebody lives. Must NOT clear: "calle mayor cinco madrid", "via roma dodici in centro".
"""

from __future__ import annotations

import re

from models.redaction.lexicons.loader import languages, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import near, words

_LIVES = words(
    "live[sd]?", "living", "address(?: is)?", "deliver(?:y|ed|ing)?", "ship(?:ped|ping)?", "send", "house", "home",
    "stay(?:s|ing)?", "reside[sd]?", "located", "moved? to", "visit", "pick (?:me|us|him|her|it) up", "come to",
)  # fmt: skip
"""Words about where somebody lives. The number one, and streets that are common words, need one."""

_LIVES_ROMANCE = words(
    "viv[eoí]\\w{0,4}", "direcci[oó]n", "domicili[oé]?", "resid[eo]\\w{0,2}", "abit[oiae]\\w{0,3}", "indirizzo",
    "mor[oae]\\w{0,3}", "endereço", "habit(?:e|es|ons|ez|ent|ais|ait)", "adresse", "domicile", "mi casa", "minha casa",
    "casa mia", "chez moi", "entreg\\w{1,4}", "livr(?:ez|er|aison)", "consegn\\w{1,5}", "enví\\w{1,3}",
    "estoy", "estamos", "queda", "estou", "fica", "mand[aeo]\\w{0,3}",
)  # fmt: skip
_CUE_REACH = 40

_GOES_ON = re.compile(
    r"[ ]?(?:$|[^\w\s]|\d)| (?:\d|(?:y|e|o|en|de|del|a|al|con|por|para|que|pero|porque|desde|hasta|cerca|frente|junto"
    r"|es|está|esa|ese|sí|gracias|in|di|da|dal|vicino|grazie|ma|perché|è|sì|interno|scala|em|no|na|perto|obrigad[ao]"
    r"|com|mas|sim|é|lote|bis|piso|planta|puerta|portal|escalera|bloque|apartamento|departamento|interior|andar|apto"
    r"|und|oder|aber|seit|mit|bei|hier|da|dort|bitte|danke|also|im|am|an|auf|zu|zur|zum|neben|gegenüber|ja|nein"
    r"|genau|erster|zweiter|dritter|links|rechts|hinten|vorn|hinterhaus|thank|thanks|yes|no|and|please"
    r"|entonces|después|además|antes|pues|nos|mein\w{0,2}|unser\w{0,2}|sein\w{0,2}|ihre?\w?|eine\w?|diese\w?|sie|wenn"
    r"|können|könnten|haben|habe|werde|würde|komme|gerne|danach|unten|oben|außen|jedes|alles"
    r"|[a-h]|[^\W\d_]{2,20}(?:en?|[el]n|rn) (?:sie|mich|uns|wir|ich|können))(?![^\W_]))"
)

_SAYS = words(
    "tien(?:e|en)", "tenemos", "pasan?", "pasaron", "vimos", "vemos", "veo", "recib\\w{1,5}", "enví\\w{1,5}",
    "mandamos", "llegan?", "llegaron", "había", "hubo", "caben", "cuesta", "ho", "ha", "abbiamo", "hanno", "sono",
    "ci", "c'è", "arrivano", "passano", "mandato", "ricevuto", "visto", "tem", "têm", "há", "passam", "temos",
    "chegam", "recebemos", "recebi", "mandei", "enviei", "foram",
)  # fmt: skip
"""Verbs that are in no street name."""

_VEHICLES = r"(?:e-?mail|mail|correo|satélite|satellite|internet|app|web|radio|telefono|teléfono|whatsapp|sms|wifi)"
_BY_MEANS_OF = re.compile(rf"via {_VEHICLES}(?![^\W_])")
_LESSONS = re.compile(
    r"(?<![^\W_])cours (?:de (?!la |l['\u2019])|d['\u2019]"
    r"|du (?=(?:lun|mar|mercre|jeu|vendre|same)di|soir|matin))(?=\w)",
    re.IGNORECASE,
)
_AT_FR = re.compile(r"(?<![^\W_])(?:au|est|c['\u2019]est) $")
_AMONG_THINGS = re.compile(r"(?<!at )(?<!to )(?<!from )(?<![^\W_])number (?:[1-9]|1[0-2]) \w{1,24} (?:row|loop)(?!\w)")
_NUMBERED = re.compile(r"(?<![^\W_])(?:número|numero|nr)(?![^\W_])")
_KIND_FIRST = frozenset(languages("streets"))
"""Names of the patterns of languages in which the kind of the street comes first."""
_PLURAL = {
    language: re.compile(rf" (?:{'|'.join(word_lists(language, 'streets')['plurals'])})(?![^\W_])")
    for language in _KIND_FIRST
} | {
    "de-am": re.compile(r" [^\W\d_]{2,24}(?:e|en|er|eln|ern|s)(?![^\W_])"),
}
"""Endings of most plurals of a language, by the name of the pattern."""

_TOWN = re.compile(
    r" (?:münchen|dresden|bremen|essen|hannover|karlsruhe|aachen|gießen|giessen|tübingen|göttingen|münster|worms"
    r"|burgos|cáceres|las|los|firenze|udine|varese|rimini|brindisi|lecce|trieste|napoli|palermo)(?![^\W_])"
)
"""Larger towns whose names end like a plural."""


def lives(view: TextView, start: int) -> bool:
    """Whether English words before ``start`` say where somebody lives."""
    return near(view, start, start, _LIVES, before=_CUE_REACH, after=0)


def is_among_things(view: TextView, start: int) -> bool:
    """Whether the street at ``start`` is the place of an object: "number two pump row"."""
    return _AMONG_THINGS.match(view.lower, max(0, start - len("number "))) is not None


def is_counting(view: TextView, end: int, pattern: str) -> bool:
    """Whether the number that ends at ``end`` counts a word like a plural that is neither grammar nor a town.

    Args:
        view: The view.
        end: After the last character of the number.
        pattern: Name of the pattern that found it; tells the language.
    """
    if _GOES_ON.match(view.lower, end) or _TOWN.match(view.lower, end):
        return False
    if pattern in _KIND_FIRST and view.text[end + 1 : end + 2].isupper():
        return False
    return _PLURAL[pattern].match(view.lower, end) is not None


def is_sentence(view: TextView, start: int, end: int, pattern: str) -> bool:
    """Whether what a pattern for streets of Romance languages found is a sentence with a number.

    Args:
        view: The view.
        start: Where the street begins, in characters.
        end: After its last character.
        pattern: Name of the pattern.
    """
    if _BY_MEANS_OF.match(view.lower, start):
        return True
    if near(view, start, start, _LIVES_ROMANCE, before=_CUE_REACH, after=0) or lives(view, start):
        return False
    if pattern == "fr":
        lessons = _LESSONS.search(view.text, start, end)
        at_home = _AT_FR.search(view.lower, max(0, start - 8), start)
        return lessons is not None and not at_home and not view.text[lessons.end()].isupper()
    if pattern not in _KIND_FIRST or _NUMBERED.search(view.lower, start, end):
        return False
    return _SAYS.search(view.lower, start, end) is not None or is_counting(view, end, pattern)
