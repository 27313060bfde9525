"""Street addresses.

Must NOT match: "table for four", "Room 12", names of sites ("the Riverside site"), a town alone.
"""

from __future__ import annotations

import re

from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

_KIND_EN = (
    r"(?:street|st|avenue|ave?|road|rd|drive|dr|lane|ln|boulevard|blvd|court|ct|place|pl|terrace|square|sq|way|close|crescent|cres|highway|hwy|"
    r"parkway|pkwy|alley|circle|cir|trail|trl|loop|mews|grove|gardens?|hill|walk|row|plaza|turnpike|route|quay|wharf)"
)
_WORD = r"[^\W\d_][\w'\u2019.-]{0,30}"
_UNIT = r"(?:\s{0,2},?\s{1,3}(?:apt|apartment|suite|ste|unit|flat|floor|room|#|no)\.?\s{0,2}#?[\w-]{1,8})?"
_CITY_TAIL = (
    r"(?:\s{0,2},\s{1,2}[A-Z][\w'\u2019.-]{1,30}(?: [A-Z][\w'\u2019.-]{1,30}){0,2}"
    r"(?:,? {1,2}[A-Z]{2}(?= ?\d|\b))?(?:,? {1,2}\d{5}(?:-\d{4})?)?)?"
)

_DISTANCE = re.compile(
    r"\d{1,6},? {1,3}(?:(?:km|kilomet(?:re|er)s?) {1,3}(?:from|to|away|off|of|down|along|on|before|past|behind|beyond"
    r"|north|south|east|west|se|door|ka|ki|ke|par|baad|pehle)|rup(?:a|ai)?y[ae]|rupees?|baje|ghante)(?![^\W_])",
    re.IGNORECASE,
)


def _begins_with_an_amount(view: TextView, start: int, _end: int) -> bool:
    """Whether the number is a distance, a price or a time: "12 km from the main road", "5 baje gate par".

    "12 km Multan Road" is an address.
    """
    return _DISTANCE.match(view.text, start) is not None


STREET = PatternRecognizer(
    entity="ADDRESS",
    name="street",
    needs="0",
    unless=_begins_with_an_amount,
    patterns=(
        # 14 Elm Street, 221B Baker St., 1600 N Pennsylvania Ave NW, Apt 4
        Pattern(
            re.compile(
                rf"(?<![\w.])\d{{1,6}}(?:[-/]\d{{1,5}})?[A-Za-z]?,? {{1,3}}(?:{_WORD} {{1,3}}){{1,4}}{_KIND_EN}\.?"
                rf"(?![^\W_])"
                rf"(?:\s[NSEW]{{1,2}}(?![a-z]))?{_UNIT}",
                re.IGNORECASE,
            ),
            0.7,
            name="en",
        ),
        Pattern(
            re.compile(
                rf"(?<![\w.])\d{{1,6}}[A-Za-z]?,? {{1,3}}(?:{_WORD} {{1,3}}){{1,4}}{_KIND_EN}\.?(?![^\W_]){_CITY_TAIL}",
                re.IGNORECASE,
            ),
            0.55,
            name="en-city",
        ),
        # Hauptstraße 12, Am Alten Markt 3a
        Pattern(
            re.compile(
                r"(?<!\w)[A-ZÄÖÜ][\w-]{2,30}(?:stra(?:ß|ss)e|str\.?|weg|gasse|platz|allee|ufer|damm|ring)\s{1,2}\d{1,4}\s?[a-z]?(?!\w)"
            ),
            0.8,
            name="de",
        ),
        # 12 rue de la Paix, 3 bis avenue Foch; calle Mayor 5; via Roma 10
        Pattern(
            re.compile(
                rf"(?<![\w.])\d{{1,4}}(?: (?:bis|ter))?,? {{1,2}}(?:rue|avenue|boulevard|place|allée|chemin"
                rf"|impasse|quai|cours)(?: {_WORD}){{1,4}}",
                re.IGNORECASE,
            ),
            0.75,
            name="fr",
        ),
        Pattern(
            re.compile(
                r"(?<!\w)(?:[Cc]alle|C/|[Aa]venida|[Aa]vda\.?|[Pp]laza|[Pp]aseo|[Cc]arrer|[Vv]ia|[Vv]iale|[Pp]iazza|[Rr]ua)"
                r"(?: (?:de|del|la|las|los|di|da|do"
                r"|dos|della|delle|dello|dei|degli|nuova|san|santa)){0,2}(?: [A-ZÀ-Þ][\w'\u2019.-]{0,30}){1,5}"
                r",? (?:n[º°o.]{0,2} ?)?\d{1,4}(?!\w)"
            ),
            0.75,
            name="es-it-pt",
        ),
        Pattern(
            re.compile(
                r"(?<!\w)(?:(?:psc|cmr|unit)\s\d{1,5},?\s{1,2}box\s\d{1,5},?\s{1,3}|us[nscv]{1,3}\s[a-z]{2,20},?\s{1,3})?(?:apo|fpo|dpo),?\s(?:aa|ae|ap)\s\d{5}(?!\d)",
                re.IGNORECASE,
            ),
            0.9,
            name="military",
        ),
        Pattern(
            re.compile(r"(?<!\w)(?:apt|apartment|suite|ste|flat)\.?\s{1,2}#?\d{1,5}[A-Za-z]?(?!\w)", re.IGNORECASE),
            0.6,
            name="unit",
        ),
        Pattern(
            re.compile(
                r"(?<!\w)(?:ul|al|pl|ulica)\.\s[^\W\d_][\w-]{1,30}(?: [^\W\d_][\w-]{1,30})?\s\d{1,4}[a-z]?(?!\w)",
                re.IGNORECASE,
            ),
            0.8,
            name="pl",
        ),
        Pattern(
            re.compile(
                r"(?<!\w)[^\W\d_][\w-]{2,30}(?: [^\W\d_][\w-]{2,30})?\s(?:utca|u\.|tér|körút|krt\.|út|rkp\.|rakpart"
                r"|köz|sor|fasor|sétány)\s\d{1,4}\.?(?!\w)"
            ),
            0.7,
            name="hu",
            hints=("utca", "u.", "tér", "körút", "krt.", "út", "rkp.", "rakpart", "köz", "sor", "sétány"),
        ),
        Pattern(re.compile(r"(?<!\w)p\.?\s?o\.?\s?box\s{1,2}\d{1,6}(?!\w)", re.IGNORECASE), 0.8, name="box"),
    ),
)
