"""What is known of a session at a moment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.text import RedactedText
from server.ledger.event_properties import TypedValue, properties_columns
from server.risk.features import FEATURES, Known, Row, in_order
from server.risk.properties import MOST_KEPT, LastValues, Value, property_feature


def own(at_s: float, name: str, stage: str | None = None, took_s: float | None = None, **given: Any) -> Row:
    return Row(at_s, name, True, stage, took_s, json.dumps(given), "{}", at_s, 0)


def app(at_s: float, name: str, **given: TypedValue | RedactedText) -> Row:
    columns = properties_columns(given)
    return Row(at_s, name, False, None, None, columns["properties"], columns["properties_meta"], at_s, 0)


def known(*rows: Row, at: float = 100.0) -> dict[str, Value]:
    found = Known("", LastValues("site"))
    for row in (own(0, "stage_entered", "STARTED"), *rows):
        found.add(row)
    return found.at(at)


SAID: dict[str, Any] = {
    "source": "speech",
    "confidence_percent": 90,
    "language": "hi",
    "entities": 2,
    "spoken_ms": 4000,
}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), {"idle_s": 100.0, "time_in_stage_s": 100.0, "turns": 0.0, "language_asked": "none", "document": None}),
        ((own(40, "no_speech"), own(60, "no_speech")), {"no_speech": 2.0, "idle_s": 40.0}),
        ((own(40, "upload_refused", reason="too_large"),), {"upload_refused": 1.0, "uploads": 0.0}),
        (
            (own(30, "stage_entered", "IN_PROGRESS"), own(70, "stage_entered", "AWAITING_APPROVAL")),
            {"time_in_started_s": 30.0, "time_in_progress_s": 40.0, "time_in_stage_s": 30.0, "step_repeated": 0.0},
        ),
        (
            (
                own(30, "stage_entered", "IN_PROGRESS"),
                own(50, "stage_entered", "AWAITING_APPROVAL"),
                own(80, "stage_entered", "IN_PROGRESS"),
            ),
            {"step_repeated": 1.0, "time_in_stage_s": 20.0, "time_in_started_s": 30.0},
        ),
        (
            (own(30, "turn_finished", took_s=9.0, delay_ms=500, **SAID), own(40, "turn_finished", took_s=1.5, **SAID)),
            {
                "turns": 2.0,
                "talk_s": 8.0,
                "recognition_delay_s": 1.0,
                "recognition_confidence": 90.0,
                "language_spoken": "hi",
                "redactions": 4.0,
                "reply_waiting_s": 60.0,
                "wait_for_reply_s": None,
            },
        ),
        (
            (
                own(30, "turn_finished", source="typed", confidence_percent=100, entities=1),
                own(32, "replied", took_s=2.0, origin="FALLBACK"),
                own(50, "replied_late", took_s=20.0, origin="MODEL"),
            ),
            {
                "recognition_confidence": None,
                "talk_s": 0.0,
                "reply_waiting_s": 0.0,
                "wait_for_reply_s": 20.0,
                "fallback_reply": 1.0,
                "late_reply": 1.0,
            },
        ),
        (
            (
                own(10, "upload_accepted", kind="meter"),
                own(11, "upload_accepted", kind="id"),
                own(20, "upload_read", took_s=10.0),
            ),
            {"uploads": 2.0, "uploads_waiting": 1.0, "upload_read_s": 10.0, "document": "meter"},
        ),
        ((own(10, "upload_accepted", kind="id"), own(20, "upload_failed")), {"uploads_waiting": 0.0}),
        (
            (app(5, "opened"), app(6, "next"), app(7, "opened")),
            {"app_events": 3.0, "app_events_repeated": 1.0, "app_events_different": 2.0},
        ),
        ((app(5, "no_speech"),), {"no_speech": 0.0, "app_events": 1.0}),
        ((own(10, "turn_finished", **SAID | {"confidence_percent": "n/a"}),), {"recognition_confidence": None}),
        ((own(10, "record_proposed", origin="FALLBACK"), own(11, "job_retried")), {"fallback_record": 1.0}),
    ],
)
def test_each_event_says_what_it_says(rows: tuple[Row, ...], expected: dict[str, Value]) -> None:
    found = known(*rows)
    assert {name: found[name] for name in expected} == expected
    assert found.keys() == FEATURES.keys()


def test_a_stage_that_is_entered_at_the_same_time_comes_after_the_one_before() -> None:
    rows = [own(1, "stage_entered", stage) for stage in ("ABANDONED", "AWAITING_APPROVAL", "STARTED", "IN_PROGRESS")]
    assert [row[3] for row in in_order(rows)] == ["STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "ABANDONED"]


def test_no_feature_holds_the_client_or_a_text() -> None:
    texts = {name for name, kind in FEATURES.items() if kind == "text"}
    assert texts == {"document", "language_spoken", "language_asked"}
    assert not {"client", "variant", "reason"} & FEATURES.keys()


def test_a_property_is_what_was_last_sent_of_it() -> None:
    rows = (
        app(5, "opened", network=TypedValue("wifi", "enumeration"), size=TypedValue("12.50"), paid=TypedValue("true")),
        app(9, "opened", network=TypedValue("3g", "enumeration"), size=TypedValue("-3")),
    )
    names = {key: property_feature("site", key) for key in ("network", "size", "paid")}
    before, after = known(*rows[:1]), known(*rows)
    assert {key: before[name] for key, name in names.items()} == {"network": "wifi", "size": 12.5, "paid": "true"}
    assert {key: after[name] for key, name in names.items()} == {"network": "3g", "size": -3.0, "paid": "true"}


def test_only_numbers_booleans_and_enumerations_are_properties() -> None:
    """Texts, codes and times are left out, and so is what the server recorded itself."""
    rows = (
        app(
            5,
            "opened",
            note=RedactedText.restore("call me", {}, safe_for_llm=True),
            order=TypedValue("A-1042", "code"),
            at=TypedValue("2026-11-27T08:15:00Z", "time"),
            huge=TypedValue("1" + 400 * "0"),
        ),
        own(6, "upload_refused", reason="too_large"),
    )
    assert known(*rows).keys() == FEATURES.keys()


def test_a_session_keeps_the_newest_properties() -> None:
    rows = [app(k, "opened", **{f"key_{k}": TypedValue("1")}) for k in range(MOST_KEPT + 5)]
    found = known(*rows)
    assert len(found) == len(FEATURES) + MOST_KEPT
    assert property_feature("site", f"key_{MOST_KEPT + 4}") in found
