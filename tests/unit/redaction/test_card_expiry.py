"""When a payment card expires, and when something else does."""

from __future__ import annotations

import pytest

from tests.unit.redaction.helpers import found

NUMBER = "4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f"my card is {NUMBER} expires 09/27", "09/27"),
        (f"{NUMBER} exp 9 27", "9 27"),
        (f"{NUMBER}, exp. 09.2027", "09.2027"),
        ("the visa expires zero nine twenty seven", "zero nine twenty seven"),
        ("my card expires oh nine slash two seven", "oh nine slash two seven"),
        ("card expiry nine twenty seven", "nine twenty seven"),
        ("the card expires in september 2027", "september 2027"),
        ("my credit card is good through september of twenty seven", "september of twenty seven"),
        ("expiration date 09/2027 cvc 321", "09/2027"),
        ("valid thru 09/27", "09/27"),
        ("the debit card expires on the third of twenty seven", "third of twenty seven"),
        ("my card runs out in june thirty", "june thirty"),
        ("exp october twenty nine", "october twenty nine"),
        ("the expiry is the tenth of thirty", "tenth of thirty"),
        ("expires oh four slash thirty one", "oh four slash thirty one"),
        ("caduca en octubre de 2029", "octubre de 2029"),
        ("Kreditkarte gültig bis 09/27", "09/27"),
        (f"{NUMBER} geldig tot 09/27", "09/27"),
        ("cartão com validade 09/27", "09/27"),
        ("mi tarjeta caduca en septiembre de 2027", "septiembre de 2027"),
        ("ma carte expire en 09/27", "09/27"),
    ],
)
def test_the_expiry_of_a_card_is_hidden(text: str, value: str) -> None:
    assert ("CC", value) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "the contract expires 09/27",
        "the milk expires 09/27",
        "the certificate is valid until 09/27",
        "the fire extinguisher expires 09/27 and the card reader is broken",
        "my card is lost, the meter shows 0927",
        "the milk expires october twenty nine",
        "good till nine twenty six, that milk powder",
        "it expires nine twenty six, that milk powder",
        "gültig bis 09/27",
        "geldig tot 09/27",
        "validade 09/27",
        "the card arrived in september 2027",
    ],
)
def test_other_dates_and_numbers_stay(text: str) -> None:
    assert [entity for entity in found(text) if entity[0] == "CC"] == []
