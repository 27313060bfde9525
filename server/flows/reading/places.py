"""The name of a place, without the words in which an answer wraps it: "we are at Pump Station 7 today"."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

from models.redaction.normalize.words import MARKS
from models.text import RedactedText
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.dates import TODAY
from server.flows.reading.opening_words import THINKS
from server.flows.reading.openings import place_part
from server.flows.reading.words import GREETING, NOW, PLAIN_YES

_TOLD: Final = {
    "en": "i am at|i'm at|im at|we are at|we're at|i am in|i'm in|we are in|we're in|i'm here at|i am here at|"
    "we're here at|we are here at|i'm just at|i'm currently at|i am currently at|we're currently at|i've arrived at|"
    "i've just arrived at|we've just arrived at|just arrived at|currently at|"
    "we've arrived at|i'm calling from the|i've been sent to the|i was sent to the|i'm standing at|i'm working at|"
    "we're working at|"
    "the site is|my site is|site is|our site is|the site name is|the name of the site is|"
    "i have a delivery for|i've got a delivery for|we have a delivery for|we've got a delivery for",
    "de": "ich bin am|ich bin an|ich bin beim|ich bin bei|ich bin im|ich bin in|wir sind am|wir sind an|wir sind beim|"
    "wir sind bei|wir sind im|wir sind in|der standort ist|der standort heißt|bin am|bin beim|bin im",
    "es": "estoy en|estamos en|el sitio es|me encuentro en|nos encontramos en|el nombre del sitio es",
    "fr": "je suis à|je suis au|nous sommes à|nous sommes au|on est à|on est au|le site est|je me trouve à|"
    "je me trouve au|le nom du site est",
    "pt": "estou em|estou no|estou na|estamos em|estamos no|estamos na|o local é|o nome do local é",
    "hi": "",
}
"""What stands before the name of a place where somebody is, wherever it comes in an answer."""

_AT: Final = {
    "en": "this is|at",
    "de": "das ist|hier ist",
    "es": "esto es|este es",
    "fr": "",
    "pt": "este é|esta é",
    "hi": "मैं|हम|यह",
}
"""The same, where the answer begins with it."""

_IT_IS: Final = {"en": "it is|it's", "de": "es ist", "es": "es", "fr": "c'est", "pt": "é", "hi": ""}
"""The same, unless an adjective or a verb follows: "it's raining" is whole."""

_IN: Final = {"en": "", "de": "am|beim|im", "es": "en", "fr": "au|à", "pt": "no|na|em", "hi": ""}
"""Prepositions. With a capital and no article one is a part of the name: "Am Hafen 3"."""

_THE: Final = {
    "en": "the",
    "de": "der|die|das|dem|den",
    "es": "el|la|los|las",
    "fr": "la|le|les|l'",
    "pt": "o|a|os|as",
    "hi": "",
}
_IS_THERE: Final = {"en": "", "de": "", "es": "", "fr": "", "pt": "", "hi": "पर हूँ|पर हूं|में हूँ|में हूं|पर हैं|में हैं|है"}
"""What stands after the name."""

_END: Final = rf"(?![\w{MARKS}])"
_SMALL_LETTER: Final = r"(?-i:[a-zß-öø-ÿ])"
_STOPS: Final = ".!।"
_NO_PLACE: Final = r"(?!\s+(?:an? (?:hurry|rush)|trouble|charge|need|(?:the |a )?(?:middle|process))(?!\w))"
"""Where nobody stands: "I'm in a hurry"."""


def bare_place(material: AnswerText) -> RedactedText:
    """A text that answers where somebody is, without a phrase before the name, its article, and words for today after
    it, and without greetings, introductions, questions to the app and reasons around it. What else is said stays.
    """
    before, after = _framing(material.code)
    part = place_part(material.text.value, material.code, _told(material.code)).lstrip()
    value = after.sub("", before.sub("", part, count=1), count=1).strip(f" ,{_STOPS}")
    return replace(material.text, value=value, identities=())


@lru_cache(maxsize=16)
def _framing(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What goes before a place, and what goes after it."""
    lists = (_TOLD, _AT, _IT_IS, _IN, _THE, _IS_THERE, NOW, TODAY, GREETING, THINKS, PLAIN_YES)
    told, at, it_is, preposition, the, there, now, today, greeting, thinks, yes = (
        _any(each.get(code, each["en"])) for each in lists
    )
    article = rf"\s*(?-i:{the})(?:{_END}|(?<=['\u2019]))"
    phrases = (
        rf"(?:{told}|{at}){_END}(?:{article})?",
        rf"(?:{it_is}|{preposition}){_END}{article}",
        rf"(?:{it_is}){_END}(?!\s*{_SMALL_LETTER})",
        rf"(?-i:{preposition}){_END}",
    )
    before = rf"\A\s*(?:(?:{greeting}|{thinks}|{yes})[\s,{_STOPS}]+)*(?:{'|'.join(phrases)})\s*"
    thinking = _any("|".join(each for each in THINKS.get(code, "").split("|") if " " in each))
    after = rf"(?:[\s,]+(?:{today}|{now}|{there}|{greeting}|{thinking}))+[\s{_STOPS}]*\Z"
    return re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE)


def tells_place(material: AnswerText) -> bool:
    """Whether a text says "I am at" or the like, after nothing but openings, so that it tells more than a bare name."""
    part = place_part(material.text.value, material.code, _told(material.code))
    return _told(material.code).match(part) is not None


@lru_cache(maxsize=16)
def _told(code: str) -> re.Pattern[str]:
    """What says where somebody is, wherever it stands."""
    return re.compile(rf"(?<![\w{MARKS}])(?:{_any(_TOLD.get(code, _TOLD['en']))}){_END}{_NO_PLACE}", re.IGNORECASE)


def _any(phrases: str) -> str:
    """An expression for any of these phrases, the longest first; for nothing where there are none."""
    listed = sorted(filter(None, phrases.split("|")), key=len, reverse=True)
    return "|".join(re.escape(each).replace("'", "['\u2019]") for each in listed) or "(?!)"
