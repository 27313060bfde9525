"""What a prompt may hold of earlier turns."""

from __future__ import annotations

import pytest

from models.text import RedactedText
from server.llm.history import WITHHELD, exchange
from server.llm.prompts import reply_prompt
from server.llm.types import Exchange
from tests.unit.llm.texts import redacted

SAID, ANSWERED = redacted("The site is Ikeja."), redacted("What does the meter read?")
UNSAFE = redacted("My name is Zanzibar.", safe=False)


def test_a_reply_that_was_cut_off_is_marked_as_such_in_the_prompt() -> None:
    [_, said, answered, _now] = reply_prompt(SAID, [exchange(SAID, ANSWERED, cut=True)], language="en")
    assert (said.content, answered.content) == ("The site is Ikeja.", "What does the meter read? …")
    [_, _said, _now] = reply_prompt(SAID, [exchange(SAID, None, cut=True)], language="en")


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
