"""Times and days on the command line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from server.cli.main import cli
from server.cli.time_types import Day, Moment, Window, as_utc

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


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0s", "it must be from 1s to 3660d"),
        ("3661d", "it must be from 1s to 3660d"),
        ("99999999d", "a number of at most six digits with s, m, h or d"),
        ("-5m", "a number of at most six digits with s, m, h or d"),
        ("5", "a number of at most six digits with s, m, h or d"),
    ],
)
def test_a_window_that_cannot_be_is_refused_with_its_bounds(text: str, told: str) -> None:
    for command in (["funnel"], ["funnel", "report"]):
        done = CliRunner().invoke(cli, [*command, "--steps", "app_opened,COMPLETED", f"--window={text}"])
        assert (done.exit_code, told in done.stderr) == (2, True), done.stderr
    with pytest.raises(click.BadParameter, match="it must be"):
        Window().convert(text, None, None)


def test_a_window_may_have_any_length_in_its_bounds() -> None:
    assert [Window().convert(text, None, None).total_seconds() for text in ("1s", "3660d")] == [1, 316_224_000]


@pytest.mark.parametrize("command", [["funnel"], ["funnel", "report"], ["export", "--out"]])
def test_a_time_that_ends_before_it_begins_is_refused(command: list[str], tmp_path: Path) -> None:
    out = [str(tmp_path / "out")] if command[-1] == "--out" else []
    done = CliRunner().invoke(cli, [*command, *out, "--from", "2026-11-08", "--to", "2026-11-01"])
    assert (done.exit_code, "--from must be before --to" in done.stderr) == (2, True)
