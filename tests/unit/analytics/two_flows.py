"""The sessions of two flows in one ledger, of which both have a step with the same name."""

from __future__ import annotations

from typing import Any, Final

from server.flows.definition import FlowDefinition
from server.ledger import flows
from server.ledger.columns import Cursor
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.ledger.makers import NOW

OPENED, CAR, DAMAGE, PROPOSED, APPROVED = "STARTED", "step_car", "step_damage", "AWAITING_APPROVAL", "COMPLETED"
PHOTO: Final = "photo_sent"


def _step(name: str, field: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "fields": [{"name": field, "kind": "number", "ask": "How many?"}], **more}


def _flow(name: str, version: int, *stages: str) -> FlowDefinition:
    steps = [_step("car", "dents"), _step("damage", "panels", when={"field": "dents", "above": 0})]
    given: dict[str, Any] = {"name": name, "version": version, "title": name, "steps": steps}
    return FlowDefinition.model_validate(given | ({"funnel": {"stages": list(stages)}} if stages else {}))


FLOWS: Final = (_flow("rental", 1), _flow("rental", 2, CAR, PHOTO, APPROVED), _flow("repair", 1))

SESSIONS: Final[dict[tuple[str, int], dict[str, tuple[str, tuple[str, ...]]]]] = {
    ("rental", 1): {
        "a1": ("COMPLETED", (OPENED, CAR, DAMAGE, PROPOSED, APPROVED)),
        "a2": ("COMPLETED", (OPENED, CAR, PROPOSED, APPROVED)),
        "a3": ("ABANDONED", (OPENED, CAR, DAMAGE)),
        "a4": ("ABANDONED", (OPENED,)),
        "a5": ("IN_PROGRESS", (OPENED, CAR)),
    },
    ("rental", 2): {
        "b1": ("COMPLETED", (OPENED, CAR, PHOTO, PROPOSED, APPROVED)),
        "b2": ("ABANDONED", (OPENED, CAR)),
    },
    ("repair", 1): {
        "c1": ("ABANDONED", (OPENED, CAR)),
        "c2": ("ABANDONED", (OPENED, CAR, PHOTO)),
        "c3": ("COMPLETED", (OPENED, CAR, DAMAGE, PHOTO, PROPOSED, APPROVED)),
    },
}
"""Each session by its flow and version: its stage now, and what happened in it, a second apart."""


def keep(cursor: Cursor) -> None:
    """Store the flows and their sessions."""
    flows.keep(cursor, FLOWS, NOW)
    for (flow, version), sessions in SESSIONS.items():
        for name, (state, events) in sessions.items():
            happened = [Happened(event, at * 1_000_000, of_app=event == PHOTO) for at, event in enumerate(events)]
            store(cursor, {name: happened}, state=state)
            cursor.execute("UPDATE sessions SET flow = ?, flow_version = ? WHERE id = ?", [flow, version, name])
