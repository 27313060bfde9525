"""What waits for a person's decision, who works on it, whose turn it is, and what people write about it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

from models.errors import NotFound
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.access import ownership
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import Caller, Scope, current_caller
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.ledger import events, recommendations, reviews, sessions
from server.ledger.columns import Cursor
from server.ledger.reviews import Assignment, Claim, Claimant
from server.ledger.reviews_decisions import CommentRow, comments_of_session, insert_comment
from server.ledger.reviews_list import ReviewFilter, WaitingPage, list_waiting
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, RecommendationRow, SessionRow
from server.records.approval import ApprovalRules
from server.records.events import make_event
from server.records.numbering import number_tags
from server.records.redact_output import REDACT_TIMEOUT_S
from server.records.reviews_claims import check_claim
from server.records.reviews_view import ReviewView, read_view


class Reviews:
    """All reviews of a ledger.

    Args:
        ledger: Holds the records.
        gateway: Redacts comments.
        clock: The time now.
        audit: Gets claims, releases, assignments and comments.
        rules: Who may approve, and until when. Nobody else may claim.
        flows: Every flow that a session may have.
        claim_s: How long a claim holds.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        clock: Clock,
        audit: AuditTrail,
        rules: ApprovalRules,
        flows: Flows,
        claim_s: float,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._clock = clock
        self._audit = audit
        self._rules = rules
        self._flows = flows
        self._claim_s = claim_s

    def claimant(self, reviewer: str) -> Claimant:
        """The current caller as somebody who reviews, with the staff id that the console states."""
        return Claimant(self._audit.stored_subject(current_caller().subject), reviewer)

    def stored_subject(self, subject: str) -> str:
        """A credential as rows have it: nothing in which a name could stand."""
        return self._audit.stored_subject(subject)

    async def waiting(self, which: ReviewFilter, page_size: int, page_token: str) -> WaitingPage:
        """A page of what waits and the current caller may see.

        Raises:
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        seen = replace(which, visible_to=current_caller().client_id)
        now = self._clock()
        return await self._ledger.read(lambda cursor: list_waiting(cursor, seen, now, page_size, page_token))

    async def view(self, recommendation_id: str) -> ReviewView:
        """A record of the current caller with everything that a reviewer needs.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
        """
        caller, now = current_caller(), self._clock()

        def read(cursor: Cursor) -> ReviewView:
            row, session = _of_caller(cursor, recommendation_id, caller)
            return read_view(cursor, row, session, self._flow(session), now)

        return await self._ledger.read(read)

    async def claim(self, recommendation_id: str, reviewer: str) -> Claim:
        """Claim a record for the current caller, or renew the claim.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            Conflict: REVIEW_CLAIMED, WRONG_STATE, RECOMMENDATION_EXPIRED.
            PermissionDenied: OWN_SESSION.
        """
        caller, who, now = current_caller(), self.claimant(reviewer), self._clock()
        entry = self._audit.entry(AuditAction.REVIEW_CLAIMED, ("recommendation", recommendation_id))

        def write(cursor: Cursor) -> Claim:
            row, session = _held_of_caller(cursor, recommendation_id, caller)
            recommendations.check_pending(cursor, row)
            self._rules.check(cursor, row, caller, now)
            before = check_claim(cursor, session.id, who, now)
            since = before.claim_time if before is not None and before.holder == who else now
            claim = Claim(who, since, now + timedelta(seconds=self._claim_s))
            reviews.put_claim(cursor, session.id, claim)
            if since == now:
                waited = session.stage_time or row.create_time
                event = make_event(session, "review_claimed", now, took_s=(now - waited).total_seconds())
                events.append(cursor, event)
                self._audit.append(cursor, entry)
            return claim

        return await self._ledger.write(write)

    async def release(self, recommendation_id: str, reviewer: str) -> None:
        """End the claim of the current caller; an operator ends anybody's. Repeating it changes nothing.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            Conflict: REVIEW_CLAIMED by somebody else.
        """
        caller, who, now = current_caller(), self.claimant(reviewer), self._clock()
        entry = self._audit.entry(AuditAction.REVIEW_RELEASED, ("recommendation", recommendation_id))

        def write(cursor: Cursor) -> None:
            _, session = _held_of_caller(cursor, recommendation_id, caller)
            if Scope.OPERATOR not in caller.scopes:
                check_claim(cursor, session.id, who, now)
            if reviews.get(cursor, session.id, now).claim is not None:
                reviews.put_claim(cursor, session.id, None)
                self._audit.append(cursor, entry)

        await self._ledger.write(write)

    async def assign(self, recommendation_id: str, assignee: str) -> Assignment | None:
        """Say whose turn it is.

        Args:
            recommendation_id: UUID of the recommendation.
            assignee: Staff id that was checked for names, or a credential as ``stored_subject`` gives it; empty takes
                the assignment back.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            Conflict: WRONG_STATE.
        """
        caller, now = current_caller(), self._clock()
        entry = self._audit.entry(AuditAction.REVIEW_ASSIGNED, ("recommendation", recommendation_id))
        assignment = Assignment(assignee, entry.subject, now) if assignee else None

        def write(cursor: Cursor) -> Assignment | None:
            row, session = _held_of_caller(cursor, recommendation_id, caller)
            recommendations.check_pending(cursor, row)
            reviews.put_assignment(cursor, session.id, assignment)
            self._audit.append(cursor, entry)
            return assignment

        return await self._ledger.write(write)

    async def comment(self, recommendation_id: str, comment_id: str, reviewer: str, text: str, word: str) -> CommentRow:
        """Store a comment of the current caller, redacted. Repeating it returns the one that is stored.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            Unavailable: Redaction or the ledger is gone; nothing is stored.
        """
        caller, who, now = current_caller(), self.claimant(reviewer), self._clock()
        entry = self._audit.entry(AuditAction.REVIEW_COMMENTED, ("recommendation", recommendation_id))
        row, session, language = await self._ledger.read(
            lambda cursor: _with_language(cursor, recommendation_id, caller)
        )
        redacted = await self._redacted(text, language, session) if text.strip() else None
        # Clients make the ids of comments, so two of them may give the same one.
        own_id = str(uuid.uuid5(uuid.UUID(session.id), comment_id.lower()))
        comment = CommentRow(own_id, session.id, row.id, redacted, word, reviewer, who.subject, now)

        def write(cursor: Cursor) -> CommentRow:
            _, session = _held_of_caller(cursor, recommendation_id, caller)
            if insert_comment(cursor, comment):
                sessions.touch(cursor, session.id, now)
                self._audit.append(cursor, entry)
                return comment
            return next(one for one in comments_of_session(cursor, session.id) if one.id == comment.id)

        return await self._ledger.write(write)

    def _flow(self, session: SessionRow) -> FlowDefinition | None:
        """The flow of a session; None where it is gone, so that its records can still be read."""
        try:
            return self._flows.get(session.flow, session.flow_version)
        except NotFound:
            return None

    async def _redacted(self, text: str, language: str, session: SessionRow) -> RedactedText:
        context = RedactionContext(TextSource.TYPED, language, scope=RedactionScope(session.client_id, session.id))
        [redaction] = await self._gateway.redact([RawText(text)], context, timeout_s=REDACT_TIMEOUT_S)
        [numbered] = await number_tags(self._ledger, session.id, [redaction.text])
        return numbered


def _of_caller(cursor: Cursor, recommendation_id: str, caller: Caller) -> tuple[RecommendationRow, SessionRow]:
    row = ownership.recommendation(cursor, recommendation_id, caller)
    return row, ownership.session(cursor, row.session_id, caller)


def _held_of_caller(cursor: Cursor, recommendation_id: str, caller: Caller) -> tuple[RecommendationRow, SessionRow]:
    row = ownership.held_recommendation(cursor, recommendation_id, caller)
    return row, ownership.session(cursor, row.session_id, caller)


def _with_language(cursor: Cursor, recommendation_id: str, caller: Caller) -> tuple[RecommendationRow, SessionRow, str]:
    row, session = _of_caller(cursor, recommendation_id, caller)
    return row, session, sessions.language_of(cursor, session) or "en"
