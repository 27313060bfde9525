"""Times of day, also in sentences of real callers."""

from __future__ import annotations

from datetime import date

import pytest

from server.flows.reading.answer_text import AnswerText
from server.flows.reading.times import read_time
from tests.unit.llm.texts import redacted


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("en", "14:30", "14:30"),
        ("en", "12 p.m.", "12:00"),
        ("en", "For a quarter before 6 PM.", "17:45"),
        ("en", "at half past 5pm.", "17:30"),
        ("en", "at 5:45 this evening", "17:45"),
        ("en", "Please make a booking for 5 people on 2018/04/28 at 07:15PM.", "19:15"),
        ("en", "1330", "13:30"),
        ("en", "20", "20:00"),
        ("en", "25:10", None),
        ("en", "at 8 or at 9", None),
        ("de", "um 14 Uhr 30", "14:30"),
        ("de", "halb sechs", "05:30"),
        ("de", "Viertel vor acht abends", "19:45"),
        ("es", "a las 3 y media de la tarde", "15:30"),
        ("fr", "14h30", "14:30"),
    ],
)
def test_a_time_of_day(language: str, text: str, value: str | None) -> None:
    assert read_time(AnswerText(redacted(text), "text", language, date(2026, 11, 28)), asked=True) == value


def test_a_bare_number_is_a_time_only_where_one_was_asked_for() -> None:
    assert read_time(AnswerText(redacted("20"), "text", "en", date(2026, 11, 28)), asked=False) is None
