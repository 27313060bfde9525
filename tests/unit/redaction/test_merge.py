"""Overlaps, joins and tags of earlier runs."""

from __future__ import annotations

import pytest

from models.redaction.entities import LABELS
from models.redaction.spans.merge import ANNOUNCED, TAG, merge
from models.redaction.spans.operators import tag
from models.text import Entity

E = Entity


@pytest.mark.parametrize(
    ("text", "entities", "expected"),
    [
        ("abc def", [], []),
        ("abc def", [E("NAME", 4, 7, 0.9), E("ID", 0, 3, 0.9)], [("ID", 0, 3), ("NAME", 4, 7)]),
        # contained: the longer one wins, even with a lower score
        ("a@example.com", [E("NAME", 2, 9, 0.99), E("EMAIL", 0, 13, 0.9)], [("EMAIL", 0, 13)]),
        # the same stretch: score first, then what says more
        ("123456789", [E("ID", 0, 9, 0.9), E("SSN", 0, 9, 0.9)], [("SSN", 0, 9)]),
        ("123456789", [E("PHONE", 0, 9, 0.95), E("SSN", 0, 9, 0.6)], [("PHONE", 0, 9)]),
        # half and half: nothing of the loser may stay readable
        ("abcdefgh", [E("NAME", 0, 5, 0.9), E("ID", 3, 8, 0.5)], [("NAME", 0, 8)]),
        # parts of one name, parts of one address
        ("Anna Maria", [E("NAME", 0, 4, 0.9), E("NAME", 5, 10, 0.9)], [("NAME", 0, 10)]),
        ("O'Neil", [E("NAME", 0, 1, 0.9), E("NAME", 2, 6, 0.9)], [("NAME", 0, 6)]),
        ("anna_maria", [E("NAME", 0, 4, 0.9), E("NAME", 5, 10, 0.9)], [("NAME", 0, 10)]),
        ("J. M. Roe", [E("NAME", 0, 1, 0.9), E("NAME", 3, 4, 0.9), E("NAME", 6, 9, 0.9)], [("NAME", 0, 9)]),
        ("Dr. Roe", [E("NAME", 0, 2, 0.9), E("NAME", 4, 7, 0.9)], [("NAME", 0, 7)]),
        # a sentence ends between them, or a title begins the second
        ("Ada Roe. Bob", [E("NAME", 0, 7, 0.9), E("NAME", 9, 12, 0.9)], [("NAME", 0, 7), ("NAME", 9, 12)]),
        ("Roe Dr. Poe", [E("NAME", 0, 3, 0.9), E("NAME", 4, 11, 0.9)], [("NAME", 0, 3), ("NAME", 4, 11)]),
        ("Frau Dr. Poe", [E("NAME", 0, 4, 0.9), E("NAME", 5, 12, 0.9)], [("NAME", 0, 12)]),
        ("Roe ji", [E("NAME", 0, 3, 0.9), E("NAME", 4, 6, 0.9)], [("NAME", 0, 6)]),
        ("Anna, Bob", [E("NAME", 0, 4, 0.9), E("NAME", 6, 9, 0.9)], [("NAME", 0, 4), ("NAME", 6, 9)]),
        ("1 Elm St, ON\n 71348", [E("ADDRESS", 0, 8, 0.9), E("ADDRESS", 14, 19, 0.9)], [("ADDRESS", 0, 19)]),
        # two telephone numbers stay two
        ("1234567 7654321", [E("PHONE", 0, 7, 1.0), E("PHONE", 8, 15, 1.0)], [("PHONE", 0, 7), ("PHONE", 8, 15)]),
        # a tag is left alone, what stands around it is not
        ("[REDACTED_NAME] x", [E("NAME", 0, 15, 0.9)], []),
        ("Jo [REDACTED_NAME] Roe", [E("NAME", 0, 22, 0.9)], [("NAME", 0, 2), ("NAME", 19, 22)]),
        # something that only looks like a tag is text
        ("[REDACTED_JOHN]", [E("NAME", 10, 14, 0.9)], [("NAME", 10, 14)]),
    ],
)
def test_overlapping_entities_are_merged(
    text: str, entities: list[Entity], expected: list[tuple[str, int, int]]
) -> None:
    assert [(e.type, e.start, e.end) for e in merge(text, entities)] == expected


def test_an_announced_type_wins_over_an_address_at_the_same_place() -> None:
    announced = Entity("PHONE", 0, 14, 0.55, ANNOUNCED)
    for score in (0.55, 0.99):
        [merged] = merge("907-555-0W9-91", [Entity("ADDRESS", 0, 14, score, "answer:code"), announced])
        assert merged.type == "PHONE"
    [merged] = merge("907-555-0W9-91 X", [Entity("ADDRESS", 0, 16, 0.55, "answer:code"), announced])
    assert merged.type == "ADDRESS"


@pytest.mark.parametrize("guess", ["ner:tax_id", "slot", ANNOUNCED])
@pytest.mark.parametrize("start", [0, 2])
def test_a_checksum_tells_the_type_of_what_others_only_guess(guess: str, start: int) -> None:
    text = "\u00e8 GB29NWBK60161331926819"
    [merged] = merge(text, [E("IBAN", 2, 24, 0.95, "iban:solid"), E("ID", start, 24, 0.99, guess)])
    assert (merged.type, merged.start, merged.end) == ("IBAN", start, 24)


def test_a_small_part_with_a_checksum_does_not_tell_the_type() -> None:
    entities = [E("IBAN", 0, 4, 0.95, "iban:solid"), E("ADDRESS", 0, 12, 0.8, "ner:street_name")]
    assert [e.type for e in merge("abcd efghijk", entities)] == ["ADDRESS"]


def test_every_type_has_a_tag_that_is_recognised() -> None:
    assert all(TAG.fullmatch(tag(label)) for label in LABELS)
    assert not TAG.search("[REDACTED_JOHN_SMITH]")
