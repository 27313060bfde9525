"""A partial may not show what the final of its utterance hides."""

from __future__ import annotations

import pytest

from server.cli.demo.partials import Utterance, readable_in_partials

FINAL = (
    "My name is [REDACTED_NAME]. You can call me on [REDACTED_PHONE], or write to [REDACTED_EMAIL]. The meter reads 48."
)


@pytest.mark.parametrize(
    ("partial", "readable"),
    [
        ("My name is Don Kutter", ["kutter"]),
        ("My name is Don Kutter. You can", ["kutter"]),
        ("My name is [REDACTED_NAME]. You can call me on six oh five", ["605"]),
        ("My name is [REDACTED_NAME]. You can call me on [REDACTED_PHONE] 132, or", ["132"]),
        ("You can call me on [REDACTED_PHONE], or write to robin at", ["robin"]),
    ],
)
def test_what_the_final_hides_is_found_in_a_partial(partial: str, readable: list[str]) -> None:
    assert readable_in_partials(Utterance(FINAL, ["", partial])) == readable


@pytest.mark.parametrize(
    "partial",
    [
        "",
        "My",
        "My names",
        "My name is",
        "My name is [REDACTED_NAME]",
        "My name is [REDACTED_NAME]. You can tell me",
        "My name is [REDACTED_NAME]. You can call me on [REDACTED_PHONE] all right",
        "My name is [REDACTED_NAME]. You can call me on [REDACTED_ID]. Or write to [REDACTED_NAME]. The media reads 4",
        FINAL,
    ],
)
def test_a_beginning_of_the_final_shows_nothing(partial: str) -> None:
    assert readable_in_partials(Utterance(FINAL, [partial])) == []
