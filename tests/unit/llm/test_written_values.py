"""Numbers, dates and times that stand in a text, in figures and in words."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.llm.plain_text import with_codes
from server.llm.written_values import dates_in, numbers_in, times_in


@pytest.mark.parametrize(
    ("text", "language", "numbers"),
    [
        ("The meter reads four thousand eight hundred twenty one point five", "en", {"4821.5"}),
        ("four eight two one seven", "en", {"48217"}),
        ("4 8 2 1", "en", {"4", "8", "2", "1", "4821"}),
        ("1.234,50 m3", "de", {"1234.50"}),
        ("1,234,567.5 kWh", "en", {"1234567.5"}),
        ("4.821", "de", {"4.821", "4821"}),
        ("12 345 kWh", "fr", {"12345"}),
        ("achtunddreißig Stunden", "de", {"38"}),
        ("treinta y ocho horas", "es", {"38"}),
        ("४८२१", "hi", {"4821"}),
        ("PMP-0042 and [REDACTED_PHONE]", "en", set()),
        ("On December 11, 2026 it was 7", "en", {"7"}),
    ],
)
def test_numbers(text: str, language: str, numbers: set[str]) -> None:
    assert numbers_in(text, language) == {Decimal(number) for number in numbers}


@given(st.integers(0, 10**9), st.sampled_from(["The value is {}.", "{}", "Es sind {} Stück", "({})"]))
def test_a_number_in_figures_is_found_wherever_it_stands(number: int, sentence: str) -> None:
    assert numbers_in(sentence.format(number), "en") == {Decimal(number)}


@pytest.mark.parametrize(
    ("text", "language", "iso", "fits"),
    [
        ("I start on the first of December twenty twenty six", "en", "2026-12-01", True),
        ("December 1, 2026", "en", "2026-12-01", True),
        ("Dec 1", "en", "2026-12-01", True),
        ("am ersten Dezember 2026", "de", "2026-12-01", True),
        ("am 1.12.2026", "de", "2026-12-01", True),
        ("el uno de diciembre de 2026", "es", "2026-12-01", True),
        ("2026-12-01", "en", "2026-12-01", True),
        ("3/4/2026", "en", "2026-04-03", True),
        ("3/4/2026", "en", "2026-03-04", True),
        ("December 1, 2025", "en", "2026-12-01", False),
        ("on the first of November", "en", "2026-12-01", False),
        ("tomorrow", "en", "2026-12-01", False),
        ("99/99/2026", "en", "2026-12-01", False),
    ],
)
def test_dates(text: str, language: str, iso: str, fits: bool) -> None:
    assert any(date.fits(iso) for date in dates_in(text, language)) is fits


def test_times() -> None:
    assert times_in("at 14:30 or 2 pm, um 9 Uhr 15", "de") == {"14:30", "14:00", "09:15"}
    assert times_in("38 hours, 3 people, number 25:99", "en") == set()


@pytest.mark.parametrize("text", ["PMP-0042", "it says p m p zero zero four two", "papa mike papa 0042", "pmp 0042"])
def test_codes_are_joined(text: str) -> None:
    assert "pmp0042" in with_codes(text, "en")
