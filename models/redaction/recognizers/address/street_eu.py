"""Streets as they are written in Spanish, French, German, Dutch and the Nordic languages.

Must NOT match: streets without a number, "platz 3" of a competition, "place" in prose.
"""

from __future__ import annotations

import re

from models.redaction.lexicons.loader import alternatives
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words

_CAPITAL = r"[^\W\d_a-zß-ÿ][\w'\u2019.-]{0,30}"
_NUMBER = r"\d{1,4}(?: ?(?:bis|ter|[a-zA-Z]))?(?:[-/]\d{1,4})?"
_DE_SMALL = r"(?:(?:am|an|auf|bei|beim|der|dem|den|des|im|in|zum|zur|hinter|vor|unter|über)\s)"

_KINDS_DE = ("stra", "gasse", "allee", "platz", "ring", "weg", "ufer", "damm")
_KINDS_NORDIC = tuple(
    "gatan vägen gränd stigen backen vejen vej gade gata gate veien vegen katu tie kuja polku straat laan plein "
    "gracht kade steeg "
    "dreef weg".split()
)
STREET_EU = PatternRecognizer(
    entity="ADDRESS",
    name="street-eu",
    patterns=(
        # Am Alten Markt 5, An der Schule 7a, Unter den Linden 77, Straße des 17. Juni 135
        Pattern(
            re.compile(
                rf"(?<!\w)(?:Am|An der|An den|Auf der|Auf dem|Bei der|Beim|Im|In der|Zum|Zur|Unter den|Hinter der)"
                rf"(?: {_CAPITAL}){{1,3}} {_NUMBER}(?![\w:]|[.,]\d| Uhr)"
            ),
            0.3,  # "Im Zimmer 12" is built alike
            name="de-am",
            hints=("am ", "an de", "auf de", "bei", "im ", "in der", "zu", "unter den", "hinter der"),
        ),
        Pattern(
            re.compile(
                rf"(?<!\w)(?:Straße|Strasse|Platz|Allee|Weg) {_DE_SMALL}{{1,2}}(?:\d{{1,2}}\. )?{_CAPITAL} "
                rf"{_NUMBER}(?![\w:])"
            ),
            0.75,
            name="de-of",
            hints=("stra", "platz", "allee", "weg"),
        ),
        # Berliner Straße 12, Lange Gasse 3: the kind is a word of its own; in speech its capital gets lost.
        Pattern(
            re.compile(
                rf"(?<!\w)[^\W\d_][\w-]{{2,30}}\s(?:stra(?:ß|ss)e|gasse|allee|platz|ring|weg|ufer"
                rf"|damm)\s{_NUMBER}(?![\w:]|[.,]\d)",
                re.IGNORECASE,
            ),
            0.65,
            name="de-apart",
            hints=_KINDS_DE,
        ),
        # gatan, vägen, vej, gade, gate, katu, tie; straat, laan, gracht, plein
        Pattern(
            re.compile(
                rf"(?<!\w)[^\W\d_][\w-]{{1,30}}(?:gatan|vägen|gränd|stigen|backen|vejen|vej|gade|gata|gate|veien"
                rf"|vegen|katu|tie|kuja|polku|"
                rf"straat|laan|plein|gracht|kade|steeg|dreef|weg)\s{_NUMBER}(?![\w:]|[.,]\d)",
                re.IGNORECASE,
            ),
            0.65,
            name="nordic-dutch",
            hints=_KINDS_NORDIC,
        ),
        # 3, bd Voltaire; 14 av. du Général Leclerc; 8 bis, place de la Mairie
        Pattern(
            re.compile(
                rf"(?<![\w.])\d{{1,4}}(?: ?(?:bis|ter|quater))?,? {{1,2}}(?:bd|bld|boul|av|pl|imp|all|chem|ch|rte"
                rf"|route|sq|square|faubourg"
                rf"|passage|sentier|villa|résidence|lotissement|montée|ruelle|esplanade|promenade)\.? "
                rf"(?:(?:de|du|des|la|le|les|l['\u2019]|d['\u2019]) ?){{0,3}}{_CAPITAL}(?:[ -]{_CAPITAL}){{0,4}}"
            ),
            0.7,
            name="fr",
        ),
        # C/ Mayor, 5, 3.º B; Avda. de la Constitución s/n; Ronda de Atocha 12; calle mayor número 5
        Pattern(
            re.compile(
                rf"(?<!\w)(?:{alternatives('streets', 'kinds')})"
                r"\s{0,2}[^\W\d_][\w'\u2019.-]{0,30}"
                r"(?: [^\W\d_][\w'\u2019.-]{0,30}){0,6}"
                r",? {1,2}(?:(?:n[º°o.]{0,2}|núm(?:ero)?\.?|número) ?)?(?:\d{1,4}|s/n)(?!\w|[.,:]\d)"
                r"(?:,? \d{1,2}\.?[º°ªo]?(?: ?[a-z]| izq\.?| dcha\.?)?(?!\w))?",
                re.IGNORECASE,
            ),
            0.7,
            name="kind-first",
        ),
    ),
    context=words(
        "wohn(?:e|t|en|haft|ort|ung)?",
        "adresse",
        "anschrift",
        "hausnummer",
        "stra(?:ß|ss)e",
        "lieferung",
        "besuch",
        "plz",
        "postleitzahl",
        "domicilio",
        "dirección",
        "vive",
        "vivo",
        "adresse postale",
        "habite",
        "demeurant",
        "address",
        "lives?",
        "hus",
        "adress",
        "woont",
    ),
)
