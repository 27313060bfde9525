"""Each command writes times in one form for people and in one form for programs."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from server.cli.main import cli
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Told
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

FOR_PEOPLE = re.compile(r"2026-\d\d-\d\d \d\d:\d\d UTC")
FOR_PROGRAMS = re.compile(r'2026-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z(?=")')
ANY_TIME = re.compile(r"2026-\d\d-\d\d[ T]\d\d:\d\d")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    here = tmp_path_factory.mktemp("written")
    data, state = here / "data", here / "state"
    data.mkdir()
    state.mkdir()
    ledger = open_ledger(data / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    ledger.write_now(lambda cursor: keep(cursor, [Told(f"s{n}", (Happened("cart", 0),), NOW) for n in range(3)]))
    ledger.close()
    return "--data-dir", str(data), "--state-dir", str(state)


@pytest.mark.parametrize(
    ("command", "times"),
    [
        (("funnel", "--steps", "cart,pay", "--sessions", "reached@cart"), 6),
        (("funnel", "--steps", "cart,pay", "--sessions", "reached@cart", "--json"), 6),
        (("funnel", "report"), 1),
        (("funnel", "report", "--steps", "cart,pay", "--json"), 3),
        (("sessions", "list"), 6),
        (("sessions", "list", "--json"), 6),
        (("sql", "--json", "SELECT create_time, update_time FROM v_sessions"), 6),
    ],
)
def test_times_have_one_form(command: tuple[str, ...], times: int, folders: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*command, *folders], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    expected = FOR_PROGRAMS if "--json" in command else FOR_PEOPLE
    assert len(expected.findall(result.stdout)) == len(ANY_TIME.findall(result.stdout)) == times
