"""The commands of `vestibule reviews` that claim a record, and decide its fields and the whole of it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from server.cli.messages import as_dict
from server.cli.output import Failure, show_json, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.review_text import show_review

if TYPE_CHECKING:
    from vestibule.v1 import review_pb2 as pb
    from vestibule.v1.recommendation_pb2 import Recommendation

HASH_BYTES: Final = 32
Command = TypeVar("Command", bound=Callable[..., Any])


class ContentHash(click.ParamType[bytes]):
    """The hash of a record, in hexadecimal as `show` prints it, or in Base64 as `show --json` does."""

    name = "hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """The bytes of the hash."""
        try:
            found = bytes.fromhex(value) if len(value) == 2 * HASH_BYTES else base64.b64decode(value, validate=True)
        except ValueError:
            found = b""
        if len(found) != HASH_BYTES:
            self.fail("it must be the whole hash that `vestibule reviews show` prints.", param, ctx)
        return found


record_argument = click.argument("recommendation_id", metavar="RECORD", type=click.UUID)
as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


def reason_option(command: Command) -> Command:
    """Add ``--reason``."""
    return click.option("--reason", required=True, help="Why, as one word such as misread.")(command)


def hash_option(command: Command) -> Command:
    """Add ``--hash`` of a decision about fields."""
    what = "Hash of the record that you saw. Without it the record is taken as it is now, and its values are printed."
    return click.option("--hash", "content_hash", type=ContentHash(), help=what)(command)


def needed_hash_option(command: Command) -> Command:
    """Add ``--hash`` of a decision about the whole record."""
    what = "Hash of the record that you saw, as `show` prints it."
    return click.option("--hash", "content_hash", type=ContentHash(), required=True, help=what)(command)


@click.command()
@record_argument
@address_option
@as_json_option
def claim(recommendation_id: UUID, address: str | None, as_json: bool) -> None:
    """Claim a record, so that nobody else decides it for some minutes; again, to stay longer."""
    from vestibule.v1.review_pb2 import ClaimReviewRequest
    from vestibule.v1.review_pb2_grpc import ReviewServiceStub

    request = ClaimReviewRequest(recommendation_id=str(recommendation_id))
    with connected(address) as channel:
        held = ReviewServiceStub(channel).ClaimReview(request, timeout=CALL_TIMEOUT_S).claim
    if as_json:
        show_json(as_dict(held))
    else:
        click.echo(f"Claimed until {time_text(held.expire_time)}.")


@click.command()
@record_argument
@address_option
@as_json_option
def release(recommendation_id: UUID, address: str | None, as_json: bool) -> None:
    """End your claim; with a key of the scope operator, that of anybody."""
    from vestibule.v1.review_pb2 import ReleaseReviewRequest
    from vestibule.v1.review_pb2_grpc import ReviewServiceStub

    request = ReleaseReviewRequest(recommendation_id=str(recommendation_id))
    with connected(address) as channel:
        released = ReviewServiceStub(channel).ReleaseReview(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(as_dict(released))
    else:
        click.echo("Released.")


@click.command()
@record_argument
@click.argument("fields", metavar="FIELD...", nargs=-1, required=True)
@hash_option
@address_option
@as_json_option
def accept(recommendation_id: UUID, fields: tuple[str, ...], **how: Any) -> None:
    """Say that the values of fields are right. They stay, and the record says that you looked."""
    _decide(recommendation_id, [_choice("ACCEPTED", name) for name in dict.fromkeys(fields)], **how)


@click.command()
@record_argument
@click.argument("field")
@click.argument("value")
@reason_option
@hash_option
@address_option
@as_json_option
def correct(recommendation_id: UUID, field: str, value: str, reason: str, **how: Any) -> None:
    """Put VALUE in the place of a wrong value, or fill in a missing field.

    VALUE must fit the field: of a choice the value or the label of an option, a number in digits, a date such as
    2026-11-28. The server redacts free text, and a finding says where that changed it. Fields that no longer apply
    leave the record.

    The record is another one then, with another id and hash; it is shown, so that you can approve it.
    """
    _decide(recommendation_id, [_choice("CORRECTED", field, value=value, reason=reason)], **how)


@click.command("reject-field")
@record_argument
@click.argument("fields", metavar="FIELD...", nargs=-1, required=True)
@reason_option
@hash_option
@address_option
@as_json_option
def reject_field(recommendation_id: UUID, fields: tuple[str, ...], reason: str, **how: Any) -> None:
    """Remove fields whose values are wrong. They are listed as missing.

    The record is another one then, with another id and hash; it is shown, so that you can approve it.
    """
    _decide(recommendation_id, [_choice("REJECTED", name, reason=reason) for name in dict.fromkeys(fields)], **how)


@click.command()
@record_argument
@needed_hash_option
@click.option("--incomplete", is_flag=True, help="Approve it also if required fields are missing.")
@address_option
@as_json_option
def approve(recommendation_id: UUID, content_hash: bytes, incomplete: bool, address: str | None, as_json: bool) -> None:
    """Approve the record that you saw. It completes the session, unless others have to approve it, too.

    A record that lacks required fields is approved only with --incomplete.
    """
    from vestibule.v1 import recommendation_pb2 as pb
    from vestibule.v1.recommendation_pb2_grpc import RecommendationServiceStub

    request = pb.ApproveRecommendationRequest(recommendation_id=str(recommendation_id), content_hash=content_hash)
    with connected(address) as channel:
        stub = RecommendationServiceStub(channel)
        get = pb.GetRecommendationRequest(recommendation_id=str(recommendation_id))
        missing = stub.GetRecommendation(get, timeout=CALL_TIMEOUT_S).recommendation.record.missing
        if missing and not incomplete:
            raise Failure(
                "Required fields are missing, so the record was not approved.",
                details=missing,
                hint="Fill them in with `vestibule reviews correct`, send the record back with `reject --revise`, or "
                "approve it without them with --incomplete.",
            )
        if missing:
            click.echo(f"Missing: {', '.join(missing)}.", err=True)
        reply = stub.ApproveRecommendation(request, timeout=CALL_TIMEOUT_S)
    record = reply.recommendation
    text = "Approved."
    if record.state == pb.RECOMMENDATION_STATE_PENDING:
        so_far = f"{len(record.approvals)} of {record.approvals_needed}"
        text = f"Approved: {so_far} approvals. Each has to be of another credential."
    _tell(record, text, as_json)


@click.command()
@record_argument
@needed_hash_option
@reason_option
@click.option("--revise", is_flag=True, help="Send the session back for another proposal, instead of ending it.")
@address_option
@as_json_option
def reject(
    recommendation_id: UUID, content_hash: bytes, reason: str, revise: bool, address: str | None, as_json: bool
) -> None:
    """Reject the record that you saw. It ends the session, unless --revise is given."""
    from vestibule.v1.recommendation_pb2 import RejectRecommendationRequest
    from vestibule.v1.recommendation_pb2_grpc import RecommendationServiceStub

    request = RejectRecommendationRequest(
        recommendation_id=str(recommendation_id), content_hash=content_hash, reason=reason, revise=revise
    )
    with connected(address) as channel:
        reply = RecommendationServiceStub(channel).RejectRecommendation(request, timeout=CALL_TIMEOUT_S)
    _tell(reply.recommendation, "Rejected; another one can be proposed." if revise else "Rejected.", as_json)


COMMANDS: Final = (claim, release, accept, correct, reject_field, approve, reject)


def _choice(decision: str, name: str, *, value: str = "", reason: str = "") -> pb.FieldChoice:
    from vestibule.v1 import review_pb2 as pb

    return pb.FieldChoice(
        name=name, decision=pb.FieldDecision.Value(f"FIELD_DECISION_{decision}"), value=value, reason=reason
    )


def _decide(
    recommendation_id: UUID,
    choices: Sequence[pb.FieldChoice],
    content_hash: bytes | None,
    address: str | None,
    as_json: bool,
) -> None:
    """Send decisions about fields, and show the record that waits then.

    Args:
        recommendation_id: UUID of the record.
        choices: One for each field.
        content_hash: Of the record that the person saw; None takes that of the record as it is now.
        address: Host and port; None takes the setting.
        as_json: Whether to print JSON.
    """
    from vestibule.v1 import review_pb2 as pb
    from vestibule.v1.review_pb2_grpc import ReviewServiceStub

    before: dict[str, str] = {}
    with connected(address) as channel:
        stub = ReviewServiceStub(channel)
        if content_hash is None:
            request = pb.GetReviewRequest(recommendation_id=str(recommendation_id))
            shown = stub.GetReview(request, timeout=CALL_TIMEOUT_S).review
            content_hash = shown.recommendation.content_hash
            before = _values(shown)
        decision = pb.DecideFieldsRequest(
            recommendation_id=str(recommendation_id), content_hash=content_hash, choices=choices
        )
        review = stub.DecideFields(decision, timeout=CALL_TIMEOUT_S).review
    if before:  # the person gave no hash of what they saw
        _say_what(before, review, choices)
    if as_json:
        show_json(as_dict(review))
        return
    if review.recommendation.id != str(recommendation_id):
        click.echo("The changed record is a new one, with another id and hash. Look at it before you approve it.\n")
    show_review(review)


def _values(review: pb.Review) -> dict[str, str]:
    return {field.name: "(missing)" if field.missing else field.value for field in review.fields}


def _say_what(before: dict[str, str], review: pb.Review, choices: Sequence[pb.FieldChoice]) -> None:
    """Say on standard error which values were decided, and what they are now."""
    from vestibule.v1 import review_pb2 as pb

    values = _values(review)
    for choice in choices:
        value, now = before.get(choice.name, "(not in the record)"), values.get(choice.name, "(not in the record)")
        match choice.decision:
            case pb.FIELD_DECISION_CORRECTED:
                done = f"was corrected to {now}"
            case pb.FIELD_DECISION_REJECTED:
                done = "was removed"
            case _:
                done = "was accepted"
        click.echo(f"{choice.name}: {value} {done}.", err=True)


def _tell(record: Recommendation, text: str, as_json: bool) -> None:
    if as_json:
        show_json(as_dict(record))
    else:
        click.echo(text)
