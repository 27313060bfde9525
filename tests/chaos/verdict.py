"""Compares what clients were promised with what the ledger of the stopped server holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tests.chaos.seen import Seen


@dataclass(frozen=True, slots=True)
class Kept:
    """What the ledger holds.

    Attributes:
        uploads: State of each upload by its id.
        failed_with_letter: Ids of the uploads whose job lies in an open dead letter.
        jobs: Number of jobs by (kind, state).
        dead_without_letter: Dead jobs that have no letter.
        letters: Every dead letter as text.
        reads: Events that say that an upload was read.
        turns: Source, stream, number and text of each turn, by its id.
        recommendations: State of each record by its id.
    """

    uploads: dict[str, str]
    failed_with_letter: set[str]
    jobs: dict[tuple[str, str], int]
    dead_without_letter: int
    letters: list[str]
    reads: int
    turns: dict[str, tuple[str, str, str, int, str]]
    recommendations: dict[str, str]


def read_ledger(path: Path) -> Kept:
    """Read the ledger of a server that has ended, or a mirror."""
    with duckdb.connect(str(path), read_only=True) as ledger:
        return read_rows(lambda sql: ledger.execute(sql).fetchall())


def read_rows(rows: Callable[[str], list[tuple[Any, ...]]]) -> Kept:
    """Read a ledger of any engine; ``rows`` runs a query."""
    open_letters = "SELECT job_id FROM dead_letters WHERE closed_time IS NULL"
    payloads = rows(f"SELECT payload::VARCHAR FROM jobs WHERE state = 'DEAD' AND id IN ({open_letters})")
    dead = rows(f"SELECT count(*) FROM jobs WHERE state = 'DEAD' AND id NOT IN ({open_letters})")
    counts = rows("SELECT kind, state, count(*) FROM jobs GROUP BY kind, state")
    turns = rows("SELECT id, source, session_id, stream_id, utterance, text FROM turns")
    return Kept(
        uploads=dict(rows("SELECT id, state FROM uploads")),
        failed_with_letter={json.loads(payload).get("upload_id", "") for (payload,) in payloads},
        jobs={(kind, state): number for kind, state, number in counts},
        dead_without_letter=dead[0][0],
        letters=[str(row) for row in rows("SELECT * FROM dead_letters")],
        reads=rows("SELECT count(*) FROM events WHERE name = 'upload_read'")[0][0],
        turns={turn: (source, *rest) for turn, source, *rest in turns},
        recommendations=dict(rows("SELECT id, state FROM recommendations")),
    )


def leaks(files: Iterable[Path], personal: Iterable[str | bytes]) -> list[str]:
    """Files that hold one of these values. One that is gone meanwhile is left out."""
    values, found = tuple(personal), []
    for file in files:
        with suppress(FileNotFoundError):
            held = file.read_bytes()
            wanted = ((value, value.encode() if isinstance(value, str) else value) for value in values)
            found += [f"{file.name} holds {value!r}" for value, encoded in wanted if encoded in held]
    return found


def judge(
    seen: Seen,
    kept: Kept,
    reference: Sequence[tuple[int, str]],
    personal: Iterable[str],
    most_letters: int | None = None,
) -> list[str]:
    """What was lost, done twice, left undone or leaked; empty when all is well.

    Args:
        reference: Number and text of the finals of the clip, streamed without a fault.
        personal: Values that may be in no letter.
        most_letters: How many dead letters the faults may leave; None where that is not known.
    """
    judges: tuple[Callable[[], Iterator[str]], ...] = (
        lambda: _uploads(seen, kept),
        lambda: _jobs(kept),
        lambda: _typed(seen, kept),
        lambda: _spoken(seen, kept, reference),
        lambda: _records(seen, kept),
        lambda: (f"a dead letter holds {value!r}" for value in personal if any(value in one for one in kept.letters)),
        lambda: _letters(kept, most_letters),
        lambda: (f"a client gave up: {why}" for why in seen.gave_up),
    )
    return [problem for each in judges for problem in each()]


def _uploads(seen: Seen, kept: Kept) -> Iterator[str]:
    for upload in sorted(seen.uploads):
        state = kept.uploads.get(upload)
        if state is None:
            yield f"upload {upload} is lost"
        elif state != "DONE" and not (state == "FAILED" and upload in kept.failed_with_letter):
            yield f"upload {upload} is {state}, and in no open dead letter"
    done = sum(state == "DONE" for state in kept.uploads.values())
    if kept.reads != done:
        yield f"{done} uploads are done, and {kept.reads} events say that one was read"


def _jobs(kept: Kept) -> Iterator[str]:
    for (kind, state), count in sorted(kept.jobs.items()):
        if state not in ("DONE", "DEAD"):
            yield f"{count} jobs of the kind {kind} are {state}"
    if kept.dead_without_letter:
        yield f"{kept.dead_without_letter} dead jobs have no open dead letter"


def _letters(kept: Kept, most: int | None) -> Iterator[str]:
    if most is not None and len(kept.letters) > most:
        yield f"there are {len(kept.letters)} dead letters, and {most} may be: {kept.letters}"


def _typed(seen: Seen, kept: Kept) -> Iterator[str]:
    for text, turn in sorted(seen.typed.items()):
        if turn not in kept.turns:
            yield f"the turn of the typed text {text} is lost"
    count = Counter(stream for source, _, stream, _, _ in kept.turns.values() if source == "typed")
    for stream, sent in sorted(seen.typed_streams.items()):
        if count[stream] > sent:
            yield f"{sent} texts were typed on stream {stream}, and it has {count[stream]} turns"


def _spoken(seen: Seen, kept: Kept, reference: Sequence[tuple[int, str]]) -> Iterator[str]:
    for session, finals in sorted(seen.spoken.items()):
        if [(number, text) for _, number, text in finals] != list(reference):
            yield f"the finals of the spoken session {session} differ from those without a fault: {finals}"
        held = {turn for turn, (source, of, _, _, _) in kept.turns.items() if source == "speech" and of == session}
        if held != {turn for turn, _, _ in finals}:
            yield f"the ledger holds {len(held)} turns of the spoken session {session}, {len(finals)} were sent"


def _records(seen: Seen, kept: Kept) -> Iterator[str]:
    yield from (f"record {one} is lost" for one in sorted(seen.proposals - set(kept.recommendations)))
    for one in sorted(seen.approved):
        if kept.recommendations.get(one) != "APPROVED":
            yield f"the approval of record {one} is lost"
