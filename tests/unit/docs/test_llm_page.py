"""The page about an LLM of one's own shows the schemas that are sent, and answers that are taken."""

from __future__ import annotations

import json
import re
from typing import Final

from server.flows.loader import parse_flow
from server.llm.check_schema import check_wire_schema, verdicts_from_model
from server.llm.openai_client import MAX_ANSWER_BYTES
from server.llm.record_schema import record_from_model, wire_schema
from server.llm.types import Verdict
from tests.unit.docs.pages import page

PAGE: Final = page("docs/operating/llm.md")
BLOCKS: Final[list[str]] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
SOURCES: Final = ["turn-1", "upload-1"]
(_SHOWN, *_) = re.findall(r"```yaml\n(.*?)```", page("docs/concepts/flows.md"), re.DOTALL)
FLOW: Final = parse_flow(_SHOWN)


def test_the_schemas_are_those_that_are_sent() -> None:
    record, _, check, _ = map(json.loads, BLOCKS)
    assert record == wire_schema(SOURCES, FLOW)
    assert check == check_wire_schema(SOURCES, ["mileage", "fuel"])


def test_the_answers_are_taken() -> None:
    _, record, _, check = BLOCKS
    values = {field.name: field.value for field in record_from_model(record, SOURCES, FLOW).fields}
    assert values == {"mileage": "48213", "fuel": "half"}
    verdicts = verdicts_from_model(check, list(values))
    assert {name: each.verdict for name, each in verdicts.items()} == {
        "mileage": Verdict.SUPPORTED,
        "fuel": Verdict.CONTRADICTED,
    }
    assert f"{MAX_ANSWER_BYTES // 1024**2} MiB" in PAGE
