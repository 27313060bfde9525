"""Every test module of the ledger says on which engines it runs."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.unit.ledger.conformance import BOTH, EMBEDDED, NO_ENGINE, TO_DO

FOLDER = Path(__file__).parent


def test_every_test_module_is_on_exactly_one_list() -> None:
    listed = [*BOTH, *EMBEDDED, *NO_ENGINE, *TO_DO]
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("test_*.py"))


def test_the_tests_that_stay_on_duckdb_exist() -> None:
    for module, tests in BOTH.items():
        functions = ast.parse((FOLDER / f"{module}.py").read_text()).body
        assert set(tests) <= {each.name for each in functions if hasattr(each, "name")}
