"""Ages over 89, spoken or written, in seven languages.

Few people in a place are over 89, so the age identifies (HIPAA, safe harbour). Must NOT match: temperatures,
percentages, ages up to 89, years of a guarantee ("95 years of experience"), ages of things.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_OLD: Final = r"(?P<value>9\d|1[0-2]\d)"
_NO_AGE: Final = (
    r"(?![\w.,:%°]\d|[\w%°]| ?(?:degrees?|percent|per cent|times|hours?|minutes?|bars?|met(?:er|re)s?|km|grad|prozent"
    r"|grados|degrés|gradi|graus|por ciento|pour cent|per cento|por cento|डिग्री|प्रतिशत)(?![^\W_]))"
)
_YEARS: Final = (
    r"y/?o|y(?:ea)?rs?[ -]old|yrs?|years? of age|años de edad|ans d['\u2019]âge|jahre alt|jährige?[nrs]?|anni di età"
    r"|साल (?:का|की|के)|वर्षीय|वर्ष (?:का|की|के)|साल की उम्र"
)
_SAYS: Final = (
    r"teng?o|tiene|cumpl[eíi]\w{0,3}|j['\u2019]ai|a|h[ao]|tem|tenho|bin|ist|wird"
    r"|(?:she|he) is|(?:she|he)['\u2019]s|i am|i'm"
)
_NOT_OF_WORK: Final = r"(?! (?:d['\u2019]|de |di |of )?(?:exp|erf|esp|gar|hist|stor|servi))"
_PERSON: Final = (
    r"(?:she|he|grandmother|grandfather|grandma|grandpa|granny|mother|father|mum|mom|dad|aunt|uncle)"
    r"(?:['\u2019]s| is| was| just turned)|(?:oma|opa|großmutter|großvater|mutter|vater|tante|onkel) (?:ist|wird|war)"
)


def _pattern(regex: str, score: float, name: str) -> Pattern:
    return Pattern(re.compile(regex, re.IGNORECASE), score, group="value", name=name)


_THINGS: Final = re.compile(
    r"(?:^|[.,;:!?]\s|(?<!\w)(?:and|but|because|und|aber|weil|y|pero|et|mais|e|ma|mas)\s)"
    r"(?:(?:the|this|that|our|my|old|new|unsere?|mein|das|die|der|el|la|le|l['\u2019]|notre|o|a|il|यह|हमारा)\s?){0,3}"
    r"(?:house|building|factory|bridge|tank|pump|boiler|pipe|meter(?: age)?|pressure|car|company|haus|gebäude|kessel"
    r"|pumpe|firma|casa|edificio|caldera|empresa|usine|maison|chaudière|entreprise|caldaia|azienda|मकान|इमारत|टंकी|कंपनी)"
    r"(?: (?:is|was|ist|war|tiene|a|ha|tem|turned|almost|nearly|about|over|now|fast|schon|already|just)){0,3} $"
)
_REACH: Final = 40


def _is_of_a_thing(view: TextView, start: int, _end: int) -> bool:
    """Whether a thing is the subject of the clause: "the house is 95 years old", not "the owner of the house is"."""
    return _THINGS.search(view.lower, max(0, start - _REACH), start) is not None


AGE = PatternRecognizer(
    entity="AGE",
    name="age",
    needs="0",
    unless=_is_of_a_thing,
    patterns=(
        _pattern(
            rf"(?<![^\W_])(?:age[ds]?|aged about|turn(?:s|ed|ing)|edad|âge|âgée? de|alter|im alter von|उम्र|आयु)"
            rf"(?:\s?[:=]|\s(?:is|was|of|de|ist|में))?\s{{1,2}}{_OLD}{_NO_AGE}",
            0.7,
            "introduced",
        ),
        _pattern(rf"(?<![\w.,:]){_OLD}(?:[ -]?(?:{_YEARS})(?![^\W_])){_NOT_OF_WORK}", 0.8, "unit"),
        # tengo 94 años, j'ai 94 ans, ich bin 94 Jahre, ha 94 anni, she is 94 years
        _pattern(
            rf"(?<![^\W_])(?:{_SAYS})\s{_OLD} (?:años|ans|jahre|anni|anos|years?)(?![^\W_]){_NOT_OF_WORK}",
            0.8,
            "verb",
        ),
        # Without a word for years: only after a word for a person, and only if the number counts nothing.
        _pattern(
            rf"(?<![^\W_])(?:{_PERSON}) (?:already |now |almost |nearly |schon |jetzt |bald |fast )?{_OLD}"
            rf"(?=[.,;!?]?(?:$|\s(?:and|but|now|this|next|already|so|und|aber|geworden)(?![^\W_])|[.,;!?]\s))",
            0.7,
            "person",
        ),
    ),
)
