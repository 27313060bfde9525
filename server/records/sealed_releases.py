"""Releases sealed values to the system that they are for: once, after the record was approved, and audited."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.errors import CallerError, Conflict
from models.reasons import Reason
from server.access import ownership
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import current_caller
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.ledger import events, recommendations, sealed_values, sessions
from server.ledger.columns import Cursor
from server.ledger.sealed_values import Release, SealedRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, RecommendationState
from server.llm.record_rules import ruled_out
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord
from server.observability.metrics import Metrics
from server.records.events import make_event


class SealedReleases:
    """Lists and releases the sealed values of a session.

    Args:
        audit: Gets an entry for each field of each answer with ciphertexts.
        metrics: Count the answers.
        flows: Every flow that a session may have.
    """

    def __init__(self, ledger: Ledger, audit: AuditTrail, clock: Clock, metrics: Metrics, flows: Flows) -> None:
        self._ledger = ledger
        self._audit = audit
        self._clock = clock
        self._released = metrics.sealed_releases
        self._flows = flows

    async def stored(self, session_id: str) -> list[SealedRow]:
        """The sealed values of a session of the current caller, oldest first.

        Raises:
            NotFound: SESSION_NOT_FOUND.
        """
        caller = current_caller()

        def read(cursor: Cursor) -> list[SealedRow]:
            session = ownership.session(cursor, session_id, caller)
            return [row for row in sealed_values.list_of_session(cursor, session.id) if row.value.ciphertext]

        return await self._ledger.read(read)

    async def release(self, session_id: str, fields: Iterable[str], request_id: str) -> list[SealedRow]:
        """Release the values of some fields to the current caller; all fields or none.

        Args:
            session_id: UUID of the session.
            fields: Of the record.
            request_id: UUID of the caller's; with the same one it gets the same answer again.

        Raises:
            NotFound: SESSION_NOT_FOUND, SEALED_VALUE_NOT_FOUND.
            Conflict: NOT_APPROVED, ALREADY_RELEASED.
        """
        try:
            rows, repeated = await self._release(session_id, frozenset(fields), request_id)
        except CallerError:
            self._released.labels("refused").inc()
            raise
        self._released.labels("repeated" if repeated else "released").inc()
        return rows

    async def _release(self, session_id: str, fields: frozenset[str], request_id: str) -> tuple[list[SealedRow], bool]:
        caller = current_caller()
        target = ("session", session_id)
        entries = [self._audit.entry(AuditAction.SEALED_RELEASED, target, reason=field) for field in sorted(fields)]
        subject = self._audit.stored_subject(caller.subject)

        def write(cursor: Cursor) -> tuple[list[SealedRow], bool]:
            session, now = sessions.held(cursor, ownership.session(cursor, session_id, caller)), self._clock()
            records = recommendations.list_of_session(cursor, session.id)
            approved = next((record for record in records if record.state is RecommendationState.APPROVED), None)
            if approved is None:
                raise Conflict("Nobody has approved the record of this session.", reason=Reason.NOT_APPROVED)
            flow = self._flows.get(session.flow, session.flow_version)
            sources = _sources(stored_record(approved.record.value), flow, session.facts)
            until = approved.decide_time or now
            wanted = Release(session_id, fields, request_id, subject, until, sources)
            rows, repeated = sealed_values.release(cursor, wanted, now)
            if not repeated:
                event = make_event(session, "sealed_values_released", now, values=len(rows), fields=len(fields))
                events.append(cursor, event)
            self._audit.append(cursor, *entries)
            return rows, repeated

        return await self._ledger.write(write)


def supersede_sealed(
    cursor: Cursor, audit: AuditTrail | None, session_id: str, field: str, *, kept_source: str = ""
) -> None:
    """Delete the sealed values of a field that was corrected or rejected: they are never released.

    Those of a field that was removed because it does not apply stay: nobody has said that they are wrong. They are
    released only with a record that has the field again.

    Args:
        cursor: Within a transaction of the writer.
        audit: Gets an entry that names the current caller, if there was a value; None keeps none.
        session_id: The session.
        field: Of the record.
        kept_source: Turn, upload or answer whose values stay; empty for none.
    """
    if sealed_values.keep_source(cursor, session_id, field, kept_source) and audit is not None:
        entry = audit.entry(AuditAction.SEALED_SUPERSEDED, ("session", session_id), reason=field)
        audit.append(cursor, entry)


def _sources(approved: OnboardingRecord, flow: FlowDefinition, facts: Mapping[str, str]) -> dict[str, str]:
    """The source that the approved record names for each field that a flow seals; empty where it has no such field.

    A field that does not apply and is not in the record has no source either, whoever seals it: reviewers may have
    removed it.
    """
    named = {field.name: field.source_id for field in approved.fields}
    absent = ruled_out(approved, flow, facts) - named.keys()
    sealed = {field.name: named.get(field.name, "") for field in flow.sealed()}
    return {**sealed, **dict.fromkeys(absent, "")}
