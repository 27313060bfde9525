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
    ],
)
def test_what_stands_beside_it_does_not(text: str, value: str, kind: str) -> None:
    assert whole(text, value, kind) == value
