"""The table of events that the server records, beside every call that records one."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from models.text import RedactedText
from server.ledger import events, sessions
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.sessions import STAGE_ENTERED
from server.records.event_catalogue import EVENTS, REDACTED_PREFIX
from server.records.events import make_event, redacted_counts
from tests.source_tree import Module, modules, nodes, where
from tests.unit.ledger.makers import NOW, session

WRITERS = {"make_event": 1, "note_job": 2, "record_refusal": 1}
"""Functions that write an event, and the position of its name among their arguments."""

OWN_PROPERTIES = {"note_job": {"job"}, "record_refusal": {"reason", "left_out"}}
"""What a function adds to the properties that it is given."""

NOT_PROPERTIES = {"took_s", "opened"}
COUNTS = {"entities", f"{REDACTED_PREFIX}*"}


def _names(node: ast.expr, module: Module) -> list[str]:
    """The names that an argument may have: texts, a constant of the module, or either branch of a condition."""
    match node:
        case ast.Constant(value=str(name)):
            return [name]
        case ast.JoinedStr():
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)]
        case ast.IfExp():
            return _names(node.body, module) + _names(node.orelse, module)
        case ast.Name(id=name):
            return [
                value.value
                for found in nodes(module)
                if isinstance(found, ast.Assign | ast.AnnAssign)
                for target in (found.targets if isinstance(found, ast.Assign) else [found.target])
                if isinstance(target, ast.Name) and target.id == name and isinstance(value := found.value, ast.Constant)
                if isinstance(value.value, str)
            ]
    return []


def _properties(call: ast.Call, module: Module, function: str) -> set[str]:
    given = set(OWN_PROPERTIES.get(function, set()))
    for keyword in call.keywords:
        if keyword.arg is not None:
            given.add(keyword.arg)
        elif isinstance(keyword.value, ast.Call) and getattr(keyword.value.func, "id", "") == "redacted_counts":
            given |= COUNTS
        elif isinstance(keyword.value, ast.Name):
            given |= _keys(keyword.value.id, module)
    return given - NOT_PROPERTIES


def _keys(name: str, module: Module) -> set[str]:
    """The keys of a dictionary that is written out in the module."""
    return {
        key.value
        for found in nodes(module)
        if isinstance(found, ast.AnnAssign) and isinstance(found.target, ast.Name) and found.target.id == name
        if isinstance(found.value, ast.Dict)
        for key in found.value.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def _calls() -> Iterator[tuple[str, list[str], set[str]]]:
    """Every call that writes an event: its place, the names that the event may have, and its properties."""
    for module in modules():
        if not module.path.startswith("server/") or module.path.endswith(("job_events.py", "refusal_events.py")):
            continue  # these two pass on what they are given
        for node in nodes(module):
            if not isinstance(node, ast.Call):
                continue
            function = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if function in WRITERS:
                names = _names(node.args[WRITERS[function]], module)
                yield where(module, node.lineno), names, _properties(node, module, function)


def test_every_event_that_is_recorded_is_in_the_table_with_its_properties() -> None:
    seen: dict[str, set[str]] = {STAGE_ENTERED: {"reason"}}
    for place, names, properties in _calls():
        assert names, f"{place} records an event whose name the table cannot know"
        for name in names:
            assert name in EVENTS, f"{place} records {name}, which server/records/event_catalogue.py does not list"
            seen[name] = seen.get(name, set()) | properties
    assert seen == {name: set(event.properties) for name, event in EVENTS.items()}


def test_what_was_redacted_is_counted_by_kind() -> None:
    text = RedactedText.restore("[REDACTED_PHONE] by [REDACTED_NAME]", {"PHONE": 2, "NAME": 1}, safe_for_llm=True)
    assert redacted_counts(text) == {"entities": 3, "redacted_phone": 2, "redacted_name": 1}


async def test_numbers_and_booleans_are_stored_as_such_and_what_is_not_known_is_left_out(
    ledger: EmbeddedLedger,
) -> None:
    owner, _ = await ledger.write(lambda cursor: sessions.insert_or_get(cursor, session()))
    given = make_event(owner, "job_failed", NOW, job="reply", attempts=3, exhausted=False, reason=None)
    await ledger.write(lambda cursor: events.append(cursor, given))
    [row] = await ledger.read(
        lambda cursor: fetch_all(cursor, "SELECT properties FROM events WHERE name = 'job_failed'")
    )
    assert json.loads(row["properties"]) == {"job": "reply", "attempts": 3, "exhausted": False}
