"""Searches everything that a run received, sent and left behind for the planted values; none may be there."""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from models.amounts import count_text
from server.cli.demo.part_probe import sentences_in, sentences_of_requests
from server.cli.demo.planted import Planted
from server.cli.demo.probe import Hit, Probe
from server.cli.demo.vision_replies import pictures_of_requests
from server.cli.output import Failure

if TYPE_CHECKING:
    import duckdb

COPY_ATTEMPTS = 10
COPY_PAUSE_S = 0.2
DEFINED = frozenset({"flows.content"})
"""Columns that come with the server or from an operator. Only whole values are searched for: parts of some are there by
chance."""
CANARY = Planted("NAME", "Zelda Quixote-Ampersand", "zelda dot quixote at nowhere dot example", "canary")
CANARY_NUMBER = Planted("PHONE", "(907) 555-0199", "", "canary")


@dataclass(frozen=True, slots=True)
class Traces:
    """Where a run may have left traces.

    Attributes:
        shown: Every text that the app received.
        logs: Output of the server and of the stand-ins.
        ray_logs: Folders with Ray's own logs.
        ledger: The DuckDB file; its write-ahead log lies beside it.
        state: Folder with the spool, keys and logs.
        pictures: Redacted pictures as the app received them.
        received: Every byte that the stand-in LLM received; None when another LLM was used.
        seen: Every byte that the stand-in for a vision upstream received; None when another one was used.
    """

    shown: Sequence[str]
    logs: list[Path]
    ray_logs: list[Path]
    ledger: Path
    state: Path
    pictures: list[Path]
    received: Path | None
    seen: Path | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of searching one place.

    Attributes:
        searched: How much was searched, in plain words.
        hits: Each value that was found, with the file or column.
    """

    place: str
    searched: str
    hits: tuple[tuple[str, Hit], ...]


class Search(Protocol):
    """Looks for whole values in bytes. ``Probe`` implements it for a few values."""

    def search(self, data: bytes) -> list[Hit]:
        """Every value that is there."""
        ...


class PartSearch(Protocol):
    """Looks for readable parts of values in texts. ``PartProbe`` implements it."""

    def search(self, texts: Iterable[str]) -> list[Hit]:
        """Every value that has a part there."""
        ...


@dataclass(frozen=True, slots=True)
class Probes:
    """What is looked for.

    Attributes:
        whole: Looks for whole values in any bytes.
        parts: Looks for their readable parts in texts.
    """

    whole: Search
    parts: PartSearch

    def in_texts(self, texts: Iterable[str]) -> list[Hit]:
        """Whole values and parts in texts."""
        listed = list(texts)
        return [*self.whole.search("\n".join(listed).encode()), *self.parts.search(listed)]


def prove(traces: Traces, probes: Probes, read_picture: Callable[[Path], str]) -> list[Finding]:
    """Search every place.

    Args:
        traces: Where to look.
        probes: What must not be there.
        read_picture: Reads the print in a picture, an OCR.

    Raises:
        Failure: The probe itself does not work, or a place that must be there is not.
    """
    check_probe()
    findings = [
        _search_shown(traces.shown, probes),
        _search_files("output of server and stand-ins", traces.logs, probes.whole),
        _search_files("Ray's logs", files_below(traces.ray_logs), probes.whole),
        _search_ledger_files(traces.ledger, probes.whole),
        _search_columns(traces.ledger, probes),
        _search_files("spool and state folder", files_below([traces.state]), probes.whole, may_be_empty=True),
        _search_pictures(traces.pictures, probes, read_picture),
    ]
    if traces.received is not None:
        findings += _search_received(traces.received, probes)
    if traces.seen is not None:
        findings += _search_seen(traces.seen, probes, read_picture)
    return findings


def _search_shown(shown: Sequence[str], probes: Probes) -> Finding:
    if not any(shown):
        raise Failure("There is nothing to search: the app received no text.")
    hits = tuple(("text", hit) for hit in probes.in_texts(shown))
    return Finding("texts that the app received", f"{len(shown)} texts", hits)


def _search_received(received: Path, probes: Probes) -> list[Finding]:
    data = received.read_bytes()
    texts = list(sentences_of_requests(data))
    if not texts:
        raise Failure("There is nothing to search: the LLM received no message.")
    hits = tuple((received.name, hit) for hit in probes.parts.search(texts))
    return [
        _search_files("bytes that the LLM received", [received], probes.whole),
        Finding("texts of the messages to the LLM", f"{len(texts)} sentences", hits),
    ]


def _search_seen(seen: Path, probes: Probes, read_picture: Callable[[Path], str]) -> list[Finding]:
    """Search the bytes that the vision upstream got, and the print in each picture among them."""
    pictures = pictures_of_requests(seen.read_bytes())
    if not pictures:
        raise Failure("There is nothing to search: the vision upstream received no picture.")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}-shown.jpg" for number in range(1, len(pictures) + 1)]
        for file, picture in zip(files, pictures, strict=True):
            file.write_bytes(picture)
        read = _search_pictures(files, probes, read_picture)
    return [
        _search_files("bytes that the vision upstream received", [seen], probes.whole),
        replace(read, place="pictures that it received, read again"),
    ]


def check_probe() -> None:
    """Check that the search finds a test value in every form.

    Raises:
        Failure: It misses one, or finds one where there is none.
    """
    name, number = CANARY.value, CANARY_NUMBER.value
    forms = {
        "as it is": name.encode(),
        "in capitals": name.upper().encode(),
        "in JSON": b'{"text": "\\nquixote\\u002dampersand"}'.replace(b"quixote", b"zelda quixote"),
        "a part of it": b"dear ms quixote,",
        "as said": CANARY.spoken.encode(),
        "in UTF-16": name.encode("utf-16-le"),
        "in UTF-16, the other way round": name.encode("utf-16-be"),
        "digits": b"9075550199",
        "digits with other separators": b"+1 907.555 0199",
        **{f"in Base64, shifted by {n}": base64.b64encode(b"x" * n + name.encode() + b"yz") for n in range(3)},
    }
    probe = Probe([CANARY, CANARY_NUMBER])
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "scratch.bin"
        for form, content in forms.items():
            scratch.write_bytes(b"\x00noise " + content + b" noise")
            if not probe.search(scratch.read_bytes()):
                raise Failure(f"The search does not work: it does not find its test value {form}.")
        scratch.write_bytes(b"noise zeldas quix amper 907 555 " + number[:5].encode())
        if probe.search(scratch.read_bytes()):
            raise Failure("The search does not work: it finds its test value where there is none.")


def _search_files(place: str, files: Iterable[Path], probe: Search, *, may_be_empty: bool = False) -> Finding:
    hits: list[tuple[str, Hit]] = []
    count = size = 0
    for file in files:
        try:
            data = file.read_bytes()
        except FileNotFoundError:  # the server works meanwhile, and has deleted it
            continue
        count, size = count + 1, size + len(data)
        hits += [(file.name, hit) for hit in probe.search(data)]
    if not count and not may_be_empty:
        raise Failure(f"There is nothing to search: {place}.")
    return Finding(place, f"{count_text(count, 'file')}, {size / 1000:,.0f} kB", tuple(hits))


def files_below(folders: Iterable[Path]) -> list[Path]:
    """The files in these folders, without links. One may be deleted meanwhile, at which ``Path.rglob`` fails."""
    places = (Path(at, name) for folder in folders for at, _, names in os.walk(folder) for name in names)
    return sorted(path for path in places if path.is_file() and not path.is_symlink())


def _search_ledger_files(ledger: Path, probe: Search) -> Finding:
    """Search a copy, because a checkpoint may move rows from the log to the file between two reads."""
    with tempfile.TemporaryDirectory() as folder:
        return _search_files("database file and write-ahead log", _copied(ledger, Path(folder)), probe)


def _ledger_files(ledger: Path) -> list[Path]:
    return [p for p in (ledger, ledger.with_name(ledger.name + ".wal")) if p.exists()]


def _search_columns(ledger: Path, probes: Probes) -> Finding:
    """Search all columns of all tables, because strings are compressed inside the file."""
    import duckdb

    hits: list[tuple[str, Hit]] = []
    values = 0
    with tempfile.TemporaryDirectory() as folder, copied_ledger(ledger, Path(folder)) as connection:
        listed = connection.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal AND table_name IN "
            "(SELECT table_name FROM duckdb_tables())"
        ).fetchall()
        for table, column, data_type in listed:
            try:
                rows = connection.execute(f'SELECT "{column}"::VARCHAR FROM "{table}"').fetchall()  # noqa: S608
            except duckdb.Error as error:
                raise Failure(f"The column {table}.{column} could not be read.") from error
            cells = [cell for (cell,) in rows if cell]
            values += len(cells)
            found = probes.whole.search("\n".join(cells).encode())
            is_text = data_type in {"VARCHAR", "JSON"} and f"{table}.{column}" not in DEFINED
            found += probes.parts.search(sentences_in(cells)) if is_text else []
            hits += [(f"{table}.{column}", hit) for hit in found]
    if not values:
        raise Failure("There is nothing to search: the ledger's tables are empty.")
    return Finding("every column of every table", f"{len(listed)} columns, {values:,} values", tuple(hits))


def copied_ledger(ledger: Path, folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a copy of the file and its log, because the server holds the original.

    Raises:
        Failure: No attempt gave a copy that can be opened.
    """
    import duckdb

    problem: Exception | None = None
    for attempt in range(COPY_ATTEMPTS):
        into = folder / str(attempt)
        into.mkdir()
        try:
            return duckdb.connect(_copied(ledger, into)[0])
        except duckdb.Error as error:
            problem = error
            time.sleep(COPY_PAUSE_S)
    raise Failure("A copy of the ledger could not be opened.") from problem


