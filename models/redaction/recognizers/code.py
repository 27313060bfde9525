"""Short secrets of digits: security codes of cards, one-time codes, codes of doors and alarms, ends of numbers.

Must NOT match: codes of things (error, product, article, area, discount), readings, quantities ("a combination of 123
valves"). A kind of code that machines have too ("alarm code 12") needs four digits.
"""

from __future__ import annotations

import re

from models.redaction.recognizers.base import Pattern, PatternRecognizer

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
_THINGS = (
    r"(?:door|gate|house|building|garage|safe|alarm|lock|padlock|locker|key ?pad|key ?box|entrance|lobby|lift|elevator)"
)
_DOOR_KINDS = (
    rf"(?:access|entry|unlock) code|{_THINGS} code"
    rf"|code (?:to|for|of|at|on) (?:(?:the|my|our) )?(?:(?:front|back|main|side) )?{_THINGS}"
    r"|código (?:de (?:acceso|entrada|(?:la )?(?:puerta|alarma))|del? portal)|digicode"
    r"|code (?:de la porte|d['\u2019](?:accès|entrée)|du portail|de l['\u2019]alarme)"
    r"|(?:zugangs|tür|tor|eingangs|alarm)code"
)
_SENT = (
    r"(?:code|código|clave|कोड) [^\n.!?;:=\d]{0,24}(?<![^\W_])(?:sent|texted|e-?mailed|got|received|gave|given|enviaron"
    r"|enviado|mandaron|llegó|reçu|envoyé|bekommen|erhalten|geschickt)"
)
"""A code that somebody was sent."""

_OF_THINGS = (
    "error fault product article part item model area country zip post postal status exit discount promo voucher coupon"
    " bar qr dress source site cost tax sort event color colour class"
)
_NOT_OF_THINGS = "".join(rf"(?<!{word} )" for word in _OF_THINGS.split())

_BETWEEN = r"[^\n.!?;:=\d]{0,36}"
_SHORTLY = r"[^\n.!?;:=\d]{0,16}"
_VALUE = r"(?P<value>\d(?:[ -]?\d){2,9}(?![\d%]|[.,:]\d)[#*]?|[A-Z]{1,3}-?\d{4,8}(?!\w))"
_LONGER = r"(?P<value>\d(?:[ -]?\d){3,9}(?![\d%]|[.,:]\d)[#*]?)"
_DIRECTLY = r"[\s:=#(-]{1,3}(?:(?:no|nr|number|code)\.?[\s:=#]{1,3})?"
_VERB = rf"(?<![^\W_]){_IS}[\s#]{{0,3}}"
_TOLD = _BETWEEN + _VERB


def _of(words: str, between: str, value: str, name: str, hints: tuple[str, ...] = ()) -> Pattern:
    regex = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_]){between}{value}", re.IGNORECASE)
    return Pattern(regex, 1.0, group="value", name=name, hints=hints)


CODE = PatternRecognizer(
    entity="SECRET",
    name="code",
    needs="0",
    patterns=(
        _of(_CARD_KINDS, _DIRECTLY, _VALUE, "card"),
        _of(_CARD_KINDS, _TOLD, _VALUE, "card-told"),
        _of(_DOOR_KINDS, _DIRECTLY, _LONGER, "door", ("cod", "cód")),
        _of(_DOOR_KINDS, _TOLD, _LONGER, "door-told", ("cod", "cód")),
        _of(
            r"combinations?|combo|zahlenkombination|kombination|combinación|combinaison",
            _TOLD,
            _VALUE,
            "combination",
            ("comb", "komb"),
        ),
        _of(_NOT_OF_THINGS + _SENT, _SHORTLY + _VERB, _LONGER, "sent", ("code", "código", "clave", "कोड")),
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
