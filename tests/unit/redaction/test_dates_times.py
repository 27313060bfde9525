"""Dates and times stay, and nothing personal ends in the middle of one."""

from __future__ import annotations

import pytest

from models.redaction.normalize.dates_times import is_date_time, outside_times
from models.text import Entity, TextSource
from tests.unit.redaction.helpers import found


@pytest.mark.parametrize(
    "text",
    [
        "03.11.2025 07:45",
        "2025-11-03 07:45:10",
        "2025-11-03T07:45",
        "03/11/2025 8:00 - 04/11/2025 17:30",
        "03.11.2025 - 05.11.2025",
        "printed 03-11-2025 07.45 page 2",
        "03.11.2025 18 valves were closed",
        "20251103 074510",
        "IN 07:45 OUT 16:20:05",
        "7731905 07:45",
        "20251103 07:45",
        "Qn 2.5 03.11.2025 07:45",
    ],
)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
def test_dates_and_times_are_kept(text: str, source: TextSource) -> None:
    assert found(text, source) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7731905526 07:45 16:20", [("PHONE", "7731905526")]),
        ("07:45 212-555-0187 16:20", [("PHONE", "212-555-0187")]),
        ("4111111111111111 07:45", [("CC", "4111111111111111")]),
        ("7731905526:15", [("PHONE", "7731905526")]),
        ("My number is 7731905526:10 am suits me", [("PHONE", "7731905526")]),
        ("212-555-0187:45", [("PHONE", "212-555-0187")]),
        ("Fon.2125550187:20", [("PHONE", "2125550187")]),
        ("020 7946 0321:50", [("PHONE", "020 7946 0321")]),
        ("4111111111111111:12", [("CC", "4111111111111111")]),
        ("4111 1111 1111 1111 03.11.2025 07:45", [("CC", "4111 1111 1111 1111")]),
        ("call 212-555-0187 03.11.2025 07:45", [("PHONE", "212-555-0187")]),
        ("account 77319055 7:45", [("ACCOUNT", "77319055")]),
        ("00:16:3e:5e:6c:07 at 07:45", [("MAC", "00:16:3e:5e:6c:07")]),
        ("212.555.0187 03.11.2025", [("PHONE", "212.555.0187")]),
        ("03.11.2025 212.555.0187", [("PHONE", "212.555.0187")]),
        ("06.12.34.56.78", [("PHONE", "06.12.34.56.78")]),
    ],
)
@pytest.mark.parametrize("source", [TextSource.TYPED, TextSource.OCR])
def test_values_beside_a_time_are_redacted_without_the_time(
    text: str, expected: list[tuple[str, str]], source: TextSource
) -> None:
    assert found(text, source) == expected


def test_entity_borders_do_not_cut_times() -> None:
    text = "ab 10:15 cd"
    cuts = [(0, 5), (5, 11), (0, 11), (4, 5), (6, 8), (0, 8)]
    cut = outside_times(text, [Entity("ID", start, end, 1.0) for start, end in cuts])
    assert [(e.start, e.end) for e in cut] == [(0, 2), (9, 11), (0, 11), (0, 8)]


def test_a_telephone_number_is_no_date() -> None:
    assert not is_date_time("12.05.20.24.30")
    assert not is_date_time("212-555-0187")
    assert not is_date_time("0171 20240512")
