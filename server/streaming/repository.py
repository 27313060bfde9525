"""Stores what one stream produces, each thing with its event in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from models.text import RedactedText
from server.flows.progress import Progress
from server.jobs.runner import JobQueue
from server.ledger import events, sessions, streams, tag_numbers, turns
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, EventRow, SessionRow, TurnRow, UploadRow, UploadState
from server.records.events import make_event, redacted_counts
from server.records.guide import Guide
from server.records.noted_answers import Change
from server.records.numbering import KnownNumbers, number_tags
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input
from server.streaming.guidance import StreamGuidance
from server.streaming.responder import SentReply
from server.streaming.transcriber import RecognizedUtterance


class StreamRepository:
    """Stores the turns, silences and replies of one stream, for the connection that has it."""

    def __init__(
        self,
        ledger: Ledger,
        pubsub: PubSub,
        jobs: JobQueue,
        clock: Clock,
        guide: Guide,
        session: SessionRow,
        stream_id: str,
        connection: str,
        guidance: StreamGuidance,
    ) -> None:
        self._ledger = ledger
        self._pubsub = pubsub
        self._jobs = jobs
        self._clock = clock
        self._guide = guide
        self._guidance = guidance
        self._session = session
        self._stream_id = stream_id
        self._connection = connection

    async def store_turn(self, recognized: RecognizedUtterance) -> TurnRow:
        """Store a finished turn with what it answers, the position of the stream after it, and the events.

        Returns:
            The turn with numbered tags.
        """
        asked_field = self._guidance.asked_field

        def write(cursor: Cursor) -> tuple[TurnRow, SessionRow, bool, Change | None]:
            session = sessions.require_open(cursor, self._session.id)
            session, moved = note_new_input(cursor, session, self._clock())
            turn = tag_numbers.numbered_turn(cursor, replace(recognized.turn, asked_field=asked_field))
            change: Change | None = None
            if turns.insert_turn(cursor, turn):
                change = self._guide.heard(cursor, session, turn, known=recognized.known, sealed=recognized.sealed)
                event = _turn_finished(session, turn, recognized.delay_s, self._clock(), change.sealed)
                events.insert_event(cursor, event)
            streams.save_progress(
                cursor,
                self._stream_id,
                self._clock(),
                holder=self._connection,
                finalized_samples=recognized.finalized_samples,
                next_utterance=recognized.next_utterance,
                sealed_state=recognized.sealed_state,
                language=recognized.language or None,  # the last one is that of texts until there is another
            )
            return turn, session, moved, change

        turn, session, moved, change = await self._ledger.write(write)
        if change is not None:
            self._guidance.stored(change.progress, turn.language)
        if moved or (change is not None and change.made):
            self._pubsub.publish(session, session.id)
        self._pubsub.publish(turn, session.id)
        return turn

    async def changes(self) -> AsyncIterator[Progress]:
        """The progress of the session now, and each time that a picture or the app may have changed it.

        Raises:
            ShuttingDown: The server is ending.
            Overloaded: Too much changed at once to follow.
        """
        with self._pubsub.subscribe(self._session.id) as updates:
            yield await self._progress()
            async for update in updates:
                if isinstance(update, SessionRow) or (
                    isinstance(update, UploadRow) and update.state is UploadState.DONE
                ):
                    yield await self._progress()

    async def _progress(self) -> Progress:
        return await self._ledger.read(lambda cursor: self._guide.progress(cursor, self._session))

    async def number_tags(self, text: RedactedText) -> RedactedText:
        """A piece of a reply with numbers in its tags; it is sent before the whole reply is stored."""
        [numbered] = await number_tags(self._ledger, self._session.id, [text])
        return numbered

    def known_numbers(self) -> KnownNumbers:
        """Numbers the tags of the partials of this stream."""
        return KnownNumbers(self._ledger, self._session.id)

    async def find_turn(self, turn_id: str) -> TurnRow | None:
        """A turn that is stored already."""
        return await self._ledger.read(lambda cursor: turns.find(cursor, turn_id))

    async def store_repeated(self, utterance: int) -> None:
        """Store that an utterance is a text of another stream: no later turn of this one gets its number."""
        await self._ledger.write(
            lambda cursor: streams.save_progress(
                cursor, self._stream_id, self._clock(), holder=self._connection, next_utterance=utterance + 1
            )
        )

    async def store_silence(self, utterance: int, finalized_samples: int, spoken_s: float) -> None:
        """Store that an utterance, up to a sample, held no speech; a resumed stream does not decode it again."""
        spoken_ms = round(1000 * spoken_s)
        row = make_event(self._session, "no_speech", self._clock(), utterance=utterance, spoken_ms=spoken_ms)

        def write(cursor: Cursor) -> None:
            events.append(cursor, row)
            streams.save_progress(
                cursor,
                self._stream_id,
                self._clock(),
                holder=self._connection,
                finalized_samples=finalized_samples,
                next_utterance=utterance + 1,
            )

        await self._ledger.write(write)

    async def store_reply(self, reply: SentReply) -> None:
        """Store what was sent of the reply to a turn."""
        event = _reply_ended(self._session, reply, self._clock())

        def write(cursor: Cursor) -> TurnRow:
            replied = turns.set_reply(cursor, reply.turn.id, reply.text, reply.origin, reply.cut)
            events.append(cursor, event)
            return replied

        self._pubsub.publish(await self._ledger.write(write), self._session.id)

    async def enqueue_retry(self, turn: TurnRow) -> None:
        """Enqueue a background job that has the LLM reply to a turn."""
        await self._jobs.enqueue(
            kind="reply",
            key=f"reply:{turn.id}",
            session_id=turn.session_id,
            payload={"turn_id": turn.id},
            policy="llm_api",
        )


def _turn_finished(session: SessionRow, turn: TurnRow, delay_s: float | None, now: datetime, sealed: int) -> EventRow:
    return make_event(
        session,
        "turn_finished",
        now,
        took_s=turn.compute_s,
        source=turn.source,
        confidence_percent=round(100 * turn.confidence),
        language=turn.language or "unknown",
        spoken_ms=round(1000 * (turn.end_s - turn.start_s)),
        delay_ms=None if delay_s is None else round(1000 * delay_s),
        sealed=sealed or None,
        **redacted_counts(turn.text),
    )


def _reply_ended(session: SessionRow, reply: SentReply, now: datetime) -> EventRow:
    took_s = max(0.0, (now - reply.turn.create_time).total_seconds())
    if reply.interrupted_by is None:
        reason = reply.cut.lower() or None
        return make_event(session, "replied", now, took_s=took_s, origin=reply.origin, reason=reason)
    return make_event(
        session,
        "reply_interrupted",
        now,
        took_s=took_s,
        origin=reply.origin,
        by=reply.interrupted_by,
        sent_sentences=len(reply.pieces),
        sent_characters=sum(len(piece.value) for piece in reply.pieces),
    )
