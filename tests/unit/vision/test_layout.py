from __future__ import annotations

import pytest

from models.vision.geometry import rows
from models.vision.layout import is_label_of_thing, labelled_values, layout_words
from models.vision.types import OcrLine
from tests.unit.vision.pictures import line


def _explained(lines: list[OcrLine], kind: str) -> frozenset[str]:
    return layout_words(lines, rows(lines), kind).explained


@pytest.mark.parametrize(
    ("lines", "explained", "kept"),
    [
        ([line("Brand: Zorvath", 0, 0)], {"brand", "zorvath"}, set()),
        ([line("Project", 0, 0), line("Zorvath 12", 150, 0)], {"zorvath", "12"}, set()),
        ([line("Cashier: Zorvath", 0, 0)], {"cashier"}, {"zorvath"}),
        ([line("INV NO: 4711 Cashier: Zorvath", 0, 0)], {"4711"}, {"zorvath"}),
        # Who is named after a label for a person is no brand elsewhere.
        ([line("Approved by: Zorvath", 0, 0), line("Brand: Zorvath", 0, 40)], {"brand"}, {"zorvath"}),
        # Free text may mention people, and a person may have a colon.
        ([line("Comments: ask Zorvath", 0, 0)], {"comments"}, {"zorvath"}),
        ([line("Ana Zorvath: 12", 0, 0)], set(), {"ana", "zorvath"}),
        ([line("Name Ana Zorvath Date:", 0, 0)], {"name", "date"}, {"ana", "zorvath"}),
        ([line("Name Ana Zorvath and Quillon Date:", 0, 0)], {"name", "date"}, {"ana", "zorvath", "quillon"}),
        ([line("Names of all people who helped with this:", 0, 0)], {"names", "people", "helped"}, set()),
        ([line("Product: Dr. Zorvath", 0, 0)], {"product"}, {"zorvath"}),
        ([line("Code: 415555013299", 0, 0)], {"code"}, {"415555013299"}),
        ([line("Zorvath Bakery Ltd, Elm Hill", 0, 0)], {"zorvath", "bakery"}, {"elm"}),
        # Labels without a colon.
        ([line("Item(s) Zorvath/ Quillon", 0, 0)], {"item", "zorvath", "quillon"}, set()),
        ([line("Product Name/ Description Zorvath Mint", 0, 0)], {"description", "zorvath", "mint"}, set()),
        ([line("Patient(s) Ana Zorvath", 0, 0)], set(), {"ana", "zorvath"}),
        ([line("Customer Name Ana Zorvath", 0, 0)], set(), {"ana", "zorvath"}),
        ([line("Order Ana Zorvath", 0, 0)], set(), {"ana", "zorvath"}),
    ],
)
def test_labels_explain_the_words_after_them(lines: list[OcrLine], explained: set[str], kept: set[str]) -> None:
    words = _explained(lines, "form")
    assert explained <= words
    assert kept.isdisjoint(words)


def test_a_receipt_explains_its_goods_and_nobody_else() -> None:
    goods = [line("Qty", 0, 80), line("Item", 100, 80), line("2", 0, 120), line("VEGE ZORVTH", 100, 120)]
    page = [line("Server: Imre", 0, 0), *goods, line("4.20", 400, 120), line("TOTAL", 0, 160), line("4.20", 400, 160)]
    page.append(line("Quillon", 0, 200))
    words = _explained(page, "receipt")
    assert {"vege", "zorvth", "qty", "total"} <= words
    assert {"imre", "quillon"}.isdisjoint(words)


def test_a_register_explains_its_companies_only() -> None:
    page = [line("Name", 0, 0), line("Company", 300, 0), line("Time in", 600, 0)]
    page += [line("Xq Zt", 0, 40), line("Tooltown", 300, 40), line("08:15", 600, 40)]
    words = _explained(page, "visitor_register")
    assert "tooltown" in words
    assert {"xq", "zt"}.isdisjoint(words)


@pytest.mark.parametrize("kind", ["", "letter", "card", "meter", "site"])
def test_other_kinds_explain_nothing(kind: str) -> None:
    assert _explained([line("Brand: Zorvath", 0, 0)], kind) == frozenset()


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        ([line("Full name: Xq Zt", 0, 0)], [("Xq Zt", "NAME")]),
        ([line("Surname", 0, 0), line("Xq", 150, 0)], [("Xq", "NAME")]),
        ([line("Signature", 0, 0), line("Department", 150, 0), line("Date", 300, 0)], []),
        ([line("Name", 0, 0), line("Xq", 900, 0)], []),
        ([line("Brand name: Xq", 0, 0)], []),
        ([line("Phone: 5550132Pager: 5550199", 0, 0)], [("5550132", "PHONE")]),
    ],
)
def test_the_value_of_a_personal_label_is_personal(lines: list[OcrLine], values: list[tuple[str, str]]) -> None:
    found = labelled_values(lines, rows(lines))
    assert [(lines[i].text.reveal()[start:end], kind) for i, start, end, kind in found] == values


def test_only_what_stands_after_a_label_for_a_person_is_an_answer() -> None:
    lines = [
        line("Approved by: Quillon", 0, 0),
        line("Brand: Zorvath", 0, 40),
        line("Owner", 0, 80),
        line("Imre", 99, 80),
    ]
    words = layout_words(lines, rows(lines), "form")
    assert words.answers == {"quillon", "imre"}
    assert words.answers.isdisjoint(words.explained)


@pytest.mark.parametrize(
    ("text", "expected"), [("REVISIONS", True), ("Item code", True), ("Owner", False), ("Xq Zt", False), ("", False)]
)
def test_a_label_for_a_thing_is_none_for_a_person(text: str, expected: bool) -> None:
    assert is_label_of_thing(text) is expected
