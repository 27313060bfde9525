"""Who may approve a record, and until when; and the event of a decision."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.errors import Conflict, PermissionDenied
from models.reasons import Reason
from server.access.caller import Caller, Scope
from server.flows.catalogue import Flows
from server.ledger import participants
from server.ledger.columns import Cursor
from server.ledger.types import EventRow, RecommendationRow, RecommendationState, SessionRow
from server.llm.types import OnboardingRecord
from server.records.events import make_event
from server.setting_groups import ApprovalSettings


class ApprovalRules:
    """The rules for approvals. A rejection needs none of them: it only ends or reopens a session.

    Args:
        settings: How long a record can be approved, and by whom.
        flows: Say how many people must approve; without them it is one.
    """

    def __init__(self, settings: ApprovalSettings, flows: Flows | None = None) -> None:
        self._settings = settings
        self._flows = flows

    def expire_time(self, proposed: datetime) -> datetime:
        """From when on a record that was proposed at this time cannot be approved any more."""
        return proposed + timedelta(seconds=self._settings.expires_s)

    def needed(self, session: SessionRow, record: OnboardingRecord) -> int:
        """How many approvals a record needs, each of another credential; 0 means that nobody is asked.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        if self._flows is None:
            return 1
        return self._flows.get(session.flow, session.flow_version).approval.people

    def check(self, cursor: Cursor, row: RecommendationRow, caller: Caller, now: datetime) -> None:
        """Refuse an approval that the rules forbid.

        Raises:
            Conflict: RECOMMENDATION_EXPIRED.
            PermissionDenied: OWN_SESSION.
        """
        if row.expire_time is not None and now >= row.expire_time:
            raise Conflict("The record can no longer be approved.", reason=Reason.RECOMMENDATION_EXPIRED)
        if not self._may_approve_own(caller) and participants.took_part(cursor, row.session_id, caller.subject):
            raise PermissionDenied("The credential took part in this session.", reason=Reason.OWN_SESSION)

    def _may_approve_own(self, caller: Caller) -> bool:
        match self._settings.own_sessions:
            case "everybody":
                return True
            case "operators":
                return Scope.OPERATOR in caller.scopes
            case _:
                return False


def decision_events(session: SessionRow, row: RecommendationRow, now: datetime, reason: str) -> list[EventRow]:
    """The events of a decision, with the time from the proposal to it."""
    took_s = (now - row.create_time).total_seconds()
    decision = row.state.lower()
    decided = make_event(
        session, "record_decided", now, took_s=took_s, decision=decision, origin=row.origin, reason=reason or None
    )
    if not row.approvals:
        return [decided]
    outcome = "agreed" if row.state is RecommendationState.APPROVED else decision
    return [decided, second_review_event(session, row, now, outcome)]


def second_review_event(session: SessionRow, row: RecommendationRow, now: datetime, outcome: str) -> EventRow:
    """The event of a decision about a record that another credential has approved.

    Args:
        session: Of the record.
        row: The record.
        now: When it was decided.
        outcome: ``agreed``, ``changed`` or ``rejected``.
    """
    took_s = (now - row.create_time).total_seconds()
    return make_event(session, "second_review", now, took_s=took_s, outcome=outcome)
