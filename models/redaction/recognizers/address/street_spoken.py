"""Spoken streets with their number: "twenty two b baker street", "rosenweg acht", "calle mayor número doce".

Spoken text has no reliable capitals. The recognizer uses the number, the words between, and the kind of street, in the
view that writes every number in digits. Must NOT match: "ten minute drive", "two lane road", "one way street", "two
people on the road", "parkplatz zwei", a street without a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from models.redaction.itn.cardinals import NUMERALS
from models.redaction.lexicons.loader import languages, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.address.postcode_city import INDIAN_CITIES
from models.redaction.recognizers.filters.street_context import is_among_things, is_counting, is_sentence, lives
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_STREET_KINDS = "street|avenue|ave|road|lane|boulevard|crescent|mews|parkway|highway|alley|turnpike"
_COMMON_KINDS = (
    "drive|court|place|square|way|close|circle|trail|loop|gardens?|hill|walk|row|plaza|grove|terrace|quay|wharf|park"
)
"""Kinds of streets that are common words too."""

_NO_NAME_EN = "|".join(
    """the of a an in on at to from for by with and or but is are was were be it its this that these those my your his
    her our their there here then when where which who not no down up off over under across along into out about
    minute minutes hour hours day days week weeks month months year years second seconds mile miles meter meters metre
    metres kilometer kilometers kilometre kilometres feet foot inch inches percent dollar dollars euro euros pound
    pounds rupees people person persons car cars time times degree degrees bed bedroom story storey star way lane lanes
    side sides more other long wide big small busy quiet narrow dirt paved public private different separate whole
    single am pm o'clock can will would could should have has had do does did go goes going went left right parking
    dead i you he she we they me him them us block blocks thing another last next possible good bad""".split()
)
_NAME_EN = rf"(?!(?:{_NO_NAME_EN})(?![\w'\u2019]))(?:[^\W\d_][\w'\u2019.-]{{0,24}}|\d{{1,3}}(?:st|nd|rd|th))"
_NUMBER = r"\d{1,5}(?: \d{1,4}){0,2}"
_LETTER = r"(?: ?[a-z](?![\w'\u2019]))?"
_THING_OF_A_STREET = re.compile(
    r" (?:lights?|lamps?|signs?|works?|workers?|maps?|vendors?"
    r"|crossings?|markets?|musicians?|trips?|safety|traffic)(?!\w)"
)
_STATES = (
    "alabama|alaska|arizona|arkansas|california|colorado|connecticut|delaware|florida|georgia|hawaii|idaho|illinois"
    "|indiana|iowa|kansas|kentucky|louisiana|maine|maryland|massachusetts|michigan|minnesota|mississippi|missouri"
    "|montana|nebraska|nevada|new (?:hampshire|jersey|mexico|york)|north (?:carolina|dakota)|ohio|oklahoma|oregon"
    "|pennsylvania|rhode island|south (?:carolina|dakota)|tennessee|texas|utah|vermont|virginia|washington"
    "|west virginia|wisconsin|wyoming|england|scotland|wales|ireland|ontario|quebec"
)
_BEFORE = r"(?<![\w.,:$€£₹-])"

_KINDS_IN = (
    "society|nagar|marg|colony|vihar|enclave|layout|apartments?|towers?|residency|heights|complex|chowk|bagh|puram"
)
_NAME_IN = r"(?!(?:is|and|in|on|the|for|with|has)(?![^\W_]))[^\W\d_][\w'\u2019-]{1,24}"

_NAME_HI = r"[\u0900-\u097f]{2,24}"
_KIND_HI = r"(?:नगर|मार्ग|रोड|सड़क|कॉलोनी|विहार|गली|मोहल्ला|चौक|बाज़ार|बाजार|बाग|पुरम|सोसाइटी|अपार्टमेंट)(?![\w\u0900-\u097f])"

_NO_NAME_ES = (
    "está|es|son|hay|tiene|donde|que|desde|hasta|con|sin|en|por|para|a|al|se|no|muy|más|cerrada|cortada|están|fue|o|u"
)
_NAME_ES = rf"(?!(?:{_NO_NAME_ES})(?![^\W_]))[^\W\d_][\w'\u2019.-]{{0,24}}"
_NAME_FR = r"(?!(?:est|et|a|où|il|elle|je|on|à|pour|dans|sans|que|qui|merci|mais)(?![^\W_]))[^\W\d_][\w'\u2019.-]{0,24}"
_OF_FR = r"(?:(?:de|du|des|la|le|les|sur|sous|saint|sainte)\s|[ld]['\u2019]\s?){0,3}"

_KINDS_DE = "stra(?:ß|ss)e|gasse|allee|weg|ufer|chaussee|stieg|pfad"
_NO_STREET_DE = "(?!(?:fertigungs|produktions|wasch|montage|milch|umgehungs)stra|um?weg|aus?weg|heimweg|radweg)"
_NAME_DE = (
    r"(?!(?:de[mnrs]|das|die|ein\w{0,2}|dies\w{1,2}|mein\w{0,2}|unser\w{0,2}|sein\w{0,2}|ihr\w{0,2}|kein\w{0,2}|jede[mnr]"
    r"|auf|am|vom|zum|im|und|oder|halben|ganzen|nächste[nr])(?![^\W_]))[^\W\d_][\w-]{1,24}"
)
_NO_PLACE_DE = (
    r"(?!(?:[^\W\d_]+ )?(?:(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch|sonnabend|(?:jan|febr)uar|jänner|märz|april"
    r"|mai|ju[nl]i|august|(?:sept|nov|dez)ember|oktober|termin|anhang|haus|lager|keller|stock|raum|zimmer|büro|gebäude"
    r"|erdgeschoss|wochenende|abend|vormittag|nachmittag|mittag|morgen|anfang|ende|jahr|monat|tag)(?![^\W_]))"
)
"""Times and parts of a building. A number after one of these counts something."""

_COMMON_DE = "(?!(?:park|stell|sitz|arbeits|spiel|liege|lager|steh|stau|dicht|ohr|he|ehe)(?:platz|damm|ring))"
_NUMBER_AFTER = r"(?:hausnummer |nummer |nr |número |numero )?\d{1,4}(?: \d{1,2})?(?![.,:]\d|\w\w)"
AMOUNT = re.compile(
    r" (?:uhr|stunden?|minuten?|tagen?|wochen?|monaten?|jahren?|meter|kilometer|leuten?|personen|euro|prozent|horas?"
    r"|días?|semanas?|meses|años?|metros|kilómetros|personas|euros|ore|giorni|settimane|mesi|anni|metri|persone|heures?"
    r"|jours?|semaines?|mois|ans|mètres|personnes|minutos?|autos|häusern?|blocks?|cuadras|hours?|days?|weeks?|months?"
    r"|years?|people|minutes?)(?![^\W_])",
    re.IGNORECASE,
)

_PARTS_AFTER = tuple(
    re.compile(rf",? (?:{part})(?![^\W_])", re.IGNORECASE)
    for part in (
        r"[a-h](?!['\u2019])",
        rf"(?:apartment|apt|suite|unit|flat|floor|room)(?: number)? {_NUMBER}{_LETTER}",
        r"(?:piso|planta|puerta|portal|escalera|bloque|apartamento|departamento|interior) "
        r"(?:\d{1,4}|[a-z](?!\w)|izquierda|derecha|bajo|primer[oa]?|segund[oa]|tercer[oa]?)",
        r"primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|quint[oa]|sext[oa]|séptim[oa]|octav[oa]|noven[oa]|décim[oa]|bajo"
        r"|entresuelo|ático",
        r"izquierda|derecha|centro|\d{1,2}[ºª]",
        r"(?:sector|phase|block|wing|plot) (?:\d{1,3}|[a-z])",
        rf"(?:in )?(?:{_NAME_EN} ){{1,2}}(?:{_STATES})",
        rf"(?:{_STATES})",
        r"(?:in )?\d{2} ?\d{3} [^\W\d_][\w-]{2,24}",
        r"(?:in )?\d{5}",
        rf"(?:in )?(?:new |greater )?(?:{'|'.join(INDIAN_CITIES)})",
    )
)
"""What may follow a street, in this order: apartment, floor, sector, town with its state, postcode."""

_SURE = (
    Pattern(
        re.compile(
            rf"{_BEFORE}{_NUMBER}{_LETTER},? (?:{_NAME_EN} ){{1,3}}(?:{_STREET_KINDS})(?![^\W_])",
            re.IGNORECASE,
        ),
        0.7,
        name="en",
    ),
    # flat 402 green park society sector 12
    Pattern(
        re.compile(
            rf"(?<![^\W_])(?:flat|house|plot|door|apartment|quarter|villa)(?: (?:number|no\.))? {_NUMBER}{_LETTER},? "
            rf"(?:{_NAME_IN} ){{1,3}}(?:{_KINDS_IN})(?![^\W_])",
            re.IGNORECASE,
        ),
        0.7,
        name="en-in",
        hints=("flat", "house", "plot", "door", "apartment", "quarter", "villa"),
    ),
    # house number 12, मकान नंबर 12 गांधी नगर
    Pattern(
        re.compile(
            rf"(?<![^\W_])(?:flat|house|plot|door|apartment|quarter) (?:number|no\.) {_NUMBER}{_LETTER}(?!\w)",
            re.IGNORECASE,
        ),
        0.6,
        name="house-number",
        hints=("number", "no"),
    ),
    Pattern(re.compile(rf"(?<![^\W_])plot {_NUMBER}(?= sector \d)", re.IGNORECASE), 0.6, name="plot", hints=("plot",)),
    Pattern(
        re.compile(
            rf"(?:मकान|फ्लैट|फ़्लैट|प्लॉट|घर|गली|हाउस|दुकान)\s(?:नंबर|नं\.?|संख्या|क्रमांक)\s\d{{1,5}}"
            rf"(?:,? (?:गली|सेक्टर|ब्लॉक) (?:नंबर )?\d{{1,3}})?(?:,?\s(?:{_NAME_HI}\s){{1,3}}{_KIND_HI})?"
        ),
        0.7,
        name="hi",
        hints=("नंबर", "नं", "संख्या", "क्रमांक"),
    ),
    Pattern(
        re.compile(
            rf"(?<![^\W_]){_NO_STREET_DE}{_NAME_DE} ?"
            rf"(?:{_KINDS_DE}) {_NUMBER_AFTER}",
            re.IGNORECASE,
        ),
        0.7,
        name="de",
        hints=("stra", "gasse", "allee", "weg", "ufer", "chaussee", "stieg", "pfad"),
    ),
    Pattern(
        re.compile(
            rf"{_BEFORE}{_NUMBER}(?: (?:bis|ter|quater)|{_LETTER}),? (?:rue|avenue|boulevard|allée|chemin|impasse|quai"
            rf"|route|square|place|ruelle|cours(?= de| du| la)) {_OF_FR}{_NAME_FR}(?: {_NAME_FR})?",
            re.IGNORECASE,
        ),
        0.7,
        name="fr",
    ),
    *(
        Pattern(
            re.compile(
                rf"(?<!\w)(?:{'|'.join(word_lists(language, 'streets')['kinds_spoken'])})"
                rf"(?: {_NAME_ES}){{1,5}}?,? {_NUMBER_AFTER}",
                re.IGNORECASE,
            ),
            0.7,
            name=language,
        )
        for language in languages("streets")
    ),
)

_UNSURE = (
    Pattern(
        re.compile(
            rf"{_BEFORE}{_NUMBER}{_LETTER},? (?:{_NAME_EN} ){{1,3}}(?:{_COMMON_KINDS})(?![^\W_])",
            re.IGNORECASE,
        ),
        0.7,
        name="en-common",
    ),
)
_DE_COMMON = (
    Pattern(
        re.compile(
            rf"(?<![^\W_]){_COMMON_DE}{_NAME_DE} ?(?:platz|ring|damm)"
            rf" {_NUMBER_AFTER}",
            re.IGNORECASE,
        ),
        0.3,
        name="de-common",
        hints=("platz", "ring", "damm"),
    ),
)
_DE_PLACES = (
    # am alten markt 5, unter den eichen 12
    Pattern(
        re.compile(
            rf"(?<!\w)(?:am|an der|an den|auf der|auf dem|bei der|beim|im|in der|zum|zur|unter den|hinter der|hinterm)"
            rf" (?P<value>{_NO_PLACE_DE}{_NAME_DE} (?:{_NAME_DE} )?{_NUMBER_AFTER})",
            re.IGNORECASE,
        ),
        0.2,
        group="value",
        name="de-am",
    ),
)

_TO_A_PLACE = re.compile(r"(?<![^\W_])(?:at|to|from|number|is)(?: number)? $")
_HOME_DE = ("wohn(?:e|t|en|haft)?", "adresse", "anschrift")
_FIRST_NUMBER = re.compile(r"\d{1,5}(?:st|nd|rd|th)?(?!\w)")


def _is_of_things(view: TextView, _start: int, end: int) -> bool:
    """Whether the number counts something, or the words describe a thing: "three broken street lights"."""
    return bool(_THING_OF_A_STREET.match(view.lower, end) or AMOUNT.match(view.lower, end))


def _counts_something(view: TextView, start: int, end: int) -> bool:
    """Whether a noun follows the number: "am alten Tor acht Pumpen"."""
    return _is_of_things(view, start, end) or is_counting(view, end, "de-am")


class SpokenStreetRecognizer:
    """Finds streets in the numeral view, and in speech also in the original text."""

    name = "spoken-street"
    _sure = PatternRecognizer("ADDRESS", name, _SURE, needs="0", unless=_is_of_things)
    _unsure = PatternRecognizer("ADDRESS", name, _UNSURE, needs="0", unless=_is_of_things)
    _german = PatternRecognizer(
        "ADDRESS",
        name,
        _DE_COMMON,
        needs="0",
        unless=_is_of_things,
        context=words(*_HOME_DE, "liefer\\w{1,5}"),
    )
    _german_places = PatternRecognizer(
        "ADDRESS", name, _DE_PLACES, needs="0", unless=_counts_something, context=words(*_HOME_DE)
    )

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if view.kind != NUMERALS and not (view.kind == "original" and context.source is TextSource.SPEECH):
            return
        for entity in self._streets(view, context):
            yield replace(entity, end=_end_of_address(view.text, entity.end))

    def _streets(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        for entity in self._sure.find(view, context):
            if is_sentence(view, entity.start, entity.end, entity.recognizer.rpartition(":")[2]):
                continue
            if not self._is_one_of_something(view, entity) or lives(view, entity.start):
                yield entity
        for entity in self._unsure.find(view, context):
            at_home = lives(view, entity.start)
            there = _TO_A_PLACE.search(view.lower, max(0, entity.start - 12), entity.start)
            of_things = is_among_things(view, entity.start) or self._is_one_of_something(view, entity)
            if at_home or (there and not of_things):
                yield entity
        yield from self._german.find(view, context)
        yield from self._german_places.find(view, context)

    def _is_one_of_something(self, view: TextView, entity: Entity) -> bool:
        """Whether the number is one ("one bad road"), or the name begins with an ordinal."""
        match = _FIRST_NUMBER.match(view.text, entity.start)
        return match is not None and (match.group() == "1" or not match.group().isdigit())


def _end_of_address(text: str, end: int) -> int:
    """After the parts of an address that directly follow its street."""
    for part in _PARTS_AFTER:
        if match := part.match(text, end):
            end = match.end()
    return end


SPOKEN_STREET = SpokenStreetRecognizer()
