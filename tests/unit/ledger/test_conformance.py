"""Every test module of the ledger says on which engines it runs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.source_tree import ROOT
from tests.unit.ledger import conformance, sql_files
from tests.unit.ledger.conformance import BOTH, EMBEDDED, NO_ENGINE

FOLDER = Path(__file__).parent
LEDGER = ROOT / "server" / "ledger"
SQL = re.compile(
    r"\b(SELECT|UPDATE \w+|INSERT INTO|DELETE FROM|(CREATE|ALTER|DROP) [A-Z]+|FROM \w+|COMMENT ON|CHECKPOINT|SET \w+)\b"
)


def test_every_test_module_is_on_exactly_one_list() -> None:
    listed = [*BOTH, *EMBEDDED, *NO_ENGINE]
    assert sorted(listed) == sorted(path.stem for path in FOLDER.glob("test_*.py"))


def test_no_test_waits_for_code_that_runs_on_both() -> None:
    assert not hasattr(conformance, "TO_DO")
    reasons = {reason for tests in BOTH.values() for reason in tests.values()}
    assert not {reason for reason in reasons if "to do" in reason}


def test_the_tests_that_stay_on_duckdb_exist() -> None:
    for module, tests in BOTH.items():
        functions = ast.parse((FOLDER / f"{module}.py").read_text()).body
        assert set(tests) <= {each.name for each in functions if hasattr(each, "name")}


def _names_duckdb(function: ast.AST) -> bool:
    """Whether a test or a fixture asks for the ledger or the library of DuckDB."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return bool(names & {"EmbeddedLedger", "open_ledger", "duckdb"})


def test_what_asks_for_duckdb_in_a_module_of_both_is_listed_with_its_reason() -> None:
    for module, tests in BOTH.items():
        functions = [each for each in ast.parse((FOLDER / f"{module}.py").read_text()).body if hasattr(each, "name")]
        assert {each.name for each in functions if _names_duckdb(each)} <= set(tests), module
        assert all(tests.values())


def _has_sql(path: Path) -> bool:
    """Whether a module has SQL in a text that is no docstring."""
    tree = ast.parse(path.read_text())
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return any(SQL.search(str(text.value)) for text in texts if id(text) not in alone)


def test_every_module_with_sql_says_who_runs_it() -> None:
    lists = (sql_files.BOTH, sql_files.SCHEMA, sql_files.POSTGRESQL, sql_files.ANALYSTS, sql_files.EMBEDDED)
    listed = [name for names in lists for name in names]
    assert sorted(listed) == sorted(path.stem for path in LEDGER.glob("*.py") if _has_sql(path))


def _imported(path: Path) -> set[str]:
    """The modules of ``server.ledger`` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "server.ledger":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("server.ledger."):
            found.add(str(node.module).split(".")[2])
    return found


def test_what_servers_run_is_reached_by_tests_that_run_on_both_engines() -> None:
    reached: set[str] = set()
    new = {name for module in BOTH for name in _imported(FOLDER / f"{module}.py")}
    while new:
        reached |= new
        files = (LEDGER / f"{name}.py" for name in new)
        new = {name for file in files if file.exists() for name in _imported(file)} - reached
    assert reached >= sql_files.BOTH
