"""The country after an address belongs to it, in any language that has streets."""

from __future__ import annotations

import pytest

from tests.unit.redaction.helpers import found


@pytest.mark.parametrize(
    "country",
    ["Germany", "Deutschland", "Allemagne", "Alemania", "South Korea", "uk", "Schweiz", "Dinamarca", "Noruega"],
)
@pytest.mark.parametrize("mark", [", ", "\n"])
def test_a_country_after_an_address_is_hidden_with_it(country: str, mark: str) -> None:
    address = f"14 Elm Street{mark}{country}"
    assert found(f"send it to {address} today") == [("ADDRESS", address)]


@pytest.mark.parametrize("after", ["today", "please", "germanys best"])
def test_other_words_after_an_address_stay(after: str) -> None:
    assert found(f"send it to 14 Elm Street, {after}") == [("ADDRESS", "14 Elm Street")]
