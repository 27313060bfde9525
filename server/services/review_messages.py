"""Reviews as messages."""

from __future__ import annotations

from vestibule.v1 import common_pb2
from vestibule.v1 import review_pb2 as pb

from server.flows.progress import Answer
from server.ledger.reviews import Assignment, Claim, Claimant
from server.ledger.reviews_decisions import CommentRow, FieldDecision
from server.ledger.reviews_list import ClaimFilter, ReviewOrder, WaitingRow
from server.ledger.types import TurnRow, UploadRow
from server.records.reviews_values import FieldChoice
from server.records.reviews_view import FieldView, ReviewView, Source
from server.rpc import convert

CLAIM_FILTERS = {
    pb.CLAIM_FILTER_UNSPECIFIED: ClaimFilter.ANY,
    pb.CLAIM_FILTER_UNCLAIMED: ClaimFilter.UNCLAIMED,
    pb.CLAIM_FILTER_CLAIMED: ClaimFilter.CLAIMED,
    pb.CLAIM_FILTER_MINE: ClaimFilter.MINE,
}
ORDERS = {
    pb.REVIEW_ORDER_UNSPECIFIED: ReviewOrder.OLDEST,
    pb.REVIEW_ORDER_OLDEST: ReviewOrder.OLDEST,
    pb.REVIEW_ORDER_NEWEST: ReviewOrder.NEWEST,
    pb.REVIEW_ORDER_EXPIRY: ReviewOrder.EXPIRY,
}
_DECISION_PREFIX = "FIELD_DECISION_"


def choice_of(message: pb.FieldChoice, reason: str) -> FieldChoice:
    """A decision of a request, with its reason as it may be stored."""
    decision = FieldDecision(pb.FieldDecision.Name(message.decision).removeprefix(_DECISION_PREFIX))
    return FieldChoice(message.name, decision, message.value, reason)


def claim_message(claim: Claim, who: Claimant) -> pb.ReviewClaim:
    """A claim as this person sees it. Without a staff id, all claims of the credential are theirs."""
    holder = claim.holder
    mine = claim.held_by(who) or (holder.subject == who.subject and not who.reviewer)
    return pb.ReviewClaim(
        subject=holder.subject,
        reviewer=holder.reviewer,
        claim_time=convert.timestamp(claim.claim_time),
        expire_time=convert.timestamp(claim.until),
        mine=mine,
    )


def assignment_message(assignment: Assignment) -> pb.ReviewAssignment:
    """An assignment."""
    return pb.ReviewAssignment(
        assignee=assignment.assignee,
        assigned_subject=assignment.subject,
        assign_time=convert.timestamp(assignment.time),
    )


def comment_message(row: CommentRow) -> pb.ReviewComment:
    """A comment."""
    message = pb.ReviewComment(
        id=row.id,
        word=row.word,
        reviewer=row.reviewer,
        subject=row.subject,
        create_time=convert.timestamp(row.time),
        recommendation_id=row.recommendation_id,
    )
    if row.text is not None and row.text.safe_for_llm:
        message.text.CopyFrom(convert.redacted(row.text))
    return message


def summary_message(row: WaitingRow, who: Claimant) -> pb.ReviewSummary:
    """A record in the list of what waits."""
    message = pb.ReviewSummary(
        recommendation_id=row.recommendation_id,
        session_id=row.session_id,
        client_id=row.client_id,
        flow=row.flow,
        flow_version=str(row.flow_version),
        language=row.language,
        wait_time=convert.timestamp(row.wait_time),
        origin=convert.origin(row.origin),
        summary=row.summary,
        field_count=row.fields,
        missing_count=row.missing,
        comment_count=row.comments,
        approval_count=row.approvals,
        approvals_needed=row.approvals_needed,
    )
    if row.expire_time is not None:
        message.expire_time.CopyFrom(convert.timestamp(row.expire_time))
    if row.review.claim is not None:
        message.claim.CopyFrom(claim_message(row.review.claim, who))
    if row.review.assignment is not None:
        message.assignment.CopyFrom(assignment_message(row.review.assignment))
    return message


def review_message(view: ReviewView, who: Claimant) -> pb.Review:
    """A record with everything that a reviewer needs."""
    message = pb.Review(
        recommendation=convert.recommendation_message(view.recommendation),
        newer_recommendation_id=view.newer_id,
        fields=map(_field, view.fields),
        comments=map(comment_message, view.comments),
        session=_session(view),
    )
    if view.review.claim is not None:
        message.claim.CopyFrom(claim_message(view.review.claim, who))
    if view.review.assignment is not None:
        message.assignment.CopyFrom(assignment_message(view.review.assignment))
    return message


def _session(view: ReviewView) -> pb.ReviewedSession:
    row = view.session
    message = pb.ReviewedSession(
        id=row.id,
        client_id=row.client_id,
        flow=row.flow,
        flow_version=str(row.flow_version),
        language=view.language,
        state=common_pb2.SessionState.Value(f"SESSION_STATE_{row.state}"),
        create_time=convert.timestamp(row.create_time),
        turn_count=row.turn_count,
        upload_count=view.upload_count,
        variant=row.variant,
    )
    if view.wait_time is not None:
        message.wait_time.CopyFrom(convert.timestamp(view.wait_time))
    return message


def _field(view: FieldView) -> pb.ReviewField:
    message = pb.ReviewField(
        name=view.name,
        value=view.value,
        missing=view.missing,
        proposed_value=view.proposed,
        photograph_ids=view.photographs,
    )
    if view.source is not None:
        message.source.CopyFrom(_source(view.source))
    if (decision := view.decision) is not None:
        message.decision = pb.FieldDecision.Value(f"{_DECISION_PREFIX}{decision.decision}")
        message.reason = decision.reason
        message.decided_by = decision.decided_by
        message.decided_subject = decision.subject
        message.decide_time.CopyFrom(convert.timestamp(decision.time))
    return message


def _source(source: Source) -> pb.FieldSource:
    origin = source.origin
    match origin:
        case TurnRow():
            message = pb.FieldSource(turn_id=origin.id)
        case UploadRow():
            message = _upload_source(origin)
        case Answer():
            message = pb.FieldSource(answer_id=origin.source_id)
    if source.text is not None and source.text.safe_for_llm:
        message.text.CopyFrom(convert.redacted(source.text))
    if (box := source.box) is not None:
        message.box.CopyFrom(pb.PictureBox(left=box.left, top=box.top, width=box.width, height=box.height))
    return message


def _upload_source(origin: UploadRow) -> pb.FieldSource:
    message = pb.FieldSource(
        upload_id=convert.upload_id(origin),
        kind=convert.kind_value(origin.kind),
        has_redacted_image=origin.artifact is not None and not origin.artifact.is_recording,
        has_redacted_recording=origin.artifact is not None and origin.artifact.is_recording,
    )
    if message.has_redacted_image and origin.artifact is not None:
        message.picture_width, message.picture_height = origin.artifact.width, origin.artifact.height
    return message
