"""The registry of entity types is the one place that knows what a type is."""

from __future__ import annotations

import ast
from pathlib import Path

from models.redaction.entities import ENTITY_TYPES, LABELS, PRIORITY
from models.redaction.recognizers.all import ALL

PACKAGE = Path(__file__).parents[3] / "models" / "redaction"


def test_every_entity_type_has_a_description() -> None:
    assert len(LABELS) == len(ENTITY_TYPES) == len(PRIORITY)
    for entity in ENTITY_TYPES:
        assert entity.description.endswith(".")
        assert entity.evidence


def test_every_type_of_a_pattern_recognizer_is_in_the_registry() -> None:
    found = {recognizer.entity for recognizer in ALL if hasattr(recognizer, "entity")}
    assert found <= LABELS


def test_every_entity_that_the_package_builds_has_a_type_of_the_registry() -> None:
    built = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Entity" and node.args:
                built |= {
                    n.value for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                }
    assert built - {""} <= LABELS
    assert {"NAME", "PHONE", "SECRET"} <= built
