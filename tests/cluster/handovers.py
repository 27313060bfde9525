"""Which server had which stream, as PostgreSQL saw it: each server connects under a name of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

WATCH: Final = """
CREATE SCHEMA watch;
CREATE TABLE watch.held (number BIGSERIAL, stream VARCHAR, holder VARCHAR, run VARCHAR);
CREATE FUNCTION watch.note_holder() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO watch.held (stream, holder, run) VALUES (NEW.id, NEW.holder, current_setting('application_name'));
    RETURN NULL;
END $$;
CREATE TRIGGER note_holder AFTER INSERT OR UPDATE OF holder ON streams
    FOR EACH ROW EXECUTE FUNCTION watch.note_holder();
"""
"""Notes each change of a holder in the transaction that makes it."""
HELD: Final = "SELECT stream, holder, run FROM watch.held ORDER BY number"
HOLDING: Final = """SELECT run FROM watch.held JOIN streams ON streams.id = stream
    WHERE streams.holder <> '' AND streams.holder = held.holder ORDER BY number DESC"""
"""The runs of servers that have a stream, the newest first. One whose client left while PostgreSQL was away still seems
to have it."""


def run_name(server: str, start: int) -> str:
    """What a server is called in PostgreSQL after so many starts."""
    return f"{server}.{start}"


@dataclass(frozen=True, slots=True)
class Handovers:
    """How often streams were resumed.

    Attributes:
        elsewhere: By another server than the one that had them before.
        back: By the same server, on a new connection or after its start.
        cut: Streams that a server had when it was killed.
        cut_elsewhere: How many of those were resumed by another server.
    """

    elsewhere: int
    back: int
    cut: int
    cut_elsewhere: int


def handovers(held: Iterable[tuple[str, str, str]], killed: Collection[str]) -> Handovers:
    """Count them.

    Args:
        held: Stream, connection and run of a server, in the order of the changes. A connection that leaves is empty.
        killed: The runs that were killed.
    """
    last: dict[str, tuple[str, str]] = {}
    elsewhere = back = cut = cut_elsewhere = 0
    for stream, holder, run in held:
        if holder and stream in last:
            left, had = last[stream]
            moved = _server(run) != _server(had)
            elsewhere, back = elsewhere + moved, back + (not moved)
            if left and had in killed:
                cut, cut_elsewhere = cut + 1, cut_elsewhere + moved
        last[stream] = (holder, run)
    cut += sum(1 for holder, run in last.values() if holder and run in killed)
    return Handovers(elsewhere, back, cut, cut_elsewhere)


def _server(run: str) -> str:
    return run.rpartition(".")[0]
