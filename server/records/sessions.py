"""Sessions as the services use them: open, show, list, abandon."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason
from server.access import ownership
from server.access.caller import current_caller
from server.experiments.catalogue import NO_EXPERIMENTS, Experiments
from server.flows.catalogue import Flows
from server.flows.facts import check_facts
from server.ledger import recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import (
    Clock,
    RecommendationRow,
    SessionRow,
    SessionState,
    TurnRow,
    UploadRow,
)
from server.records.guide import Guidance, Guide
from server.records.pubsub import PubSub
from server.records.vocabulary import VocabularySealer
from server.times import DEFAULT_ZONE, zone_named

NO_FACTS: Final[Mapping[str, str]] = {}

UPLOADS_SHOWN: Final = 100
"""With a session, unless the request asks for another number. The protos name it too."""
TURNS_SHOWN: Final = 200
SESSIONS_SHOWN: Final = 100
"""Of a page, unless the request asks for another number. The protos name both."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session with its newest recommendation, and a page of its uploads.

    Attributes:
        uploads: Oldest first.
        older_uploads: Token of the page of uploads that are older; empty if there are none.
        guidance: How far it is in its flow.
    """

    session: SessionRow
    uploads: list[UploadRow]
    older_uploads: str
    recommendation: RecommendationRow | None
    guidance: Guidance


class Sessions:
    """All sessions of a ledger.

    Args:
        flows: Of which each session gets one.
        experiments: Give a new session its variant, where the client gives none.
        time_zone: IANA name of the time zone of a session whose client gives none.
    """

    def __init__(
        self,
        ledger: Ledger,
        pubsub: PubSub,
        sealer: VocabularySealer,
        clock: Clock,
        flows: Flows,
        experiments: Experiments = NO_EXPERIMENTS,
        time_zone: str = DEFAULT_ZONE,
    ) -> None:
        self._ledger = ledger
        self._pubsub = pubsub
        self._sealer = sealer
        self._clock = clock
        self._flows = flows
        self._guide = Guide(flows)
        self._experiments = experiments
        self._time_zone = time_zone

    async def start(
        self,
        *,
        client_id: str,
        request_id: str,
        language: str,
        vocabulary: tuple[str, ...],
        variant: str,
        subject_hash: str = "",
        flow: str = "",
        flow_version: int = 0,
        facts: Mapping[str, str] = NO_FACTS,
        time_zone: str = "",
        personal: Collection[str] = (),
    ) -> SessionRow:
        """Open a session, or find the one that the same request opened.

        ``personal`` has the words of the facts in which the redactor found something.

        Raises:
            NotFound: FLOW_NOT_FOUND.
            InvalidInput: FACT_INVALID, or TIME_ZONE_UNKNOWN.
        """
        if time_zone and zone_named(time_zone) is None:
            raise InvalidInput("The server does not know this time zone.", reason=Reason.TIME_ZONE_UNKNOWN)
        now = self._clock()
        chosen = self._flows.choose(flow, flow_version)
        unit, named = subject_hash or request_id, (chosen.name, flow_version)
        variant = variant or self._experiments.variant_for(client_id, unit, now, *named)
        changes = self._experiments.changes(variant, client_id, now, *named)
        if changes.flow_version and not flow_version:
            chosen = self._flows.choose(chosen.name, changes.flow_version)
        check_facts(chosen, facts, personal)
        row = SessionRow(
            id=str(uuid.uuid4()),
            client_id=client_id,
            request_id=request_id,
            state=SessionState.STARTED,
            create_time=now,
            update_time=now,
            language=language,
            variant=variant,
            subject_hash=subject_hash,
            flow=chosen.name,
            flow_version=chosen.version,
            facts=dict(facts),
            time_zone=time_zone or self._time_zone,
        )
        caller = current_caller()

        def write(cursor: Cursor) -> SessionRow:
            sealed = self._sealer.seal(vocabulary)
            session, _ = sessions.insert_or_get(cursor, replace(row, sealed_vocabulary=sealed))
            ownership.note_participant(cursor, session.id, caller)
            return session

        return await self._ledger.write(write)

    async def view(self, session_id: str, page_size: int = UPLOADS_SHOWN, page_token: str = "") -> SessionView:
        """A session of the current caller as it is now.

        Args:
            session_id: The session.
            page_size: How many uploads to show at most.
            page_token: Of a page of older uploads; empty for the newest.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        caller = current_caller()

        def read(cursor: Cursor) -> SessionView:
            session = ownership.session(cursor, session_id, caller)
            page, older = uploads.page_of_session(cursor, session_id, page_size, page_token)
            latest = recommendations.latest_of_session(cursor, session_id)
            return SessionView(session, page, older, latest, self._guide.guidance(cursor, session))

        return await self._ledger.read(read)

    async def page(
        self, *, client_id: str, running: bool, page_size: int, page_token: str = ""
    ) -> tuple[list[SessionRow], str]:
        """Sessions that the current caller may see, the one that changed last first.

        Args:
            client_id: Only those of this client; empty for all. Another client has none.
            running: Only those that have not ended.
            page_size: How many at most.
            page_token: Of the page; empty for the first.

        Returns:
            The sessions, and the token of the next page; empty on the last one.

        Raises:
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        caller = current_caller()
        if client_id and not caller.may_see(client_id):
            return [], ""
        wanted = client_id or caller.client_id
        return await self._ledger.read(
            lambda cursor: sessions.page_of_sessions(
                cursor, client_id=wanted, running=running, page_size=page_size, token=page_token
            )
        )

    async def turns(self, session_id: str, page_size: int, page_token: str = "") -> tuple[list[TurnRow], str]:
        """The newest turns of a session of the current caller, oldest first, and the token of the page of older ones.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        caller = current_caller()

        def read(cursor: Cursor) -> tuple[list[TurnRow], str]:
            session = ownership.session(cursor, session_id, caller)
            return turns.page_of_session(cursor, session.id, page_size, page_token)

        return await self._ledger.read(read)

    async def abandon(self, session_id: str, reason: str) -> SessionRow:
        """End a session of the current caller without a record. Repeating it changes nothing.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: WRONG_STATE when it has ended in another way.
        """
        caller = current_caller()

        def write(cursor: Cursor) -> SessionRow:
            return self._end(cursor, ownership.session(cursor, session_id, caller).id, reason)

        row = await self._ledger.write(write)
        self._pubsub.publish(row, session_id)
        return row

    async def abandon_idle(self, idle_s: float, busy: frozenset[str] = frozenset()) -> int:
        """End all sessions that were idle for so long, except busy ones; returns how many.

        They are ended some at a time, so that other writes come between.
        """
        number = 0
        while ended := await self._abandon_some(idle_s, busy):
            number += len(ended)
            for row in ended:
                self._pubsub.publish(row, row.id)
        return number

    async def _abandon_some(self, idle_s: float, busy: frozenset[str]) -> list[SessionRow]:
        now = self._clock()
        before = now - timedelta(seconds=idle_s)

        def write(cursor: Cursor) -> list[SessionRow]:
            # Found in the transaction that ends them, because a person may go on or approve meanwhile.
            return [self._end(cursor, row.id, "idle") for row in sessions.held_idle(cursor, before, now, busy)]

        return await self._ledger.write(write)

    def _end(self, cursor: Cursor, session_id: str, reason: str) -> SessionRow:
        row = sessions.transition(cursor, session_id, SessionState.ABANDONED, self._clock(), reason)
        recommendations.supersede_pending(cursor, session_id)
        return row
