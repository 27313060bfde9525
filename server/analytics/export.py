"""Exports views by day as Parquet, and brings a folder of such days to what the ledger says now.

A day is written again when the ledger has it otherwise than at the last export: events came late, a session moved on,
a text was redacted again. Rows that retention has deleted in the ledger stay in the folder. A session that the ledger
does not have any more was erased: its rows go, whatever their day.
"""

# ruff: noqa: S608 - all names in SQL are ours

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from server.analytics.client import LiveConnection, RefusedQuery, quoted
from server.analytics.export_folder import SCRATCH, ExportFolder
from server.analytics.refusals import Cause

EXPORTED: Final = {
    "v_events": ("event_time", "event_id"),
    "v_sessions": ("create_time", "session_id"),
    "v_records": ("create_time", "record_id"),
    "v_decisions": ("decide_time", "record_id"),
    "v_turns": ("create_time", "turn_id"),
    "v_uploads": ("create_time", "upload_id"),
}
"""Views that can be exported: the time that places a row in a day, and the id of a row."""
USUAL: Final = ("v_events", "v_sessions", "v_records", "v_decisions")
"""Those that are exported if none is named: without what was said and read, which retention may limit."""

_DELETED_BY: Final = {"v_events": "server_time"}
"""Views whose rows may move to another day, and the time by which retention deletes them. A row that is older than all
that the ledger has was deleted; another one that is missing has moved, because a clock was corrected."""
_TOO_MUCH: Final = (Cause.TIME, Cause.MEMORY)
_HOURS: Final = 24
_HASH: Final = "row_hash"
_PARQUET: Final = "(FORMAT parquet, COMPRESSION zstd)"


@dataclass(slots=True)
class Exported:
    """What was done to a view.

    Attributes:
        days: Written, because the ledger has them otherwise or they were not there.
        rows: In these days.
        erased_rows: Rows that go, because their sessions were erased.
        unchanged: Days that were there already.
    """

    days: int = 0
    rows: int = 0
    erased_rows: int = 0
    unchanged: int = 0


Progress = Callable[[str, str, int, int], None]
"""Gets a view and a day that was looked at, how many days are done, and how many there are of the view."""


