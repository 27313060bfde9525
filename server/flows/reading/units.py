"""Units that are not those of a field, and words that multiply a number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from models.redaction.commands import any_of, folded

_FAMILIES: Final = tuple(
    tuple(folded(form) for form in forms.split("|"))
    for forms in (
        "km|kms|kilometer|kilometers|kilometre|kilometres|kilometern|kilómetro|kilómetros|kilomètre|kilomètres|"
        "quilômetro|quilômetros|किलोमीटर",
        "mile|miles|meile|meilen|milla|millas|milha|milhas",
        "meter|meters|metre|metres|metern|metro|metros|mètre|mètres",
        "h|hr|hrs|hour|hours|stunde|stunden|hora|horas|heure|heures|घंटे",
        "min|mins|minute|minutes|minuten|minuto|minutos",
        "day|days|tage|tagen|día|días|jour|jours|dia|dias",
        "week|weeks|woche|wochen|semana|semanas|semaine|semaines",
        "month|months|monate|monaten|mes|meses|mois",
        "year|years|jahre|jahren|año|años|ans|anos",
        "euro|euros|eur|€",
        "dollar|dollars|usd|$|dólar|dólares",
        "pound|pounds|gbp|£|pfund|libras",
        "kg|kilo|kilos|kilogram|kilograms|kilogramm",
        "liter|liters|litre|litres|litern|litro|litros",
        "%|percent|per cent|prozent|por ciento|pour cent|por cento",
        "kwh|kilowatt hours|kilowattstunden",
        "g|gram|grams|gramm|gramo|gramos|gramme|grammes|grama|gramas",
        "t|ton|tons|tonne|tonnes|tonnen|tonelada|toneladas",
        "lb|lbs|ounce|ounces",
        "cm|centimeter|centimeters|centimetre|centimetres|zentimeter|centímetro|centímetros|centimètre|centimètres",
        "mm|millimeter|millimeters|millimetre|millimetres|milímetro|milímetros|millimètre|millimètres",
        "second|seconds|sekunde|sekunden|segundo|segundos|seconde|secondes",
        "°f|fahrenheit",
    )
)
_MONEY: Final = frozenset(form for family in _FAMILIES if {"€", "$", "£"} & set(family) for form in family)
_ALL: Final = tuple(form for family in _FAMILIES for form in family)
_SCALES: Final = (
    "hundred|thousand|thousands|million|millions|billion|billions|dozen|k|mio|mrd|bn|mn|hundert|tausend|millionen|"
    "milliarde|milliarden|dutzend|mil|miles de|millón|millones|docenas|mille|milliers|millions|milliard|milliards|"
    "milhão|milhões|हज़ार|हजार|लाख|करोड़|सौ"
)
_SCALED: Final = re.compile(rf"\d ?(?:{'|'.join(re.escape(folded(word)) for word in _SCALES.split('|'))})(?!\w)")
_JOINED: Final = re.compile(
    rf"(?<=\d)(?=(?:{'|'.join(re.escape(form) for form in sorted(_ALL, key=len, reverse=True) if form[0].isalpha())})"
    r"(?!\w))",
    re.IGNORECASE,
)


_BRITISH: Final = re.compile(r"(?<=met|lit)re(?=s?\b)")
_AMERICAN: Final = re.compile(r"(?<=met|lit)er(?=s?\b)")


def spellings(phrase: str) -> tuple[str, ...]:
    """A folded phrase as it is, and in the other English spelling of a unit: "cubic metres", "cubic meters"."""
    return tuple(dict.fromkeys((phrase, _BRITISH.sub("er", phrase), _AMERICAN.sub("re", phrase))))


def is_money(units: Sequence[str]) -> bool:
    """Whether the units of a field are those of money."""
    return not _MONEY.isdisjoint(map(folded, units))


def scaled(text: str) -> bool:
    """Whether a number in digits is multiplied by a word: "1 million", "45k"."""
    return _SCALED.search(folded(text)) is not None


def apart(text: str, units: Sequence[str]) -> str:
    """The text with a space between a number and the unit that is written at its end: "45000km"."""
    text = _JOINED.sub(" ", text)
    own = "|".join(re.escape(unit) for unit in sorted(units, key=len, reverse=True) if unit[0].isalpha())
    return re.sub(rf"(?<=\d)(?=(?:{own})(?!\w))", " ", text, flags=re.IGNORECASE) if own else text


def is_foreign(after: str, units: Sequence[str]) -> bool:
    """Whether a number is followed at once by a known unit that is not one of the field.

    Args:
        after: What follows the number.
        units: Of the field; empty for a field that has none, to which no unit is foreign.
    """
    text, own = folded(after).lstrip(), {folded(unit) for unit in units}
    if not units or any_of(own).match(text):
        return False
    same = {form for family in _FAMILIES if own & set(family) for form in family}
    return any_of(set(_ALL) - same).match(text) is not None
