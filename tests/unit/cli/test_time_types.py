"""Times and days on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from server.cli.main import cli
from server.cli.time_types import Day, Moment, as_utc

EIGHT = datetime(2026, 11, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T08:00",
        "2026-11-01 08:00",
        "2026-11-01 08:00 UTC",
        "2026-11-01T08:00:00",
        "2026-11-01T08:00:00Z",
        "2026-11-01T09:00+0100",
        "2026-11-01T09:00:00+01:00",
    ],
)
def test_a_time_is_read_with_or_without_seconds_and_zone(text: str) -> None:
    assert as_utc(Moment().convert(text, None, None)) == EIGHT


def test_a_day_is_its_beginning() -> None:
    for kind in (Moment(), Day()):
        assert kind.convert("2026-11-01", None, None) == datetime(2026, 11, 1)


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        (Moment(), "2026-W48", "2026-11-01T08:00"),
        (Moment(), "1.11.2026", "it must be a day or a time"),
        (Moment(), "2026-02-30", "there is no such day"),
        (Moment(), "2026-11-01T25:00", "there is no such day or time"),
        (Day(), "2026-11-01T08:00", "it must be a day, such as 2026-11-01"),
    ],
)
def test_what_is_no_time_is_refused_with_one_that_is(kind: Moment, text: str, told: str) -> None:
    with pytest.raises(click.BadParameter, match=told):
        kind.convert(text, None, None)


@pytest.mark.parametrize("command", [["funnel"], ["funnel", "report"], ["export", "--out"]])
def test_a_time_that_ends_before_it_begins_is_refused(command: list[str], tmp_path: Path) -> None:
    out = [str(tmp_path / "out")] if command[-1] == "--out" else []
    done = CliRunner().invoke(cli, [*command, *out, "--from", "2026-11-08", "--to", "2026-11-01"])
    assert (done.exit_code, "--from must be before --to" in done.stderr) == (2, True)
