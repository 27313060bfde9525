"""The job that asks the remote LLM again for a reply that the fallback had to give, or that broke off."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from models.errors import UpstreamFailed
from models.reasons import Reason
from ray_tasks.types import Gateway
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.flows.briefing import Briefing
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import events, sessions, turns
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, JobRow, Origin, SessionRow, TurnRow
from server.llm.history import history_of
from server.llm.types import Assistant, Exchange
from server.observability.log import describe, get_logger
from server.records.events import make_event
from server.records.guide import Guide
from server.records.pubsub import LateReply, PubSub
from server.records.redact_output import redact_all
from server.records.session_scope import scope_of

log = get_logger("write_reply")

WRITE_REPLY = "reply"
"""Kind of the job."""


@dataclass(frozen=True, slots=True)
class _TurnContext:
    """What a reply is written from.

    Attributes:
        history: What was said before the turn.
        language: Of the reply.
        newest: Whether nothing was said after the turn.
    """

    turn: TurnRow
    history: list[Exchange]
    session: SessionRow
    briefing: Briefing
    language: str
    newest: bool

    @property
    def needs_reply(self) -> bool:
        """Whether the LLM may be asked, and may better what there is.

        A reply that the person interrupted stays as it is, because their next turn has its own. Without a next turn a
        noise interrupted it.
        """
        turn = self.turn
        if self.session.state.ended or self.briefing.only_questions or not turn.text.safe_for_llm:
            return False
        if turn.reply_cut == Reason.REPLY_INTERRUPTED:
            return self.newest
        return turn.reply_origin is not Origin.MODEL or bool(turn.reply_cut)


class WriteReply(Handler):
    """Replaces the reply to a turn by a whole one of the LLM, and publishes it: one of the fallback, or a half one."""

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
        """See ``Handler``. A reply that the LLM cuts again leaves the turn as it is: it would be cut each time."""
        turn_id = job.payload["turn_id"]
        context = await self._ledger.read(partial(self._context, turn_id))
        if not context.needs_reply:
            return NOTHING
        try:
            written, origin = await self._write(context, retry=job.attempts > 1)
        except UpstreamFailed as error:
            if error.reason != Reason.UPSTREAM_ANSWER_CUT:
                raise
            log.warning("late_reply_cut", **describe(error))
            return NOTHING
        scope = scope_of(context.session, context.briefing.progress.flow)
        [text] = await redact_all(self._gateway, [written], context.language, scope)

        def record(cursor: Cursor) -> TurnRow | None:
            session = sessions.get(cursor, context.session.id)
            if session.state.ended:
                return None
            row = turns.set_reply(cursor, turn_id, text, origin)
            now = self._clock()
            took_s = (now - row.create_time).total_seconds()
            events.append(cursor, make_event(session, "replied_late", now, took_s=took_s, origin=origin))
            return row

        async def after(row: TurnRow | None) -> None:
            if row is not None:
                self._pubsub.publish(LateReply(row.id, row.reply or text, origin), row.session_id)

        return Completion(record, after)

    async def _write(self, context: _TurnContext, *, retry: bool) -> tuple[str, Origin]:
        """The whole reply, not redacted, and who wrote it."""
        session = context.session
        changes = self._experiments.changes(
            session.variant, session.client_id, session.create_time, session.flow, session.flow_version
        )
        reply = await self._assistant.reply(
            context.turn.text,
            context.history,
            language=context.language,
            fallback=False,
            retry=retry,
            instruction=changes.reply_instruction,
            briefing=context.briefing,
        )
        async with aclosing(reply.pieces):
            return "".join([piece async for piece in reply.pieces]), reply.origin

    def _context(self, turn_id: str, cursor: Cursor) -> _TurnContext:
        turn = turns.get(cursor, turn_id)
        rows = turns.list_of_session(cursor, turn.session_id)
        place = next(n for n, row in enumerate(rows) if row.id == turn_id)
        session = sessions.get(cursor, turn.session_id)
        language = turn.language or sessions.language_of(cursor, session) or "en"
        return _TurnContext(
            turn,
            history_of(rows[:place]),
            session,
            Briefing.after(self._guide.progress(cursor, session), turn_id, turn.text, language),
            language,
            newest=place == len(rows) - 1,
        )
