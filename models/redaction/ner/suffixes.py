"""Endings of German, Spanish and French words with which hardly anybody is called.

Each was tried on the list of a million people: an ending stands here if hardly any of them has it, and those who were
found are named. Participles are not here: "casado", "esmée" and "gebert" are names. Must NOT be listed: -stand
(Hiestand), -uhr (Niebuhr), -keit, -eur, -ado and the like, but for words in small letters in a text that has capitals.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

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
_NAMES: Final = frozenset(
    """concepción consolación adoración asunción encarnación visitación resurrección purificación anunciación sarmiento
    sarmientos
    auxiliadora bagration delgado machado alvarado maldonado corrado mercado hurtado salgado furtado coronado
    conrado rosado preciado jurado regalado collado morgado diosdado estrada quesada tejada lozada losada
    moncada ahumada posada parada almada garrido candido cándido pulido plácido aparecido bienvenido wilfrido
    bellido almeida farida zinaida leonida hamida margarida candida cándida rachida khalida nélida zubaida
    adelaida brígida granados posadas fernando hernando armando orlando rolando salvador labrador valencia
    florencia palencia prudencia clemencia hortencia plasencia rentería clemente josé andré rené hervé traoré
    honoré aimé désiré touré cissé josué dupré côté dieudonné koné chloé baldé carré diakité sidibé dembélé
    barré konaté bartolomé zoé noé salomé renée amédée andrée josée aimée vallée timothée désirée dorothée
    irénée lavallée alizée haydée edmée andrés valdés moisés cortés garcés avilés clément clement levasseur
    vasseur lesueur lafleur brodeur brasseur couvreur gouverneur prieur pasteur joyeuse lepage lesage sauvage
    delage bocage savage froment flament isadora theadora guido yoshida yamada ferdinando okada leonidas uchida
    prado harada ishida hamada amador amado shimada takada frida nishida vlado sawada alida quezada terada
    kishida prada machida asada spada placido guida brando vermeulen geraint verhoeven verhulst genest clements
    armitage inés máté heneage fleur gagné dubé ferré sané ramage kouyaté sauvé paré kanté kaboré doré diabaté
    condé bernabé talmage sueur klement enschedé brundage verena gerlinde gesine verona""".split()
)


def ends_like_no_name(word: str, language: str, *, small: bool) -> bool:
    """Whether a word ends as names do not.

    Args:
        word: In small letters.
        language: ISO 639-1.
        small: Whether it was written in small letters by somebody who uses capitals.
    """
    if word in _NAMES:
        return False
    patterns = [_ANY.get(language), _SMALL.get(language) if small else None]
    return any(pattern is not None and pattern.fullmatch(word) is not None for pattern in patterns)
