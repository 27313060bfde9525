"""The views of events, records and decisions. Frozen once released, as the others in ``views`` are."""

from __future__ import annotations

from dataclasses import replace

from server.ledger.table_schema import SqlView

V_EVENTS = SqlView(
    "v_events",
    "One row for an event: what the server saw and what apps recorded. The macros that count funnels read it.",
    {
        "event_id": "UUID of the event. Of an event of an app it is made of client_id and of the id that the app gave.",
        "session_id": "UUID of its session.",
        "client_id": "App or site of the session.",
        "source": "app for an event that an app recorded, server for one of the server.",
        "name": "Machine name, for example camera_opened.",
        "stage": "Stage that the session entered; null for other events.",
        "event_time": "When it happened, UTC. Funnels and windows use it. The opening of a session has the time of its "
        "earliest event.",
        "clock": "Where event_time is from: device, corrected (that clock was wrong) or server.",
        "device_time": "When it happened by the clock of the device, as the app gave it, UTC; null for the server's.",
        "server_time": "When the server learnt of it, UTC.",
        "sequence": "Position within the session as the app counts, from 1; 0 when it does not.",
        "variant": "Experiment variant of the session; empty when there is none.",
        "took_s": "Seconds in the stage before, or duration of the thing; null when it has none.",
        "properties": "Names and values as JSON: declared ones as they came, texts redacted. Without those texts that "
        "the redactor does not vouch for.",
    },
    """SELECT id AS event_id, session_id, client_id,
        CASE WHEN device_time IS NULL THEN 'server' ELSE 'app' END AS source, name, stage, event_time, clock,
        device_time, server_time, sequence, variant, took_s,
        CASE WHEN properties_meta::VARCHAR LIKE '%"safe": false%' THEN json_merge_patch(properties, to_json(
            map_from_entries(list_transform(
                list_filter(json_keys(properties_meta),
                    lambda key: properties_meta -> key ->> 'safe' = 'false'),
                lambda key: (key, NULL::VARCHAR)))))
            ELSE properties END AS properties
    FROM events""",
)

V_RECORDS = SqlView(
    "v_records",
    "One row for a proposed record.",
    {
        "record_id": "UUID of the proposal.",
        "session_id": "UUID of its session.",
        "client_id": "App or site of the session.",
        "state": "PENDING, APPROVED, REJECTED or SUPERSEDED.",
        "origin": "MODEL or FALLBACK.",
        "create_time": "When it was proposed, UTC.",
        "record": "The record as JSON, redacted; null when the redactor does not vouch for it.",
        "redactions": "How many of which entity were replaced.",
    },
    """SELECT r.id AS record_id, session_id, client_id, r.state, origin, r.create_time,
        CASE WHEN record_safe THEN record END AS record, record_counts AS redactions
    FROM recommendations AS r JOIN sessions AS s ON s.id = r.session_id""",
)

V_DECISIONS = SqlView(
    "v_decisions",
    "One row for a decision of a person about a proposed record.",
    {
        "record_id": "UUID of the proposal.",
        "session_id": "UUID of its session.",
        "client_id": "App or site of the session.",
        "decision": "APPROVED or REJECTED.",
        "propose_time": "When the record was proposed, UTC.",
        "decide_time": "When it was decided, UTC.",
        "waited_s": "Seconds from the proposal to the decision.",
    },
    """SELECT r.id AS record_id, session_id, client_id, r.state AS decision, r.create_time AS propose_time, decide_time,
        epoch(decide_time - r.create_time) AS waited_s
    FROM recommendations AS r JOIN sessions AS s ON s.id = r.session_id
    WHERE r.state IN ('APPROVED', 'REJECTED') AND decide_time IS NOT NULL""",
)

V_RECORDS_WITH_EXPIRY = replace(
    V_RECORDS,
    columns={
        **V_RECORDS.columns,
        "expire_time": "Until when it can be approved, UTC; null where there is no such time.",
    },
    sql=V_RECORDS.sql.replace("AS redactions", "AS redactions, expire_time"),
)

EVENT_VIEWS = (V_EVENTS, V_RECORDS, V_DECISIONS)