def _copied(ledger: Path, folder: Path) -> list[Path]:
    """Copies of the file and its log; made again if a checkpoint came between them, as rows would be in neither.

    Raises:
        Failure: There is no ledger, or a checkpoint came between them each time.
    """
    if not ledger.exists():
        raise Failure(f"There is nothing to search: {ledger.name}.")
    for attempt in range(COPY_ATTEMPTS):
        if attempt:
            time.sleep(COPY_PAUSE_S)
        before = _version(ledger)
        for file in _ledger_files(ledger):
            with suppress(FileNotFoundError):  # the log, which a checkpoint deletes
                shutil.copy2(file, folder / file.name)
        if _version(ledger) == before:
            return _ledger_files(folder / ledger.name)
        for copy in _ledger_files(folder / ledger.name):
            copy.unlink()
    raise Failure("The ledger could not be copied between two checkpoints.")


def _version(ledger: Path) -> tuple[int, int]:
    """Differs after a checkpoint; commits change the log alone."""
    status = ledger.stat()
    return status.st_size, status.st_mtime_ns


def _search_pictures(pictures: list[Path], probes: Probes, read_picture: Callable[[Path], str]) -> Finding:
    hits: list[tuple[str, Hit]] = []
    letters = 0
    for picture in pictures:
        text = read_picture(picture)
        letters += len(text)
        hits += [(picture.name, hit) for hit in probes.in_texts([text])]
        hits += [(picture.name, hit) for hit in probes.whole.search(picture.read_bytes())]
    if not letters:
        raise Failure("The OCR reads nothing in the redacted pictures, so the search proves nothing.")
    return Finding(
        "redacted pictures, read again",
        f"{count_text(len(pictures), 'picture')}, {letters} letters and metadata",
        tuple(hits),
    )
