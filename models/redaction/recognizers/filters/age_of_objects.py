"""Numbers over 89 that are no age of a person: "the tank is ninety five years old", "it turned ninety degrees".

The object must be the subject of the clause. Must NOT match: "the owner of the house is ninety five years old", "she
left the house and is ninety two years old".
"""

from __future__ import annotations

import re

from models.redaction.normalize.view import TextView

_UNITS = (
    r"°|%|degrees?|times|hours?|minutes?|seconds?|percent|per cent|bars?|psi|volts?|watts?|amps?"
    r"|met(?:er|re)s?|kilomet(?:er|re)s?|km|miles?|lit(?:er|re)s?|grad|stunden?|minuten?|mal|prozent|grados|horas"
    r"|minutos?|veces|por ciento|degrés|heures?|fois|pour cent|gradi|ore|minuti|volte|per cento|graus|vezes|por cento"
    r"|डिग्री|घंटे|घंटा|बार|प्रतिशत|मिनट"
)
_THINGS = (
    # English
    r"pumps?|tanks?|buildings?|houses?|valves?|meters?|boilers?|pipes?|temperatures?|pressures?|compan(?:y|ies)|firms?"
    r"|factor(?:y|ies)|machines?|bridges?|engines?|motors?|gauges?|cars?|roofs?|schools?|church(?:es)?|towers?|hotels?"
    # German
    r"|(?:[^\W\d_]{2,12})?(?:pumpen?|ventile?|zähler|kessel|rohre?|temperatur|gebäude|fabrik|maschine|brücke)|häuser|haus"
    r"|druck|firma|unternehmen|heizung|anlage|kirche|schule"
    # Spanish, French, Italian and Portuguese
    r"|bombas?|tanques?|edificios?|casas?|válvulas?|contador(?:es)?|calderas?|tuber[ií]as?|temperaturas?|empresas?"
    r"|máquinas?|puentes?|fábricas?|pompes?|cuves?|bâtiments?|maisons?|vannes?|compteurs?|chaudières?|tuyaux?"
    r"|températures?|entreprises?|usines?|ponts?|pompa|serbatoio|edificio|valvola|contatore|caldaia|tubo|temperatura"
    r"|azienda|fabbrica|tanque|prédio|edifício|medidor|caldeira"
    # Hindi
    r"|पंप|टंकी|टैंक|इमारत|मकान|घर|वाल्व|मीटर|बॉयलर|पाइप|तापमान|कंपनी"
)
_SAID_OF_IT = frozenset(
    """age 's is was are were just turn turns turned reached already now almost nearly about around over ist sind war
    wird wurde schon jetzt fast etwa über tiene tenía cumple cumplió ya casi avait déjà presque ha aveva già quasi tem
    tinha já quase अब करीब लगभग की उम्र आयु""".split()
)
"""Words between an object and its age."""

_JOINS_CLAUSES = frozenset("and but because und aber weil y pero et mais e ma mas और लेकिन".split())
_NO_SUBJECT = frozenset(
    """of in at from by near with on for behind beside to i we you he she they who von vom im am aus bei neben mit für
    ich er sie wir de del du des dans en con por di da do dal della no na nel nella के की का में पर""".split()
)
"""Right before an object these words say that something else is the subject."""

_WORD = re.compile(r"(?:['\u2019]s(?!\w))|(?:[^\W_]|[\u0900-\u0963\u0966-\u097f]){1,24}|[.,;:!?]|\S")
_THING = re.compile(rf"(?:{_THINGS})")
_UNIT_AFTER = re.compile(rf"\s?(?:{_UNITS})(?![^\W_])")
_THING_AFTER = re.compile(rf"[ -](?:years?[ -]old|yr[ -]old|jahre alte[nrs]?|jährige[nrs]?) (?:{_THINGS})(?![^\W_])")
_REACH = 80
_MOST_SAID_OF_IT = 4
_MOST_BEFORE_A_THING = 3


def is_age_of_object(view: TextView, start: int, end: int) -> bool:
    """Whether the number at [start, end) counts units or is the age of an object."""
    lower = view.lower
    if _UNIT_AFTER.match(lower, end) or _THING_AFTER.match(lower, end):
        return True
    return _is_of_a_thing(_WORD.findall(lower, max(0, start - _REACH), start), whole=start <= _REACH)


def _is_of_a_thing(before: list[str], whole: bool) -> bool:
    """Whether an object is the subject of the clause that ends with these words. ``whole``: the clause is complete."""
    at = len(before) - 1
    if at > 0 and before[at] == "a" and before[at - 1] not in _SAID_OF_IT:
        at -= 1  # "la maison a 95 ans", not "the house was a 95 year old woman's"
    lowest = at - _MOST_SAID_OF_IT
    while at > lowest and at >= 0 and before[at].replace("\u2019", "'") in _SAID_OF_IT:
        at -= 1
    if at < 0 or not _THING.fullmatch(before[at]):
        return False
    for word in before[max(0, at - _MOST_BEFORE_A_THING) : at][::-1]:
        if word in _JOINS_CLAUSES or not word[0].isalpha():
            return True
        if word in _NO_SUBJECT:
            return False
    first = at - _MOST_BEFORE_A_THING
    return (first <= 0 and whole) or (first > 0 and _ends_a_clause(before[first - 1]))


def _ends_a_clause(word: str) -> bool:
    return word in _JOINS_CLAUSES or word in ".,;:!?"
