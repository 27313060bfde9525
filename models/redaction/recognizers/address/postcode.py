"""Postcodes of many countries, from a table of shapes (``lexicons/any/postcodes.yaml``).

A shape with letters counts alone where nothing else looks like it. Shapes of digits need a word for a postcode right
before them, a region or a town. Must NOT match: amounts, years, models ("1011 AB").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from models.redaction.lexicons.loader import ANY, across, alternatives, word_lists
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless

_SHAPES: Final = word_lists(ANY, "postcodes")
_REGIONS: Final = word_lists(ANY, "regions")
_CLASSES: Final = {"9": r"\d", "A": "[A-Z]", "X": r"[A-Z\d]", " ": " {0,2}", "-": "-"}
_LABELS: Final = sorted(across("postcode", "all"), key=len)
_LINK: Final = rf"(?:\s(?:{alternatives('postcode', 'verbs')}))?[\s:.=#-]{{0,3}}"
_LONE: Final = ("GB", "CA", "AR")
"""Countries whose shapes nothing else has."""


def _shapes(countries: Iterable[str]) -> str:
    """An expression for the postcodes of these countries, the longest first."""
    shapes = sorted({shape for country in countries for shape in _SHAPES[country]}, key=len, reverse=True)
    return "|".join("".join(_CLASSES[char] for char in shape) for shape in shapes)


def _with_region(country: str) -> Pattern:
    """The region and the postcode of a country."""
    regex = rf"(?<!\w)(?:{'|'.join(_REGIONS[country])})\.?,? (?:{_shapes([country])})(?![\w-]|[.,]\d)"
    return Pattern(re.compile(regex), 0.75, name=f"{country.lower()}-region")


_TOWN: Final = (
    rf"[^\W\d_a-zß-ÿ][^\W\d_]{{2,24}}(?:[ -](?:(?:{'|'.join(word_lists(ANY, 'particles')['towns'])}) )?"
    r"[^\W\d_a-zß-ÿ][^\W\d_]{1,24}){0,2}"
)

POSTCODE = PatternRecognizer(
    entity="ADDRESS",
    name="postcode",
    needs="0",
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:{'|'.join(map(re.escape, reversed(_LABELS)))}){_LINK}"
                rf"(?P<value>{_shapes(_SHAPES)})(?![\w-]|[.,:]\d)",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
            name="labelled",
        ),
        Pattern(re.compile(rf"(?<![\w-])(?:GIR ?0AA|{_shapes(_LONE)})(?![\w-])"), 0.72, name="lone"),
        Pattern(re.compile(rf"(?<![\w-])(?:{_shapes(_LONE)})(?![\w-])", re.IGNORECASE), 0.4, name="lower"),
        *map(_with_region, _REGIONS),
        Pattern(re.compile(r"(?<![\w.-])\d{5}-\d{4}(?![\w-])"), 0.6, name="zip4"),
        Pattern(
            re.compile(rf"(?<![\w.,-])(?:\d{{5}}|{_shapes(['IN', 'JP', 'PT', 'BR'])})(?![\w.,-]\d|\w)"),
            0.2,
            name="digits",
        ),
        Pattern(re.compile(r"(?<![\w०-९])[१-८][०-९]{5}(?![\w०-९])"), 0.3, name="hi"),
        Pattern(re.compile(rf"(?<![\w.,-])(?:D|F|E|A|CH|I)-\d{{4,5}} {_TOWN}"), 0.8, name="country-town"),
        # German nouns have capitals too, so "10000 Euro" looks the same.
        Pattern(re.compile(rf"(?<![\w.,-])\d{{5}} {{1,2}}{_TOWN}"), 0.2, name="town"),
        # Mumbai - 400001
        Pattern(
            re.compile(r"[^\W\d_a-zß-ÿ][^\W\d_]{2,24} ?[-–] ?[1-8]\d{2} ?\d{3}(?!\w|[.,]\d)"), 0.6, name="town-before"
        ),
    ),
    unless=is_harmless,
    context=words(*map(re.escape, _LABELS), *across("contexts", "postcode")),
)
