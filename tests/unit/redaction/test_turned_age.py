"""The day on which somebody turns an age."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found


@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    ("text", "age", "day"),
    [
        ("I'm turning 40 on the 9th of August", "40", "9th of August"),
        ("I turn sixty three in October, on the twelfth", "sixty three", "October, on the twelfth"),
        ("I turn 63 in October on the 12th, so what", "63", "October on the 12th"),
        ("she turns 40 on 9 August", "40", "9 August"),
        ("my son turns five on March 3rd", "five", "March 3rd"),
        ("mum turned seventy on the second of June", "seventy", "second of June"),
        ("I turned 40 years on the 9th of August", "40", "9th of August"),
    ],
)
def test_the_age_and_the_day_are_hidden(source: TextSource, text: str, age: str, day: str) -> None:
    assert found(text, source) == [("AGE", age), ("DOB", day)]


@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.SPEECH])
@pytest.mark.parametrize(
    "text",
    [
        "I'm turning 40 soon",
        "we turn 40 pumps on the 9th of August",
        "the house turns 40 on the 9th of August",
        "our old boiler turned 12 on the 9th of August",
        "the temperature turned 30 on the 2nd of July",
        "it turns 40 degrees on the 9th of August",
        "it turned 12 on 3 May",
        "I turn in at 10 on 3 May",
        "turning the valve on the 9th of August",
        "the visit is on the 9th of August",
        "age: 40, visit on 9 August",
    ],
)
def test_days_and_numbers_of_things_stay(source: TextSource, text: str) -> None:
    assert found(text, source) == []
