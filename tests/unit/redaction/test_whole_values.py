"""Typed values to their ends."""

from __future__ import annotations

import pytest

from models.redaction.postprocess.whole_values import whole_values
from models.text import Entity


def whole(text: str, value: str, kind: str) -> str:
    start = text.index(value)
    (entity,) = whole_values(text, [Entity(kind, start, start + len(value), 0.9, "test")])
    return text[entity.start : entity.end]


@pytest.mark.parametrize(
    ("text", "value", "kind", "expected"),
    [
        ("member no FO-2019-44817, thanks", "44817", "ID", "FO-2019-44817"),
        ("cpf 44.817.290-X.", "44.817.290", "ID", "44.817.290-X"),
        ("HH/20993817/B (old)", "20993817", "ID", "HH/20993817/B"),
        ("side door 2468B", "2468", "SECRET", "2468B"),
        ("wlan Katzenklo!2019 falls", "Katzenklo", "SECRET", "Katzenklo!2019"),
        ("pass is Blue$ky99!", "Blue", "SECRET", "Blue$ky99!"),
        ("(AB-4411-7)", "4411", "ID", "AB-4411-7"),
        ('badge "FO-2019-44817"', "44817", "ID", "FO-2019-44817"),
        ("/home/maria/FO-2019-44817/", "44817", "ID", "FO-2019-44817"),
        ("?id=FO-2019-44817&x=1", "44817", "ID", "FO-2019-44817"),
        ("no 65 170458K012", "170458", "ID", "170458K012"),
        ("44817-A1B2-C3D4-E5F6-G7H8-J9K0-M3N4", "44817", "ID", "44817-A1B2-C3D4-E5F6-G7H8-J9K0-M3N4"),
    ],
)
def test_what_is_glued_to_a_value_belongs_to_it(text: str, value: str, kind: str, expected: str) -> None:
    assert whole(text, value, kind) == expected


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("0170 1234567/privat", "0170 1234567", "PHONE"),  # a word
        ("Fax\n0170 1234567", "0170 1234567", "PHONE"),  # another line
        ("no.4411 and 4412", "4411", "ID"),  # a full stop ends a label
        ("Tel:0170 1234567, Kundin", "0170 1234567", "PHONE"),
        ("die Meier-Straße 4", "Meier", "NAME"),
        ("Lena/Mia kommen", "Lena", "NAME"),
        ("4411, dann 12-14 Uhr", "4411", "ID"),
        ("call 415-555-0132-9am", "415-555-0132", "PHONE"),
        ("0170 1234567/24h", "0170 1234567", "PHONE"),
        ("x=415-555-0132*2", "415-555-0132", "PHONE"),
        ("12/03/1980_v2.pdf", "12/03/1980", "DOB"),
        ("Sozialversicherungsnummer12345678", "12345678", "ID"),
    ],
)
def test_what_stands_beside_it_does_not(text: str, value: str, kind: str) -> None:
    assert whole(text, value, kind) == value


@pytest.mark.parametrize(("before", "after"), [("a", "b"), ("a-", "/1a"), ("-", "-"), ("1", "1")])
def test_long_words_beside_a_value_are_read_once(before: str, after: str) -> None:
    # A pattern that tries every split of a word would not end.
    text = before * 50_000 + "12345678" + after * 50_000
    assert "12345678" in whole(text, "12345678", "ID")
