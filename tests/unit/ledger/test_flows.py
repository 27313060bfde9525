"""The ledger keeps every version of a flow that sessions have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.errors import Conflict
from models.reasons import Reason
from server.flows.loader import shipped_flows
from server.ledger import flows, sessions
from server.ledger.columns import Cursor, fetch_all
from tests.unit.ledger.makers import NOW, session


def test_flows_are_kept_once_and_read_as_they_were(cursor: Cursor) -> None:
    flows.keep(cursor, shipped_flows(), NOW)
    flows.keep(cursor, shipped_flows(), NOW)
    assert flows.stored(cursor) == shipped_flows()


def test_a_version_may_change_until_a_session_has_it(cursor: Cursor) -> None:
    flow = next(flow for flow in shipped_flows() if flow.name == "site_visit")
    changed = flow.model_copy(update={"title": "Another"})
    flows.keep(cursor, [flow], NOW)
    flows.keep(cursor, [changed], NOW)
    assert flows.stored(cursor)[0].title == "Another"
    sessions.insert_or_get(cursor, replace(session("s"), create_time=NOW, update_time=NOW))
    with pytest.raises(Conflict) as refused:
        flows.keep(cursor, [flow], NOW)
    assert refused.value.reason == Reason.FLOW_CHANGED
    newer = flow.model_copy(update={"version": 2})
    flows.keep(cursor, [changed, newer], NOW)
    rows = fetch_all(cursor, "SELECT flow, version, sessions FROM v_flows ORDER BY version")
    assert [(row["version"], row["sessions"]) for row in rows] == [(1, 1), (2, 0)]
