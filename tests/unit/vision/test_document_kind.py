from __future__ import annotations

import pytest

from models.vision.document_kind import document_kind
from tests.unit.vision.pictures import line


def _page(*texts: str) -> list[tuple[str, int]]:
    return [(text, 40 * n) for n, text in enumerate(texts)]


RECEIPT = _page(
    "CORNER SHOP", "TAX INVOICE", "Rye bread 4.20", "Milk 1.15", "SUBTOTAL 5.35", "CASH 10.00", "CHANGE 4.65"
)
LETTER = _page(
    "Dear Mrs. Ostrow,",
    "thank you for your letter about the pump in the basement of the house.",
    "Our engineer will look at it on Monday between ten and twelve o'clock.",
    "Please keep the room clear of boxes until the work there is done.",
    "Kind regards,",
)
CARD = _page("MEMBERSHIP CARD", "Name", "Xq Zt", "Valid until 12/2028")
FORM = _page(
    *(
        "REQUEST FORM",
        "Project No.: 12",
        "Department: Hydraulics",
        "Supplier: Acme",
        "Quantity: 4",
        "Requested by: Xq Zt",
    ),
    *("Comments:", "none", "Approved by:", "Signature", "Date: 1 May", "a", "b", "c", "d"),
)
SHORT_FORM = _page("ORDER SHEET", "Supplier: Acme", "Pages: 2", *(f"part {n}" for n in "abcdefghijkl"))


@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (RECEIPT, "receipt"),
        (LETTER, "letter"),
        (CARD, "card"),
        (FORM, "form"),
        (_page("reading 00042 .917", "Qn 2.5"), ""),
        (SHORT_FORM, "form"),
        (_page("KEEP THIS DOOR CLOSED"), ""),
        ([], ""),
    ],
)
def test_a_page_has_the_kind_of_its_layout_and_words(page: list[tuple[str, int]], kind: str) -> None:
    lines = [line(text, 0, top) for text, top in page]
    assert document_kind(lines) == kind
    assert document_kind(lines, "document") == (kind or "document"), "it says nothing about the layout"
    assert document_kind(lines, "site") == "site", "a given kind wins"


def test_a_register_has_a_column_for_a_person_and_one_for_a_visit() -> None:
    register = [line("Name", 0, 0), line("Company", 300, 0), line("Time in", 600, 0), line("Xq Zt", 0, 40)]
    signatures = [line("Name", 0, 0), line("Signature", 300, 0), line("Date", 600, 0), line("Xq Zt", 0, 40)]
    assert document_kind(register) == "visitor_register"
    assert document_kind(signatures) != "visitor_register", "every form may end with these three"
