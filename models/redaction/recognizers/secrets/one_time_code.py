"""Short secrets of digits: security codes of cards, one-time codes, codes of doors and alarms, ends of numbers.

Must NOT match: codes of things (error, product, article, area, discount), readings, quantities ("a combination of 123
valves"). Codes that machines have too ("alarm code 12") need four digits.
"""

from __future__ import annotations

import re

from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer
from models.redaction.recognizers.filters.quantity_context import is_amount

_IS = r"(?:is|was|are|were|will be|es|era|son|est|était|sont|ist|war|lautet|sind|hai|है|é|:|=)"
_CARD_KINDS = (
    r"cv[vcn]2?|csc|(?:card )?security code|(?:card )?verification (?:code|number|value)|(?:card )?check number|otp"
    r"|o\.t\.p\.?|one[- ]time (?:pass ?(?:word|code)|code|pin)|pass ?code|(?:log|sign)[- ]?in code"
    r"|(?:confirmation|authentication|authenticator|verify|sms|2fa|mfa|two[- ]factor) code"
    r"|código (?:de (?:seguridad|verificación|confirmación)|sms)|cryptogramme(?: visuel)?"
    r"|code (?:de (?:sécurité|vérification|confirmation)|reçu(?: par sms)?|sms)"
    r"|(?:sicherheits|bestätigungs|freischalt|entsperr|verifizierungs|sms-?)code|m?tan(?: nummer)?"
    r"|(?:karten)?prüf(?:nummer|ziffer)|sicherheitsnummer|ओटीपी|ओ टी पी|सीवीवी|सी वी वी|(?:सुरक्षा|सत्यापन) कोड"
)
_CARD_PIECES = tuple(
    "cv csc code cód cryptogramme otp o.t.p time pass verification check tan prüf sicherheitsnummer ओ सी कोड".split()
)
"""Each of the expressions has one of these."""
_BACK_KINDS = (
    r"(?:code|digits|numbers?) (?:on|at) the back(?: of (?:the|my|your|his|her) card)?"
    r"|(?:code|nummer|ziffern|zahlen) auf der rückseite(?: (?:der|meiner) karte)?"
    r"|(?:código|números?|dígitos|cifras) (?:del?|en el) (?:reverso|dorso)(?: de (?:la|mi) tarjeta)?"
    r"|(?:code|chiffres|numéros) (?:au|du) dos(?: de (?:la|ma) carte)?|code de (?:la |ma )?carte(?: bleue| bancaire)?"
)
_THINGS = (
    r"(?:door|gate|house|building|garage|safe|alarm|lock|padlock|locker|key ?pad|key ?box|entrance|lobby|lift|elevator)"
)
_DOOR_KINDS = (
    rf"(?:access|entry|unlock|key ?pad) code|{_THINGS} code"
    rf"|code (?:to|for|of|at|on) (?:(?:the|my|our) )?(?:(?:front|back|main|side) )?{_THINGS}"
    r"|código (?:de (?:acceso|entrada|(?:la )?(?:puerta|alarma))|del? portal)|digicode"
    r"|code (?:de la porte|d['\u2019](?:accès|entrée)|du portail|de l['\u2019]alarme)"
    r"|(?:zugangs|tür|tor|eingangs|alarm)code"
)
_PLAIN_DOORS = (
    r"(?:(?:front|back|main|side) )?(?:door|gate|garage|padlock|locker|key ?box|entrance|lobby) code"
    r"|(?:access|entry) code|digicode|(?:zugangs|tür|tor|eingangs)code|code de la porte|código de la puerta"
)
"""Codes of doors need only three digits, because doors, unlike alarms, report no fault codes."""
_AT_A_DOOR = (
    rf"(?= (?:for|to|at|on|by|into)(?: (?:open|unlock|enter))?(?: (?:the|my|our|your|his|her))?"
    rf"(?: (?:front|back|main|side))? {_THINGS}(?![^\W_])"
    r"| (?:für|an) (?:die|der|das|dem) (?:haus|eingangs|vorder|hinter)?(?:tür|tor)(?![^\W_])"
    r"| (?:para|en) la (?:puerta|entrada)(?![^\W_])| (?:pour|à) (?:la porte|le portail|l['\u2019]entrée)(?![^\W_]))"
)
_SENT = (
    r"(?:code|código|clave|कोड) [^\n.!?;:=,\d]{0,24}(?<![^\W_])(?:sent|texted|e-?mailed|got|received|gave|given"
    r"|enviaron|enviado|mandaron|llegó|reçu|envoyé|bekommen|erhalten|geschickt)"
)
"""A code that somebody was sent."""

