"""A partial may not show what the final of its utterance hides."""

from __future__ import annotations

import pytest

from server.cli.demo.partials import Utterance, readable_in_partials
from server.cli.demo.planted import data_folder, planted_media

VISIT, COURIER = planted_media(data_folder(), ("visit.wav", "courier.ogg"))
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
    assert readable_in_partials(Utterance(FINAL, ["", partial]), VISIT) == readable


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
    assert readable_in_partials(Utterance(FINAL, [partial]), VISIT) == []


@pytest.mark.parametrize("place", ["Northgate", "north gate"])
def test_a_final_may_hide_more_than_it_must(place: str) -> None:
    final = "I have a delivery for the [REDACTED_ADDRESS] Depot. I live at [REDACTED_ADDRESS]"
    partial = f"I have a delivery for the {place} depot."
    assert readable_in_partials(Utterance(final, [partial]), COURIER) == []
    assert readable_in_partials(Utterance(final, [f"{partial} I live at Birchwood"]), COURIER) == ["birchwood"]