class Exporter:
    """One run.

    Args:
        reader: An analyst's connection; everything that is exported went through the policy for analysts.
        folder: Opened, and nobody else writes into it.
        dry_run: Whether to count only.
        progress: Gets each day.
    """

    def __init__(self, reader: LiveConnection, folder: ExportFolder, *, dry_run: bool, progress: Progress) -> None:
        self._reader = reader
        self._folder = folder
        self._dry_run = dry_run
        self._progress = progress
        self._here(f"SET temp_directory = {quoted(str(folder.root / SCRATCH))}")

    def run(self, views: Sequence[str], since: date | None, until: date) -> dict[str, Exported]:
        """Delete what was erased from all days of the folder, then export the days that the ledger has otherwise.

        Args:
            views: Of ``EXPORTED``.
            since: First day; None for the first that the ledger has.
            until: The day after the last one.

        Raises:
            RefusedQuery: One hour is too much for one query.
        """
        self._reader.run_here(
            "CREATE OR REPLACE TEMP TABLE known_sessions AS FROM {0}", "SELECT session_id FROM v_sessions"
        )
        done = {view: Exported() for view in views}
        for view in EXPORTED:
            if files := dict(self._folder.files(view)):
                erased = self._erase(view, files)
                done.setdefault(view, Exported()).erased_rows = erased
        for view in views:
            self._export(view, since, until, done[view])
        return done

    def _export(self, view: str, since: date | None, until: date, done: Exported) -> None:
        [(first,)] = self._reader.execute(f"SELECT min({EXPORTED[view][0]})::DATE FROM {view}").fetchall()
        if first is None:
            return
        columns = self._columns(view)
        begin = max(first, since) if since else first
        days = list(self._days(view, columns, begin, until)) if begin < until else []
        for number, (day, fingerprint) in enumerate(days, start=1):
            if self._folder.has(view, day, fingerprint):
                done.unchanged += 1
            else:
                written = fingerprint if self._dry_run else self._write(view, day, columns)
                done.days += 1
                done.rows += int(written.partition("-")[0])
            self._progress(view, day, number, len(days))
        left = {day for day, _ in self._folder.files(view)} - {day for day, _ in days}
        if self._dry_run or view not in _DELETED_BY:
            return
        deleted = self._deleted(view)
        for day in sorted(left):
            if begin <= date.fromisoformat(day) < until:
                self._keep(view, day, deleted)

    def _deleted(self, view: str) -> str:
        """The condition for rows of the folder that retention has deleted in the ledger.

        Ask for it after the ledger was asked for its rows: what retention deletes in between has not moved.
        """
        if view not in _DELETED_BY:
            return "true"
        time = _DELETED_BY[view]
        [(oldest,)] = self._reader.execute(f"SELECT min({time})::VARCHAR FROM {view}").fetchall()
        return "true" if oldest is None else f"{time} < TIMESTAMP '{oldest}'"

    def _columns(self, view: str) -> dict[str, str]:
        """Names and types of the columns."""
        described = self._reader.execute(f"SELECT * FROM {view} LIMIT 0").description or []
        return {str(name): str(kind) for name, kind, *_ in described}

    def _days(self, view: str, columns: Iterable[str], since: date, until: date) -> Iterator[tuple[str, str]]:
        """Days with rows, and a fingerprint of each."""
        time = EXPORTED[view][0]
        try:
            found = self._reader.execute(
                f"""SELECT {time}::DATE::VARCHAR AS day, {_fingerprint(_row_hash(columns))}
                FROM {view} WHERE {_between(time, since, until)} GROUP BY day ORDER BY day"""
            ).fetchall()
        except RefusedQuery as error:
            if error.cause not in _TOO_MUCH or until - since <= timedelta(days=1):
                raise
            middle = since + (until - since) // 2
            yield from self._days(view, columns, since, middle)
            yield from self._days(view, columns, middle, until)
            return
        yield from ((str(day), str(fingerprint)) for day, fingerprint in found)

    def _write(self, view: str, day: str, columns: dict[str, str]) -> str:
        """Write a day; of the file that is there, keep the rows that retention has deleted in the ledger.

        Returns:
            The fingerprint of the ledger's rows that were written, which may be others than ``_days`` has seen.
        """
        time, row_id = EXPORTED[view]
        shown = ", ".join(f"{name}::VARCHAR AS {name}" if kind == "JSON" else name for name, kind in columns.items())
        shown += f", {_row_hash(columns)} AS {_HASH}"
        begin = date.fromisoformat(day)
        try:
            self._fetch([f"SELECT {shown} FROM {view} WHERE {_between(time, begin, begin + timedelta(days=1))}"])
        except RefusedQuery as error:
            if error.cause not in _TOO_MUCH:
                raise
            hours = [f"TIMESTAMP '{day}' + INTERVAL {hour} HOUR" for hour in range(_HOURS + 1)]
            self._fetch(
                [f"SELECT {shown} FROM {view} WHERE {time} >= {a} AND {time} < {b}" for a, b in pairwise(hours)]
            )
        rows, earlier = f"SELECT * EXCLUDE ({_HASH}) FROM new_rows", self._folder.file(view, day)
        if earlier.exists():
            rows += f""" UNION ALL BY NAME FROM {_parquet([earlier])}
                WHERE {self._deleted(view)} AND {row_id} NOT IN (SELECT {row_id} FROM new_rows)"""
        target = self._folder.begin(view, day)
        self._here(f"COPY (FROM ({rows}) ORDER BY {time}, {row_id}) TO {quoted(str(target))} {_PARQUET}")
        [(fingerprint,)] = self._here(f"SELECT {_fingerprint(_HASH)} FROM new_rows")
        self._here("DROP TABLE new_rows")
        self._finish(view, day, target, str(fingerprint))
        return str(fingerprint)

    def _fetch(self, statements: Iterable[str]) -> None:
        """Put the rows of the statements into the table ``new_rows``. Quack reads one statement at a time."""
        first, *others = statements
        self._reader.run_here("CREATE OR REPLACE TEMP TABLE new_rows AS FROM {0}", first)
        for statement in others:
            self._reader.run_here("INSERT INTO new_rows FROM {0}", statement)

    def _erase(self, view: str, files: dict[str, Path]) -> int:
        """Delete rows of sessions that the ledger does not have, from every day; returns how many there were."""
        found = self._here(
            f"""SELECT day::VARCHAR, count(*) FROM {_parquet(files.values(), by_day=True)}
            WHERE session_id NOT IN (FROM known_sessions) GROUP BY day ORDER BY day"""
        )
        for day, _ in found:
            if not self._dry_run:
                self._keep(view, day, "session_id IN (FROM known_sessions)")
        return sum(rows for _, rows in found)

    def _keep(self, view: str, day: str, condition: str) -> None:
        """Keep of a day the rows for which a condition holds; delete the day if there are none."""
        time, row_id = EXPORTED[view]
        earlier, target = self._folder.file(view, day), self._folder.begin(view, day)
        rows = f"FROM {_parquet([earlier])} WHERE {condition} ORDER BY {time}, {row_id}"
        self._here(f"COPY ({rows}) TO {quoted(str(target))} {_PARQUET}")
        self._finish(view, day, target, self._folder.days.get(view, {}).get(day, ""))

    def _finish(self, view: str, day: str, target: Path, fingerprint: str) -> None:
        """Put what was written in its place; delete the day if there are no rows."""
        [(number,)] = self._here(f"SELECT count(*) FROM {_parquet([target])}")
        if number:
            self._folder.finish(view, day, fingerprint)
        else:
            self._folder.remove(view, day)

    def _here(self, sql: str) -> list[tuple[Any, ...]]:
        return self._reader.local.execute(sql).fetchall()


def _row_hash(columns: Iterable[str]) -> str:
    return f"hash({', '.join(columns)})"


def _fingerprint(row_hash: str) -> str:
    """The number of rows, and the hashes of all of them together."""
    return f"concat(count(*), '-', bit_xor({row_hash}))"


def _between(time: str, since: date, until: date) -> str:
    return f"{time} >= TIMESTAMP '{since}' AND {time} < TIMESTAMP '{until}'"


def _parquet(files: Iterable[Path], *, by_day: bool = False) -> str:
    """The rows of files; with ``by_day`` the folder of each gives its column ``day``."""
    listed = ", ".join(quoted(str(file)) for file in files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = {str(by_day).lower()})"
