"""What a prompt may hold of earlier turns."""

from __future__ import annotations

import pytest

from models.text import RedactedText
from server.llm.history import WITHHELD, exchange
from server.llm.types import Exchange
from tests.unit.llm.texts import redacted

SAID, ANSWERED = redacted("The site is Ikeja."), redacted("What does the meter read?")
UNSAFE = redacted("My name is Zanzibar.", safe=False)


@pytest.mark.parametrize(
    ("said", "answered", "expected"),
    [
        (SAID, ANSWERED, Exchange(SAID, ANSWERED)),
        (SAID, None, Exchange(SAID, None)),
        (UNSAFE, ANSWERED, Exchange(WITHHELD, ANSWERED)),
        (SAID, UNSAFE, Exchange(SAID, None)),
        (UNSAFE, UNSAFE, Exchange(WITHHELD, None)),
    ],
)
def test_unsafe_text_is_left_out(said: RedactedText, answered: RedactedText | None, expected: Exchange) -> None:
    assert exchange(said, answered) == expected
