"""Every query of the pages for analysts runs over Quack: from Python, DuckDB's prompt, SQLAlchemy and our command."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from click.testing import CliRunner

from server.analytics.client import connect
from server.cli.analyst import attach_statements
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger.all_macros import ALL_MACROS
from server.ledger.all_views import ALL_VIEWS
from tests.unit.analytics.endpoints import endpoint_of
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.test_quack import TOKEN
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

PAGES = [
    Path(__file__).resolve().parents[3] / "docs" / "operating" / name
    for name in ("events.md", "ledger-and-sql.md", "funnels.md", "reviewing.md")
]
FUNNEL = [(1, "camera_opened", 1, 1.0, None), (2, "photo_taken", 1, 1.0, 1.0), (3, "photo_sent", 1, 1.0, 1.0)]


def pasted() -> list[str]:
    """The blocks, as somebody copies them."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    return [block for block in re.findall(r"```sql\n(.*?)```", text, re.DOTALL) if "ATTACH" not in block]


def recipes() -> list[str]:
    queries = [query.strip() for block in pasted() for query in block.split(";")]
    return [query for query in queries if query]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    ledger = open_ledger(tmp_path_factory.mktemp("recipes") / "data" / "ledger.duckdb", lambda: NOW)
    names = ("camera_opened", "photo_taken", "photo_sent")
    ledger.write_now(lambda cursor: store(cursor, {"s1": [Happened(name, at) for at, name in enumerate(names)]}))
    [number] = free_ports(1)
    endpoint = endpoint_of(ledger, number, TOKEN)
    endpoint.start()
    yield number
    endpoint.stop()
    ledger.close()


@pytest.fixture(scope="module")
def answers(port: int) -> dict[str, list[tuple[Any, ...]]]:
    """What Python gets."""
    with connect(port, TOKEN) as analyst:
        return {query: analyst.execute(query).fetchall() for query in recipes()}


def _attach(port: int) -> list[str]:
    """The lines that `vestibule sql --attach` prints, up to ATTACH."""
    lines = attach_statements(port, TOKEN).splitlines()
    return [line for line in lines if not line.startswith(("--", "FROM"))]


def _remote(query: str) -> str:
    quoted = query.replace("'", "''")
    return f"FROM live.query('{quoted}')"


def test_every_recipe_runs_from_python(answers: dict[str, list[tuple[Any, ...]]]) -> None:
    assert len(answers) >= 26
    [funnel] = [rows for query, rows in answers.items() if query.startswith("FROM funnel(")]
    assert funnel == FUNNEL


def test_every_recipe_runs_from_the_prompt_of_duckdb(
    port: int, answers: dict[str, list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    script = [*_attach(port), ".mode csv", ".headers off"]
    for number, query in enumerate(answers):
        script += [f".print recipe {number}", f"{_remote(query)};"]
    run = subprocess.run(
        [sys.executable, "-m", "duckdb_cli", "-bail", "-no-init"],
        input="\n".join(script),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert (run.returncode, run.stderr) == (0, "")
    parts = re.split(r"^recipe \d+\r?\n", run.stdout, flags=re.MULTILINE)[1:]
    found = [len(list(csv.reader(part.splitlines(keepends=True)))) for part in parts]
    assert found == [len(rows) for rows in answers.values()]


def test_every_recipe_runs_from_sqlalchemy(port: int, answers: dict[str, list[tuple[Any, ...]]]) -> None:
    """The driver of Superset and other BI tools, attached as the page says."""
    engine = sqlalchemy.create_engine("duckdb:///:memory:")

    @sqlalchemy.event.listens_for(engine, "connect")
    def attach(connection: Any, record: object) -> None:
        for line in _attach(port):
            connection.execute(line)

    with engine.connect() as connection:
        found = {
            query: [tuple(row) for row in connection.exec_driver_sql(_remote(query)).fetchall()] for query in answers
        }
    engine.dispose()
    assert {query: len(rows) for query, rows in found.items()} == {query: len(rows) for query, rows in answers.items()}
    [funnel] = [rows for query, rows in found.items() if query.startswith("FROM funnel(")]
    assert funnel == FUNNEL


def test_every_recipe_pasted_into_the_command_runs(
    port: int, answers: dict[str, list[tuple[Any, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Query by query over one connection, as to make one takes longer than a query; a block over its own."""
    monkeypatch.setenv("VESTIBULE_QUACK__TOKEN", TOKEN)
    with connect(port, TOKEN) as kept, monkeypatch.context() as patched:
        patched.setattr("server.analytics.client.connect", lambda *_, **__: kept)
        patched.setattr(kept, "close", lambda: None)  # by the command
        for query, rows in answers.items():
            done = CliRunner().invoke(cli, ["sql", query, "--json", "--port", str(port)])
            assert done.exit_code == 0, (query, done.output)
            assert len(json.loads(done.stdout)) == len(rows), query
    for block in pasted():
        done = CliRunner().invoke(cli, ["sql", "--port", str(port)], input=block)
        assert done.exit_code == 0, (block, done.output)
        assert all(line in done.stdout for line in block.splitlines() if line.startswith("-- ")), "what each answers"


def test_a_client_sees_the_comment_of_every_view_and_column(answers: dict[str, list[tuple[Any, ...]]]) -> None:
    [views] = [rows for query, rows in answers.items() if query.startswith("SELECT view_name, comment")]
    [columns] = [rows for query, rows in answers.items() if query.startswith("SELECT table_name, column_name, data")]
    assert dict(views) == {view.name: view.comment for view in ALL_VIEWS}
    told = {(table, column): comment for table, column, _, comment in columns}
    assert told == {(view.name, name): text for view in ALL_VIEWS for name, text in view.columns.items()}


def test_no_table_of_the_ledger_is_in_the_catalogue(port: int) -> None:
    """Not by its keys either, for which the ADBC driver asks."""
    with connect(port, TOKEN) as analyst:
        for function in ("duckdb_tables", "duckdb_constraints"):
            assert analyst.execute(f"SELECT count(*) FROM {function}()").fetchall() == [(0,)]


def test_the_pages_have_a_recipe_of_every_macro() -> None:
    used = "\n".join(recipes())
    assert [macro.name for macro in ALL_MACROS if f"{macro.name}(" not in used] == []
