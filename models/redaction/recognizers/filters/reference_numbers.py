"""Reference numbers of objects, introduced by a word for the object: "serial number 4417", "Bestellnummer 88120".

Must NOT match: numbers of people ("Kundennummer", "número de cliente", "account"), file numbers of offices and courts,
parcel numbers, which lead to the recipient; an object that is mentioned elsewhere in the sentence.
"""

from __future__ import annotations

import re

from models.redaction.normalize.view import TextView

_GOODS = re.compile(
    r"(?<![^\W_])(?:sku|ean|gtin|upc|isbn|barcode|art(?:icle|ikel|ículo)(?:nummer|nr)?|produkt|meters?|metres?|readings?"
    r"|(?:spare )?part|serial|order|invoice|ticket|complaint"
    r"|z[aä]hler(?:stand|nummer)?|(?:bestell|auftrags|rechnungs|serien|geräte|fabrikations|vorgangs|ticket|liefer(?:schein)?"
    r"|störungs|teile|modell|material|produkt)-?(?:nummer|nr)|bestellung|rechnung|lieferschein|ersatzteil|modell|ablesung|stand"
    r"|contador|lectura|serie|pedido|factura|albarán|incidencia|reclamación|referencia|modelo|artículo|recambio|repuesto|pieza"
    r"|compteur|relev[eé]|série|commande|facture|bon de livraison|réclamation|référence|modèle|réf|pièce"
    r"|मीटर|रीडिंग|सीरियल|ऑर्डर|आर्डर|बिल|शिकायत|मॉडल|इनवॉइस|टिकट|पुर्ज\u093c?ा|पार्ट|shikayat)"
    r"(?![^\W_])"
)
_FILLERS = frozenset(
    """no nr nº n° n num nummer number numero número numéro serial reading read reads show shows shown display id code
    is was are ist lautet war es era est était c'est of de du del l' a alt neu alter neuer aktuell heute today aaj
    actual anterior nueva última précédent précédente actuel actuelle dernier dernière hai ki ka है नंबर संख्या नं क्रमांक
    की का आज जो""".split()
)
"""Words between the word for an object and its number."""
_LAST_FILLERS = frozenset("the le la el die".split())
"""Allowed only right before the number: in "for the order the number is" the number is personal."""
_NUMBER_WORDS = frozenset("no nr nº n° num nummer number numero número numéro serial id नंबर संख्या नं क्रमांक".split())
_NUMBERED = re.compile(r"nummer|nr$|^(?:sku|ean|gtin|upc|isbn|barcode|serial|serie|série|spare part|सीरियल)$")
"""Words for "number" between an object and its number."""
_NUMBER_OF = re.compile(
    r"(?<![^\W_])(?:n[º°]|numer[oi]|número|numéro|number|nummer)\s(?:(?:de|du|of|der)\s)?(?:(?:la|el|the)\s)?$"
)
_NUMBER_OF_REACH = 20
_SHORTENED = re.compile(r"(?<![^\W_])(?:nr|no|n|num|núm|réf|ref|art)\.")
_ENDS_A_CLAUSE = re.compile(r"[,;.?!\n(]")
_LIKE_A_TELEPHONE = 9
"""Digits of a phone number with its area code."""
_REACH = 40
_BETWEEN = re.compile(r"[^\s:=#.,()-]{1,40}")
_CODE_PART = re.compile(r"[A-Z]{1,4}\d{0,4}|[A-Z]\d{1,4}[A-Z]{0,3}")
"""The beginning of the number itself, as in "FD 9902 00451"."""

_PHONE_WORDS = re.compile(
    r"(?<![^\W_])(?:phones?|tel|telephone|telefon|teléfono|téléphone|mobile|cell|fax|call|calls|text|sms|whatsapp|ring"
    r"|dial|reach|contact|llám\w{0,6}|llame\w{0,3}|appel\w{1,4}|anrufen|ruf|handy|फ़ोन|फोन|कॉल|मोबाइल)(?![^\W_])"
)
_PHONE_WORD_REACH = 14


def is_reference_number(view: TextView, start: int, end: int) -> bool:
    """Whether a word for an object stands right before a number, and no word for a telephone is near.

    A new clause has no connection to the object: "I have a complaint, 415 555 0132" gives a phone number. A number as
    long as a phone number needs a word for "number".
    """
    low, high = max(0, start - _PHONE_WORD_REACH), min(len(view.lower), end + _PHONE_WORD_REACH)
    if _PHONE_WORDS.search(view.lower, low, start) or _PHONE_WORDS.search(view.lower, end, high):
        return False
    things = list(_GOODS.finditer(view.lower, max(0, start - _REACH), start))
    if not things:
        return False
    thing, following = things[-1], things[-1].end()
    between = _SHORTENED.sub(" ", view.lower[following:start])
    if thing.group().endswith(("nr", "réf")):
        between = between.removeprefix(".")
    if _ENDS_A_CLAUSE.search(between):
        return False
    words = list(_BETWEEN.finditer(view.lower, following, start))
    numbered = (
        _NUMBERED.search(thing.group())
        or _NUMBER_OF.search(view.lower, max(0, thing.start() - _NUMBER_OF_REACH), thing.start())
        or any(word.group() in _NUMBER_WORDS for word in words)
    )
    long = sum(map(str.isdigit, view.text[start:end])) >= _LIKE_A_TELEPHONE
    if not numbered and (long or ":" in between):
        return False
    return all(
        match.group() in _FILLERS
        or (match is words[-1] and match.group() in _LAST_FILLERS)
        or _CODE_PART.fullmatch(view.text, *match.span()) is not None
        for match in words
    )