_OF_THINGS = (
    "error fault product article part item model area country zip post postal status exit discount promo voucher coupon"
    " bar qr dress source site cost tax sort event color colour class"
)
_NOT_OF_THINGS = "".join(rf"(?<!{word} )" for word in _OF_THINGS.split())

_PAUSE = r"(?:,(?: [^\n.!?;:=,\d]{1,24},|(?: (?:it|which|that)(?= ))?)\s?)?"
"""A comma and directly the verb, or two commas around another name of the code. A single comma begins a new clause."""
_NOT_OF_FAULTS = "(?<!error )(?<!fault )(?<!product )(?<!article )(?<!part )(?<!model )"

_BETWEEN = r"[^\n.!?;:=,\d]{0,36}" + _PAUSE
_NO_PAUSE = r"[^\n.!?;:=,\d]{0,16}"
_SHORTLY = _NO_PAUSE + _PAUSE
_VALUE = r"(?P<value>\d(?:[ -]?\d){2,9}(?![\d%]|[.,:]\d)[#*]?|[A-Z]{1,3}-?\d{4,8}(?!\w))"
_LONGER = r"(?P<value>\d(?:[ -]?\d){3,9}(?![\d%]|[.,:]\d)[#*]?)"
_DIRECTLY = r"(?:['\u2019]s\s|[\s:=#(-]{1,3}(?:(?:no|nr|number|code)\.?[\s:=#]{1,3})?)"
_VERB = rf"(?<![^\W_]){_IS}[\s#]{{0,3}}"
_TOLD = _BETWEEN + _VERB


def _of(words: str, between: str, value: str, name: str, hints: tuple[str, ...] = ()) -> Pattern:
    regex = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_]){between}{value}", re.IGNORECASE)
    return Pattern(regex, 1.0, group="value", name=name, hints=hints)


_QUANTITY_AFTER = re.compile(
    r"\s(?:(?:and|or|plus|und|oder|et|ou|y|o)\s\d{1,6}\s[^\W\d_]{3,20}"
    r"|(?:valves?|pumps?|parts?|sensors?|boxes|pipes?|bolts?|screws?|items|editions?|versions?|revision|standards?"
    r"|ventile|pumpen|teile|ausgabe|válvulas|bombas|piezas|edición|vannes|pompes|pièces|édition))(?![^\W_])",
    re.IGNORECASE,
)
_FAULT_BEFORE = re.compile(
    r"(?<![^\W_])(?:errors?|faults?|failures?|fehler|störung|erreur|panne|fallo|avería|erro|falha)"
    rf"(?: (?:code|number))?\s?{_IS}?[\s#]{{0,3}}$"
)
_BUILDING_YEAR = re.compile(r"(?<![^\W_])building code(?: of)?(?: is| was)?[\s:]{1,2}(?:19|20)\d\d$")
"""Building codes, the regulations, are named after their year."""
_BACK = 40


def _is_no_code(view: TextView, start: int, end: int) -> bool:
    """Whether the digits are an amount, a quantity, a fault code or the year of a building code."""
    low = max(0, start - _BACK)
    return bool(
        is_amount(view, start, end)
        or _QUANTITY_AFTER.match(view.text, end)
        or _FAULT_BEFORE.search(view.lower, low, start)
        or _BUILDING_YEAR.search(view.lower, low, end)
    )


