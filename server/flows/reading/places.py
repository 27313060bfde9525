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
from server.flows.reading.words import GREETING, NOW

_AT: Final = {
    "en": "i am at|i'm at|im at|we are at|we're at|i am in|i'm in|we are in|we're in|this is|the site is|"
    "i have a delivery for|we have a delivery for|at",
    "de": "ich bin am|ich bin an|ich bin beim|ich bin bei|ich bin im|ich bin in|wir sind am|wir sind an|wir sind beim|"
    "wir sind bei|wir sind im|wir sind in|das ist|hier ist|der standort ist",
    "es": "estoy en|estamos en|esto es|este es|el sitio es",
    "fr": "je suis à|je suis au|nous sommes à|nous sommes au|on est à|on est au|le site est",
    "pt": "estou em|estou no|estou na|estamos em|estamos no|estamos na|este é|esta é|o local é",
    "hi": "मैं|हम|यह",
}
"""What stands before the name of a place where somebody is."""

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


def bare_place(material: AnswerText) -> RedactedText:
    """A text that answers where somebody is, without a phrase before the name, its article, and words for today after
    it. What else is said stays.
    """
    before, after = _framing(material.code)
    value = after.sub("", before.sub("", material.text.value, count=1), count=1).strip(f" ,{_STOPS}")
    return replace(material.text, value=value, identities=())


@lru_cache(maxsize=16)
def _framing(code: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What goes before a place, and what goes after it."""
    lists = (_AT, _IT_IS, _IN, _THE, _IS_THERE, NOW, TODAY, GREETING)
    at, it_is, preposition, the, there, now, today, greeting = (_any(each.get(code, each["en"])) for each in lists)
    article = rf"\s*(?-i:{the})(?:{_END}|(?<=['\u2019]))"
    phrases = (
        rf"(?:{at}){_END}(?:{article})?",
        rf"(?:{it_is}|{preposition}){_END}{article}",
        rf"(?:{it_is}){_END}(?!\s*{_SMALL_LETTER})",
        rf"(?-i:{preposition}){_END}",
    )
    before = rf"\A\s*(?:(?:{greeting})[\s,{_STOPS}]+)?(?:{'|'.join(phrases)})\s*"
    after = rf"(?:[\s,]+(?:{today}|{now}|{there}|{greeting}))+[\s{_STOPS}]*\Z"
    return re.compile(before, re.IGNORECASE), re.compile(after, re.IGNORECASE)


def _any(phrases: str) -> str:
    """An expression for any of these phrases, the longest first; for nothing where there are none."""
    listed = sorted(filter(None, phrases.split("|")), key=len, reverse=True)
    return "|".join(re.escape(each).replace("'", "['\u2019]") for each in listed) or "(?!)"
