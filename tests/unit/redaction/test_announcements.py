"""Announcements are found as one large expression would find them."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from models.redaction.lexicons.loader import languages
from models.redaction.normalize.view import original
from models.redaction.slots import announcements
from models.redaction.slots.announcements import SUBJECT, announcements_of

SPOKEN = Path(__file__).with_name("spoken_slots")
TEXTS = [line for name in ("values.txt", "harmless.txt") for line in (SPOKEN / name).read_text("utf-8").splitlines()]


@pytest.mark.parametrize("language", languages(SUBJECT))
def test_literals_only_leave_out_what_does_not_match(language: str) -> None:
    tables = [announcements._lists_of(code) for code in dict.fromkeys((language, "en"))]
    forward = "|".join(chain.from_iterable(announcements._forward(table, n) for n, table in enumerate(tables)))
    backward = "|".join(chain.from_iterable(announcements._backward(table, n) for n, table in enumerate(tables)))
    total = 0
    for text in (" ".join(TEXTS[at : at + 3]) for at in range(len(TEXTS))):
        view = original(text)
        expected = [*re.compile(forward).finditer(view.lower), *re.compile(backward).finditer(view.lower)]
        found = [(slot.start, slot.end) for slot in announcements_of(language).of(view)]
        assert found == [match.span() for match in expected]
        total += len(found)
    assert total > 100
