"""A review as text for people: the record, each field with what speaks against it, and the comments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from server.cli.output import show_fields, show_table, time_text

if TYPE_CHECKING:
    from vestibule.v1 import review_pb2 as pb
    from vestibule.v1.common_pb2 import RecordField

FIELD_COLUMNS = ("field", "value", "confidence", "findings", "source", "decision", "as proposed")


def show_review(review: pb.Review) -> None:
    """Print a review."""
    from vestibule.v1.recommendation_pb2 import RecommendationState

    record, session = review.recommendation, review.session
    state = RecommendationState.Name(record.state).removeprefix("RECOMMENDATION_STATE_").lower()
    pairs: list[tuple[str, object]] = [
        ("record", record.id),
        ("state", state),
        ("superseded by", review.newer_recommendation_id),
        ("session", session.id),
        ("client", session.client_id),
        ("flow", f"{session.flow} {session.flow_version}".strip()),
        ("language", session.language or "detected"),
        ("written by", origin_word(record.origin)),
        ("waits since", time_text(session.wait_time) if session.HasField("wait_time") else ""),
        ("expires", time_text(record.expire_time) if record.HasField("expire_time") else ""),
        ("approvals", f"{len(record.approvals)} of {record.approvals_needed}" if record.approvals_needed > 1 else ""),
        ("claimed by", _held(review.claim) if review.HasField("claim") else ""),
        ("assigned to", review.assignment.assignee),
        ("hash", record.content_hash.hex()),
    ]
    show_fields((name, value) for name, value in pairs if value)
    click.echo(f"\n{record.record.summary}")
    judged = {field.name: field for field in record.record.fields}
    show_table(FIELD_COLUMNS, [_field_row(field, judged.get(field.name)) for field in review.fields])
    if review.comments:
        click.echo("\nComments")
        show_table(
            ("when", "who", "word", "text"),
            [
                (time_text(each.create_time), each.reviewer or each.subject, each.word, each.text.value)
                for each in review.comments
            ],
        )


def _field_row(field: pb.ReviewField, judged: RecordField | None) -> tuple[str, ...]:
    from vestibule.v1.review_pb2 import FIELD_DECISION_REMOVED, FIELD_DECISION_UNSPECIFIED, FieldDecision

    decision = ""
    if field.decision != FIELD_DECISION_UNSPECIFIED:
        decision = FieldDecision.Name(field.decision).removeprefix("FIELD_DECISION_").lower()
    why = f"{decision}: {field.reason}" if field.reason else decision
    before = field.proposed_value if field.proposed_value != field.value else ""
    gone = "(removed)" if field.decision == FIELD_DECISION_REMOVED else "(missing)"
    value = gone if field.missing else field.value
    return field.name, value, _confidence(judged), _findings(judged), _source(field), why, before


def _confidence(judged: RecordField | None) -> str:
    from vestibule.v1.common_pb2 import FIELD_CONFIDENCE_UNSPECIFIED, FieldConfidence

    if judged is None or judged.confidence == FIELD_CONFIDENCE_UNSPECIFIED:
        return ""
    return FieldConfidence.Name(judged.confidence).removeprefix("FIELD_CONFIDENCE_").lower()


def _findings(judged: RecordField | None) -> str:
    """What was found about a field, with the other value where a source gives one: what is against it first."""
    found = sorted(judged.findings, key=lambda one: not one.against) if judged else []
    return " ".join(f"{one.message} ({one.other_value})" if one.other_value else one.message for one in found)


def _source(field: pb.ReviewField) -> str:
    match field.source.WhichOneof("source"):
        case "turn_id":
            return f"said: {field.source.text.value}"
        case "upload_id":
            where = "" if field.source.HasField("box") else ", place not known"
            return f"picture {field.source.upload_id[:8]}{where}"
        case "answer_id":
            return f"answered: {field.source.text.value}"
        case _:
            return ""


def _held(claim: pb.ReviewClaim) -> str:
    who = f"{claim.subject} ({claim.reviewer})" if claim.reviewer else claim.subject
    return f"{who} until {time_text(claim.expire_time)}"


def origin_word(origin: Any) -> str:
    """Who wrote a record, as a word: ``model`` or ``fallback``."""
    from vestibule.v1.common_pb2 import Origin

    return str(Origin.Name(origin)).removeprefix("ORIGIN_").lower()
