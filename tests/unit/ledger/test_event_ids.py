"""Ids of events rise."""

from __future__ import annotations

import uuid
from datetime import timedelta

from server.ledger.event_ids import EventIds
from tests.unit.ledger.makers import NOW


def test_ids_rise_whatever_the_clock_does() -> None:
    ids, later = EventIds(), NOW + timedelta(milliseconds=1)
    made = [ids.new(at) for at in [NOW] * 1000 + [later] * 1000 + [NOW] * 1000]
    assert made == sorted(set(made)), "as text, too"
    read = [uuid.UUID(text) for text in made]
    assert {(each.version, each.variant) for each in read} == {(7, uuid.RFC_4122)}
    assert read[0].int >> 80 == int(NOW.timestamp() * 1000)
