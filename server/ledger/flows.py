"""Flows as the ledger keeps them, so that a session keeps its version when the file changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from models.errors import Conflict
from models.reasons import Reason
from server.ledger.columns import Cursor, count, fetch_all, fetch_one, insert, stored_time
from server.ledger.dialects import hold
from server.ledger.table_schema import SqlView, TableSchema, comment_on
from server.ledger.views import V_SESSIONS

if TYPE_CHECKING:  # as in ``server.ledger.answers``
    from server.flows.definition import FlowDefinition

FLOWS = TableSchema(
    "flows",
    "One row for a version of a flow that this server has had.",
    (
        ("name", "VARCHAR NOT NULL", "Name of the flow."),
        ("version", "INTEGER NOT NULL", "Its version."),
        ("digest", "VARCHAR NOT NULL", "SHA-256 of the content, hexadecimal."),
        ("content", "JSON NOT NULL", "The flow as canonical JSON."),
        ("create_time", "TIMESTAMP NOT NULL", "When the server first had it, UTC."),
    ),
    constraints=("UNIQUE (name, version)",),
)

FLOW_OF_SESSION = [
    "ALTER TABLE sessions ADD COLUMN flow VARCHAR DEFAULT 'site_visit'",
    "ALTER TABLE sessions ADD COLUMN flow_version INTEGER DEFAULT 1",
    "ALTER TABLE sessions ADD COLUMN facts JSON DEFAULT '{}'",
    comment_on("COLUMN", "sessions.flow", "Name of its flow."),
    comment_on("COLUMN", "sessions.flow_version", "Version of its flow."),
    comment_on("COLUMN", "sessions.facts", "What the app knew before, by name of the fact; never personal."),
]
"""Before there were flows, every session was a site visit."""


V_SESSIONS_WITH_FLOWS = replace(
    V_SESSIONS,
    columns={
        **V_SESSIONS.columns,
        "flow": "Name of its flow.",
        "flow_version": "Version of its flow.",
    },
    sql=V_SESSIONS.sql.replace(" FROM sessions", ", flow, flow_version FROM sessions"),
)

V_FLOWS = SqlView(
    "v_flows",
    "One row for a version of a flow that this server has had, with its sessions.",
    {
        "flow": "Name of the flow.",
        "version": "Its version.",
        "create_time": "When the server first had it, UTC.",
        "sessions": "Sessions that have it.",
    },
    """SELECT name AS flow, version, create_time,
        (SELECT count(*) FROM sessions AS s WHERE s.flow = flows.name AND s.flow_version = flows.version) AS sessions
    FROM flows""",
)


_STEPS = "json_extract(content, '$.steps[*]')"
_STEP_EVENTS = "list_transform({steps}, lambda step: 'step_' || json_extract_string(step, '$.name'))"
_CONDITIONAL = f"""list_filter({_STEPS}, lambda step: json_exists(step, '$.when')
            OR len(json_extract(step, '$.fields[*].when')) = json_array_length(step, '$.fields'))"""
_STAGES = f"""CASE WHEN len(json_extract_string(content, '$.funnel.stages[*]')) > 0
            THEN json_extract_string(content, '$.funnel.stages[*]')
            ELSE ['STARTED'] || {_STEP_EVENTS.format(steps=_STEPS)}[:9] || ['AWAITING_APPROVAL', 'COMPLETED'] END"""

V_FLOWS_WITH_STAGES = replace(
    V_FLOWS,
    columns={
        **V_FLOWS.columns,
        "stages": "Stages of its funnel in order: names of events, or stages such as COMPLETED.",
        "optional_stages": "Those of them that a session may leave out, because their step does not come up in it.",
    },
    sql=f"""SELECT * EXCLUDE (conditional),
        list_filter(stages[2:-2], lambda stage: list_contains(conditional, stage)) AS optional_stages
    FROM (SELECT name AS flow, version, create_time,
        (SELECT count(*) FROM sessions AS s WHERE s.flow = flows.name AND s.flow_version = flows.version) AS sessions,
        {_STAGES} AS stages, {_STEP_EVENTS.format(steps=_CONDITIONAL)} AS conditional FROM flows)""",  # noqa: S608 - literals of ours
)
"""The rules are those of ``FlowDefinition.stages`` and ``optional_stages``."""


def keep(cursor: Cursor, flows: Iterable[FlowDefinition], now: datetime) -> None:
    """Store the flows of the files. A version without sessions may still change.

    Raises:
        Conflict: FLOW_CHANGED, a version that sessions have is another in its file.
    """
    hold(cursor, "flows", "")
    for flow in flows:
        known = fetch_one(cursor, "SELECT digest FROM flows WHERE name = ? AND version = ?", [flow.name, flow.version])
        if known is not None and known["digest"] == flow.digest:
            continue
        if known is not None:
            used = count(
                cursor, "SELECT count(*) FROM sessions WHERE flow = ? AND flow_version = ?", [flow.name, flow.version]
            )
            if used:
                raise Conflict(
                    f"The flow {flow.label} is not the one that {used} sessions have.",
                    reason=Reason.FLOW_CHANGED,
                    hint=f"Give the changed file a version above {flow.version}. Running sessions keep theirs.",
                )
            cursor.execute("DELETE FROM flows WHERE name = ? AND version = ?", [flow.name, flow.version])
        insert(
            cursor,
            "flows",
            {
                "name": flow.name,
                "version": flow.version,
                "digest": flow.digest,
                "content": flow.content,
                "create_time": stored_time(now),
            },
        )


def stored(cursor: Cursor) -> list[FlowDefinition]:
    """Every version that the server has had."""
    from server.flows.definition import FlowDefinition

    rows = fetch_all(cursor, "SELECT content FROM flows ORDER BY name, version")
    return [FlowDefinition.model_validate_json(row["content"]) for row in rows]


def versions(cursor: Cursor) -> set[tuple[str, int]]:
    """The name and version of all that a server has had."""
    return {(row["name"], row["version"]) for row in fetch_all(cursor, "SELECT name, version FROM flows")}


def find(cursor: Cursor, name: str, version: int = 0) -> FlowDefinition:
    """A version of a flow that the server has had.

    Args:
        cursor: Of a read.
        name: Of the flow.
        version: 0 for the newest.

    Raises:
        NotFound: FLOW_NOT_FOUND.
    """
    from server.flows.catalogue import flow_not_found, flow_version_not_found
    from server.flows.definition import FlowDefinition

    row = fetch_one(
        cursor,
        "SELECT content FROM flows WHERE name = ? AND ? IN (0, version) ORDER BY version DESC LIMIT 1",
        [name, version],
    )
    if row is None:
        newest = fetch_one(
            cursor, "SELECT max(version) AS version FROM flows WHERE name = ? HAVING count(*) > 0", [name]
        )
        raise flow_not_found() if newest is None else flow_version_not_found(newest["version"])
    return FlowDefinition.model_validate_json(row["content"])
