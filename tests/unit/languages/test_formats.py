"""Numbers as a reader of a language expects them."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from server.languages.formats import Formats
from server.languages.texts import LANGUAGES


@pytest.mark.parametrize(
    ("value", "english", "german", "spanish"),
    [
        (0.0, "0", "0", "0"),
        (8.0, "8", "8", "8"),
        (8.5, "8.5", "8,5", "8,5"),
        (99.96, "100", "100", "100"),
        (6100.0, "6,100", "6.100", "6100"),
        (6123.4567, "6,123", "6.123", "6123"),
        (12_345.0, "12,345", "12.345", "12\N{NARROW NO-BREAK SPACE}345"),
        (2_500_000.0, "2,500,000", "2.500.000", "2\N{NARROW NO-BREAK SPACE}500\N{NARROW NO-BREAK SPACE}000"),
        (0.00012, "0.00012", "0,00012", "0,00012"),
        (0.64449, "0.644", "0,644", "0,644"),
        (-6100.0, "-6,100", "-6.100", "-6100"),
        (-0.5, "-0.5", "-0,5", "-0,5"),
        (
            1.5e21,
            "1.5 \N{MULTIPLICATION SIGN} 10²¹",
            "1,5 \N{MULTIPLICATION SIGN} 10²¹",
            "1,5 \N{MULTIPLICATION SIGN} 10²¹",
        ),
        (2.0e-9, "2 \N{MULTIPLICATION SIGN} 10⁻⁹", "2 \N{MULTIPLICATION SIGN} 10⁻⁹", "2 \N{MULTIPLICATION SIGN} 10⁻⁹"),
    ],
)
def test_a_number_of_any_size_can_be_read(value: float, english: str, german: str, spanish: str) -> None:
    assert [Formats(language).figure(value) for language in ("en", "de", "es")] == [english, german, spanish]


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 sessions were opened"),
        (1, "1 session was opened"),
        (1.4, "1 session was opened"),
        (2, "2 sessions were opened"),
        (1001, "1,001 sessions were opened"),
    ],
)
def test_words_follow_their_count(number: float, said: str) -> None:
    count = Formats("en").count(number)
    assert f"{count} {count:session was|sessions were} opened" == said


@pytest.mark.parametrize("package", ["server.reports", "server.funnel", "server.console"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_noun_of_a_count_is_always_in_the_plural(package: str, language: str) -> None:
    """The places before these words are counts, not shares."""
    nouns = {"en": "sessions|completions", "de": "Sitzungen|Abschlüsse", "es": "sesiones|finalizaciones"}[language]
    shares = ("new", "share", "with", "rate")
    texts = files(package).joinpath("messages", f"{language}.yaml").read_text(encoding="utf-8")
    found = re.findall(rf"{{(\w+)}} (?:\w+ )?(?:{nouns})", texts)
    assert [place for place in found if place not in shares] == []
