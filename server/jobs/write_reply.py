"""The job that asks the remote LLM again for a reply that the fallback had to give, or that broke off."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import Any

from models.reasons import Reason
from ray_tasks.types import Gateway
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.flows.briefing import Briefing
from server.flows.progress import Progress
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import events, sessions, turns
from server.ledger.columns import Cursor
from server.ledger.types import Clock, JobRow, Origin, SessionRow, TurnRow
from server.ledger.writer import Ledger
from server.llm.history import history_of
from server.llm.types import Assistant, Exchange
from server.records.events import make_event
from server.records.guide import Guide
from server.records.pubsub import LateReply, PubSub
from server.records.redact_output import redact_all
from server.records.session_scope import scope_of

WRITE_REPLY = "reply"
"""Kind of the job."""


class WriteReply(Handler):
    """Replaces the fallback's reply to a turn, or one that broke off, by a whole one of the LLM, and publishes it."""

    kind = WRITE_REPLY

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        assistant: Assistant,
        pubsub: PubSub,
        clock: Clock,
        guide: Guide,
        experiments: Experiments = NO_EXPERIMENTS,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._assistant = assistant
        self._pubsub = pubsub
        self._clock = clock
        self._guide = guide
        self._experiments = experiments

    async def run(self, job: JobRow) -> Completion[Any]:
        """See ``Handler``."""
        turn_id = job.payload["turn_id"]
        turn, history, session, progress, language = await self._ledger.read(partial(self._material, turn_id))
        briefing = Briefing.after(progress, turn_id)
        if briefing.only_questions:
            return NOTHING
        whole = turn.reply_origin is Origin.MODEL and not turn.reply_cut
        if whole or turn.reply_cut == Reason.REPLY_INTERRUPTED or not turn.text.safe_for_llm:
            return NOTHING
        reply = await self._assistant.reply(
            turn.text,
            history,
            language=language,
            fallback=False,
            retry=job.attempts > 1,
            instruction=self._experiments.changes(
                session.variant, session.client_id, session.create_time
            ).reply_instruction,
            briefing=briefing,
        )
        async with aclosing(reply.pieces):
            written = "".join([piece async for piece in reply.pieces])
        [text] = await redact_all(self._gateway, [written], language, scope_of(session, progress.flow))

        def record(cursor: Cursor) -> TurnRow:
            row = turns.set_reply(cursor, turn_id, text, reply.origin)
            session = sessions.get(cursor, row.session_id)
            now = self._clock()
            took_s = (now - row.create_time).total_seconds()
            events.append(cursor, make_event(session, "replied_late", now, took_s=took_s, origin=reply.origin))
            return row

        async def after(row: TurnRow) -> None:
            shown = row.reply or text
            self._pubsub.publish(LateReply(row.id, shown, reply.origin), row.session_id)

        return Completion(record, after)

    def _material(self, turn_id: str, cursor: Cursor) -> tuple[TurnRow, list[Exchange], SessionRow, Progress, str]:
        """The turn, what was said before it, its session, how far that is, and the language of the reply."""
        turn = turns.get(cursor, turn_id)
        rows = turns.list_of_session(cursor, turn.session_id)
        earlier = rows[: next(n for n, row in enumerate(rows) if row.id == turn_id)]
        session = sessions.get(cursor, turn.session_id)
        language = turn.language or sessions.language_of(cursor, session) or "en"
        return turn, history_of(earlier), session, self._guide.progress(cursor, session), language
