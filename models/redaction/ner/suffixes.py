"""Endings of German, Spanish and French words that hardly any surname has.

Each was checked against the list of a million people: an ending is listed if hardly any name has it; the exceptions are
named. Participles are not here: "casado", "esmée" and "gebert" are names. Must NOT be listed: -stand (Hiestand), -uhr
(Niebuhr), -keit, -eur, -ado and the like, but for words in small letters in a text that has capitals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from models.redaction.lexicons.loader import ANY, words

_ANY: Final[Mapping[str, re.Pattern[str]]] = {
    "de": re.compile(
        r"[^\W\d_]{3,24}(?:abfall|abholung|ablesung|abrechnung|abschlag|absperrung|anfrage|angebot|anhang|anlage|anlieferung"
        r"|anschluss|antrag|anzeige|apparat|auftrag|ausfall|ausgang|ausweis|batterie|bedarf|behälter|bereich|bericht"
        r"|bescheid|bescheinigung|beschwerde|bestellung|betrag|betrieb|bildschirm|brause|datum|deckel|display|draht|druck"
        r"|düse|eingang|einheit|entleerung|fassung|fehler|fenster|filter|fläche|formular|frist|funktion|garantie|gebühr"
        r"|gehäuse|geruch|gerät|geräusch|gitter|grube|gutschrift|heizung|hülle|kabel|kachel|kanal|kante|karte|karton|kasten"
        r"|klappe|klemme|klingel|konto|kontrolle|kosten|lampe|leiste|leitung|leuchte|lieferung|lüfter|lüftung|maschine"
        r"|material|melder|meldung|messung|mitteilung|modul|motor|muffe|nachricht|nummer|papier|plakette|platte|plombe"
        r"|problem|programm|protokoll|pumpe|quittung|rechnung|regler|reinigung|reparatur|rohr|schacht|schaden|schalter"
        r"|schaltung|scheibe|schiene|schlauch|schlüssel|schrank|schraube|schublade|sensor|sicherung|signal|spannung"
        r"|speicher|sperre|spüler|station|steuerung|stufe|stunde|störung|system|tablett|tarif|tasche|termin|thermostat"
        r"|tonne|trockner|trommel|ventil|verbindung|verbrauch|vereinbarung|verlust|verpackung|versand|verschluss|versorgung"
        r"|verstopfung|vertrag|verwaltung|vorgang|wechsel|wärme|zange|zettel|zimmer|zugang|zustand|zustellung|zylinder"
        r"|zähler)(?:e[ns]?|[ns])?"
    ),
    "es": re.compile(r"[^\W\d_]{2,24}(?:ci(?:ón|ones)|mientos?|amente)"),
    "fr": re.compile(r"[^\W\d_]{2,24}(?:ations?|ateurs?)"),
}
_SMALL: Final[Mapping[str, re.Pattern[str]]] = {
    "de": re.compile(r"(?:(?:ab|an|auf|aus|ein|um|vor|zu|nach|her|hin)ge|ver|ent|zer)[^\W\d_]{3,20}(?:t|en)"),
    "es": re.compile(r"[^\W\d_]{2,24}(?:ando|iendo|ador(?:es)?|ajes?|mente|encias?|erías?)"),
    "fr": re.compile(r"[^\W\d_]{2,24}(?:ements?|eurs?|euses?|ages?)"),
}
_NAMES: Final = words(ANY, "names_like_words")


def ends_like_no_name(word: str, language: str, *, small: bool) -> bool:
    """Whether a word has an ending that names do not have.

    Args:
        word: The word in lower case.
        language: ISO 639-1.
        small: Whether the word is lower-case in a text whose writer uses capitals.
    """
    if word in _NAMES:
        return False
    patterns = [_ANY.get(language), _SMALL.get(language) if small else None]
    return any(pattern is not None and pattern.fullmatch(word) is not None for pattern in patterns)
