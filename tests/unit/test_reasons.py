"""Every error of ours takes its reason from the table; no word of it is written anywhere else."""

from __future__ import annotations

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from models import errors
from models.errors import InvalidInput, VestibuleError
from models.reasons import Reason

ROOT = Path(__file__).resolve().parents[2]
TABLE = {ROOT / "models" / name for name in ("reasons.py", "reason_row.py")}
"""The second has the words of the statuses, of which some are reasons, too."""
SOURCES = [file for layer in ("models", "ray_tasks", "server") for file in (ROOT / layer).rglob("*.py")]
CLASSES = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, VestibuleError)}


def free_strings(source: str) -> Iterator[int]:
    """Lines on which a reason is written as text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and node.value in set(Reason):
            yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CLASSES:
            given = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
            yield from (value.lineno for value in given if isinstance(value, ast.Constant | ast.JoinedStr))


@pytest.mark.parametrize(
    "source",
    [
        'raise NotFound("No.", reason="NOT_IN_THE_TABLE")',
        'raise errors.NotFound("No.", reason=f"{kind}_NOT_FOUND")',
        'error.reason == "LEASE_LOST"',
        'failed("UPSTREAM_EMPTY", "It said nothing.")',
    ],
)
def test_a_reason_written_as_a_string_is_found(source: str) -> None:
    assert list(free_strings(source))


def test_no_reason_is_written_as_a_string() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in SOURCES
        if file not in TABLE
        for line in free_strings(file.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_every_reason_is_used() -> None:
    given = {
        node.attr
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Reason"
    }
    assert sorted({reason.name for reason in Reason} - given) == []


def test_the_table_is_sorted_and_has_explanations() -> None:
    assert [reason.value for reason in Reason] == sorted(reason.name for reason in Reason)
    assert [reason for reason in Reason if not reason.meaning.endswith(".")] == []


def test_people_read_of_records_as_the_documentation_calls_them() -> None:
    """The API calls a proposed record a recommendation; the funnel report has others, which no reason is about."""
    assert [reason for reason in Reason if "recommendation" in f"{reason.meaning} {reason.hint}".lower()] == []


def test_every_status_is_a_grpc_code() -> None:
    assert {reason.status for reason in Reason} <= set(grpc.StatusCode.__members__)


def test_a_reason_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(InvalidInput("No.", reason=Reason.UNKNOWN_LANGUAGE)))
    assert error.reason is Reason.UNKNOWN_LANGUAGE
    assert error.hint == Reason.UNKNOWN_LANGUAGE.hint
