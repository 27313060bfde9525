"""What servers do to PostgreSQL, for benchmarks: the writes of a conversation, and the processor time of its parts."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

import psutil
import psycopg

from models.text import RedactedText, TextSource
from server.ledger import events, sessions, streams, turns
from server.ledger.columns import Cursor
from server.ledger.streams import StreamRow
from server.ledger.transactional import Ledger
from server.ledger.types import Origin, SessionRow, SessionState, TurnRow, utc_now
from server.records.events import make_event

ROWS_OF_AN_EXCHANGE: Final = 5
"""Rows of mirrored tables that ``Conversation.exchange`` writes: the turn twice, two events, and the session."""
WRITES_OF_AN_EXCHANGE: Final = 2
_TEXT: Final = "The meter in the cellar is behind the boiler, my name is [REDACTED_NAME_1] and I call back tomorrow."
_SCHEDULED: Final = 2
"""The kernel's clock of all threads of a process that was scheduled, in nanoseconds (CPUCLOCK_SCHED)."""


def cpu_s(pid: int) -> float:
    """Processor time of a process so far, all its threads; 0 if there is none. Finer than the ticks of ``/proc``."""
    try:
        return time.clock_gettime((~pid << 3) | _SCHEDULED)
    except OSError:
        return 0.0


def cpu_of_postgres_s(postmaster: int) -> float:
    """Processor time of all processes of PostgreSQL so far, those that have ended, too."""
    process = psutil.Process(postmaster)
    times = process.cpu_times()
    ended = float(times.children_user + times.children_system)
    return ended + cpu_s(postmaster) + sum(cpu_s(child.pid) for child in process.children(recursive=True))


def named(url: str, name: str) -> str:
    """The URL for connections that PostgreSQL lists under a name."""
    return f"{url}&application_name={name}"


def cpu_of_connections_s(url: str, name: str) -> float:
    """Processor time of the processes of PostgreSQL that serve the connections with a name, so far."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [name]).fetchall()
    return sum(cpu_s(pid) for (pid,) in found)


class Conversation:
    """Writes what a stream writes: a turn with its event and the position of the stream, and then the reply."""

    def __init__(self) -> None:
        now = utc_now()
        self._session = SessionRow(str(uuid.uuid4()), "scale", str(uuid.uuid4()), SessionState.STARTED, now, now)
        self._stream = StreamRow(
            str(uuid.uuid4()), self._session.id, "hash", "PCM_S16LE", 16000, 1, "en", now, now, holder="one"
        )
        self._exchanged = 0

    def begin(self, cursor: Cursor) -> None:
        """Store the session and its stream."""
        sessions.insert_or_get(cursor, self._session)
        streams.insert_stream(cursor, self._stream)

    async def exchange(self, ledger: Ledger) -> None:
        """Store a turn and its reply, in a transaction each."""
        text = RedactedText.restore(_TEXT, {"NAME": 1}, safe_for_llm=True)
        self._exchanged += 1
        turn = TurnRow(
            str(uuid.uuid4()),
            self._session.id,
            self._stream.id,
            self._exchanged,
            TextSource.SPEECH,
            text,
            utc_now(),
            language="en",
        )

        def store(cursor: Cursor) -> None:
            session = sessions.require_open(cursor, self._session.id)
            turns.insert_turn(cursor, turn)
            event = make_event(session, "turn_finished", utc_now(), took_s=0.4, source="voice", spoken_ms=3750)
            events.insert_event(cursor, event)
            streams.save_progress(
                cursor, self._stream.id, utc_now(), holder="one", next_utterance=turn.utterance, sealed_state=bytes(500)
            )

        def reply(cursor: Cursor) -> None:
            turns.set_reply(cursor, turn.id, text, Origin.FALLBACK)
            events.append(cursor, make_event(self._session, "replied", utc_now(), took_s=0.5, origin=Origin.FALLBACK))

        await ledger.write(store)
        await ledger.write(reply)


async def at_pace(
    rate: float, ended: Callable[[], bool], each: Callable[[int], Awaitable[object]], pause_s: float = 0.02
) -> int:
    """Do something so often a second until it is ended; returns how often it was done."""
    done, began = 0, time.monotonic()
    while not ended():
        while done < rate * (time.monotonic() - began) and not ended():
            await each(done)
            done += 1
        await asyncio.sleep(pause_s)
    return done
