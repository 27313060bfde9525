"""Numbers as a reader of a language expects them."""

from __future__ import annotations

import pytest

from server.languages.formats import Formats


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