CODE = PatternRecognizer(
    entity="SECRET",
    name="code",
    needs="0",
    unless=_is_no_code,
    patterns=(
        _of(_NOT_OF_FAULTS + f"(?:{_CARD_KINDS})", _DIRECTLY, _VALUE, "card", _CARD_PIECES),
        _of(_NOT_OF_FAULTS + f"(?:{_CARD_KINDS})", _TOLD, _VALUE, "card-told", _CARD_PIECES),
        _of(_BACK_KINDS, _DIRECTLY, _VALUE, "back"),
        _of(_BACK_KINDS, _TOLD, _VALUE, "back-told"),
        _of(_NOT_OF_FAULTS + f"(?:{_PLAIN_DOORS})", _SHORTLY + _VERB, _VALUE, "plain-door", ("cod", "cód")),
        _of(r"code|código|press|enter|type|dial|punch in|key in", " ", _LONGER + _AT_A_DOOR, "at-a-door"),
        _of(_NOT_OF_FAULTS + f"(?:{_DOOR_KINDS})", _DIRECTLY, _LONGER, "door"),
        _of(_NOT_OF_FAULTS + f"(?:{_DOOR_KINDS})", _TOLD, _LONGER, "door-told"),
        _of(
            r"combinations?|combo|zahlenkombination|kombination|combinación|combinaison",
            _TOLD,
            _VALUE,
            "combination",
            ("comb", "komb"),
        ),
        _of(_NOT_OF_THINGS + _SENT, _NO_PAUSE + _VERB, _LONGER, "sent", ("code", "código", "clave", "कोड")),
        _of(
            r"(?:my|your|his|her|our|mi|mein|meine|mon|mera|meri|मेरा) (?:\w{1,12} )?(?:pin|पिन)(?: code| number)?",
            rf"[\s:=#]{{1,3}}(?:{_IS}\s)?",
            _LONGER,
            "pin",
            ("pin", "पिन"),
        ),
    ),
)

LAST_DIGITS = PatternRecognizer(
    entity="ID",
    name="last-digits",
    needs="0",
    patterns=(
        _of(
            r"last (?:four|five|six|[456])(?: digits| numbers)? (?:of|on|from|for) (?:my|your|his|her|the|our) "
            r"(?:(?:credit|debit|bank|visa|phone|cell|mobile|social|security|id|tax) ){0,2}"
            r"(?:card|account|iban|phone|cell|mobile|number|passport|licen[cs]e|id)",
            rf"(?: number)? (?:{_IS}\s)?",
            _LONGER,
            "en",
            ("last ",),
        ),
        _of(
            r"(?:card|visa|mastercard|amex|account|acct|iban|social(?: security)?|ssn|phone|mobile|cell|passport"
            r"|licen[cs]e|tarjeta|cuenta|carte|karte|konto)(?: number)?(?: that| which)?"
            r" (?:ends?|ending|ended|finishes|finishing|terminada|terminado|acaba|termina|endet|se terminant"
            r"|finissant)",
            r"(?: (?:in|with|on|by|en|por|auf|mit|par))?[\s:]{1,2}",
            _LONGER,
            "ending",
            ("end", "finish", "termin", "acab", "finiss"),
        ),
        _of(
            r"(?:últimos (?:cuatro|4) (?:dígitos|números|cifras)|(?:quatre|4) derniers chiffres|letzten (?:vier|4) "
            r"(?:ziffern|stellen)) (?:de|du|der|von|meiner|meines)(?: (?:mi|la|ma|mon|meiner|meinem|der)){0,1} "
            r"(?:tarjeta|cuenta|teléfono|carte|compte|téléphone|karte|kreditkarte|kontos?|kontonummer|telefonnummer)",
            rf" (?:{_IS}\s)?",
            _LONGER,
            "others",
            ("ltimos", "derniers", "letzten"),
        ),
    ),
)
