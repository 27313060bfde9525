"""The output of the CLI: tables for people, JSON for scripts, one error format for both."""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from models.errors import VestibuleError
from server.cli.time_types import as_utc
from server.times import machine_time, shown_length, shown_time

if TYPE_CHECKING:
    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp

FAILED = 1
_FRAME = 3
"""Characters around each column of a table."""
STARTING = "A server that was just started answers after about a minute: try again then."


class Failure(click.ClickException):
    """A command that failed for a known reason; exits with 1.

    Args:
        message: One plain sentence.
        reason: Stable reason as in docs/reference/errors.md, or empty.
        hint: What to do, or empty.
        details: Further lines, for example the invalid fields of a request.
    """

    exit_code = FAILED

    def __init__(self, message: str, *, reason: str = "", hint: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.reason = reason
        self.hint = hint
        self.details = tuple(details)

    def format_message(self) -> str:
        """Message with reason, then details, then the hint, one a line."""
        first = f"{self.message} [{self.reason}]" if self.reason else self.message
        return "\n".join([first, *(f"  {d}" for d in self.details), *([f"Hint: {self.hint}"] if self.hint else [])])

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it to stderr."""
        click.echo(f"Error: {self.format_message()}", file=file, err=file is None)

    @classmethod
    def of(cls, error: VestibuleError, about: str = "") -> Failure:
        """The failure for a Vestibule error that was raised in this process.

        Args:
            error: The error.
            about: Put before its message, for example the name of a file.
        """
        violations = [f"{v.field}: {v.description}" for v in error.violations]
        message = f"{about}: {error.message}" if about else error.message
        return cls(message, reason=error.reason, hint=error.hint, details=violations)


def check_can_write(path: Path, option: str) -> None:
    """Check before the work that its result can be written to a file.

    Args:
        path: The file. It is not created.
        option: The option that named it.

    Raises:
        click.UsageError: It cannot be written.
    """
    try:
        path = path.resolve()  # If the path is a dangling link, its target is created and removed again.
        there = path.exists()
        if there and not path.is_file():
            return  # opening a device or a pipe may have effects
        with path.open("ab"):
            pass
    except OSError as exc:
        raise click.UsageError(f"{option}: {path} cannot be written ({exc.strerror}).") from exc
    if not there:
        path.unlink(missing_ok=True)


def check_can_fill(folder: Path, option: str) -> None:
    """Create a folder for results, before the work.

    Raises:
        click.UsageError: It cannot be created or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as exc:
        raise click.UsageError(f"{option}: {folder} is not a folder that can be written to ({exc.strerror}).") from exc


def show_json(value: object) -> None:
    """Print one JSON document; times are RFC 3339 in UTC, and what is no finite number is null."""
    click.echo(json.dumps(_finite(value), ensure_ascii=False, indent=2, default=_json_value, allow_nan=False))


def time_text(moment: Timestamp) -> str:
    """A time of a message for people: ``2026-11-28 00:35 UTC``."""
    return shown_time(moment.ToDatetime())


def time_json(moment: Timestamp) -> str:
    """A time of a message for ``--json``: ``2026-11-28T00:35:23Z``."""
    return machine_time(moment.ToDatetime())


def length_text(length: Duration) -> str:
    """A length of time of a message for people: ``25 min 44 s``."""
    return shown_length(length.ToTimedelta().total_seconds())


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing there.", missing: str = ""
) -> None:
    """Print a table, or ``empty`` when there is no row; see ``table_text``."""
    click.echo(table_text(columns, rows, missing=missing) or empty)


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]], *, missing: str = "") -> str:
    """A table as lines of text: drawn for a terminal, Markdown elsewhere; empty when there is no row.

    No word is broken. A terminal that is too narrow for the longest words gets the rows one below the other, each as
    lines of ``name  value``.

    Args:
        columns: Headings. A column of numbers is aligned right.
        rows: Cells in the order of the headings.
        missing: What a cell with None has.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [list(row) for row in rows]
    if not cells:
        return ""
    terminal = sys.stdout.isatty()
    console = Console(highlight=False, no_color=not terminal)
    texts = [[missing if value is None else _cell(value) for value in row] for row in cells]
    widths = _column_widths([list(columns), *texts], console.width if terminal else None)
    if widths is None:
        return _one_below_the_other(columns, texts)
    table = Table(box=box.SIMPLE_HEAD if terminal else box.MARKDOWN, pad_edge=not terminal)
    for index, name in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in cells)
        table.add_column(name, justify="right" if numeric else "left", width=widths[index])
    for row in texts:
        table.add_row(*map(Text, row))
    console.width = sum(widths) + _FRAME * len(widths) + 1
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines() if line.strip())


def _column_widths(rows: Sequence[Sequence[str]], most: int | None) -> list[int] | None:
    """Width of each column without its frame, so that no word is broken; None if the words need more than ``most``.

    Args:
        rows: The headings, then the cells.
        most: Width of the whole table; None means that there is no bound.
    """
    from rich.cells import cell_len

    cells = list(zip(*rows, strict=True))
    full = [max(cell_len(line) for cell in column for line in cell.splitlines() or [""]) for column in cells]
    words = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in cells]
    left = None if most is None else most - sum(words) - _FRAME * len(words) - 1
    if left is None:
        return full
    if left < 0:
        return None
    wishes = [wanted - least for wanted, least in zip(full, words, strict=True)]
    for rank, at in enumerate(sorted(range(len(wishes)), key=wishes.__getitem__)):  # small wishes first
        more = min(wishes[at], left // (len(wishes) - rank))
        words[at] += more
        left -= more
    return words


def _one_below_the_other(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Each row as lines of ``name  value``, without its empty values."""
    width = max(map(len, columns))
    pairs = (filter(all, zip(columns, row, strict=True)) for row in rows)
    return "\n\n".join("\n".join(f"{name:<{width}}  {value}" for name, value in row) for row in pairs)


def show_fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print ``name  value`` lines, values aligned."""
    listed = [(name, _cell(value)) for name, value in pairs]
    width = max((len(name) for name, _ in listed), default=0)
    for name, value in listed:
        click.echo(f"{name:<{width}}  {value}")


def _finite(value: object) -> object:
    """The value with None for each NaN and infinity, which JSON has no form for."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list() | tuple():
            return [_finite(each) for each in value]
        case _:
            return value


def _json_value(value: object) -> str:
    """A value that JSON has no type for. A time of a query without a zone is UTC, as all times of the ledger are."""
    if isinstance(value, datetime):
        return as_utc(value).isoformat().removesuffix("+00:00") + "Z"
    return str(value)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)
