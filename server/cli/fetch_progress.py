"""Tells how far a download of weights is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from models.weights.store import Progress

_MEGABYTE: Final = 1_000_000


@contextmanager
def fetch_progress() -> Iterator[Progress]:
    """Progress on stderr: a bar on a terminal, elsewhere one line for each finished file."""
    if not sys.stderr.isatty():
        yield line_when_done()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("  {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _bar_updater(bars)


def _bar_updater(bars: Any) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def update(what: str, done_bytes: int, total_bytes: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total_bytes)
        bars.update(tasks[what], completed=done_bytes)

    return update


def line_when_done() -> Progress:
    """Tells of each file once."""
    done: set[str] = set()

    def update(what: str, done_bytes: int, total_bytes: int) -> None:
        if done_bytes < total_bytes:
            done.discard(what)
        elif what not in done:  # the end of a file is told when it has come, and when it is verified
            done.add(what)
            click.echo(f"  {what}: {in_megabytes(total_bytes)}", err=True)

    return update


def in_megabytes(size_bytes: int) -> str:
    """A size as the registries of packages and the Hub give it."""
    return f"{size_bytes / _MEGABYTE:.0f} MB" if size_bytes >= _MEGABYTE else f"{size_bytes / 1000:.0f} kB"
