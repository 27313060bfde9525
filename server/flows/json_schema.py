"""The JSON Schema of flow files, for editors. ``docs/reference/flow-file.schema.json`` is written from it."""

from __future__ import annotations

import json
from typing import Any

from server.flows.definition import FlowDefinition


def flow_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a flow file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **FlowDefinition.model_json_schema()}


def flow_schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(flow_schema(), indent=2, ensure_ascii=False) + "\n"
