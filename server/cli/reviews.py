"""`vestibule reviews`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from server.cli.messages import as_dict
from server.cli.output import show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected
from server.cli.review_decisions import COMMANDS
from server.cli.review_text import origin_word, show_review
from server.cli.sessions import CLIENT_ID
from server.cli.time_types import Period

if TYPE_CHECKING:
    from vestibule.v1 import review_pb2 as pb

PAGE = 200
"""Records that one call asks for."""


@click.group(short_help="List, show and decide the records that wait.")
def reviews() -> None:
    """Records that wait for a person, who works on them, and what is decided about them.

    docs/operating/reviewing.md says how they are decided. Deciding needs a key with the scope reviewer.

    \b
    Examples:
      vestibule reviews list --order expiry --min-age 2h
      vestibule reviews claim 5f0c7a52-...
      vestibule reviews show 5f0c7a52-...
      vestibule reviews correct 5f0c7a52-... meter_reading 4812 --reason misread
      vestibule reviews approve 5f0c7a52-... --hash HASH
    """


as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@reviews.command("list")
@click.option("--client", default="", help="Only records of this client.")
@click.option("--flow", default="", help="Only records of this flow.")
@click.option("--min-age", type=Period(), help="Only what has waited at least so long, such as 2h.")
@click.option("--max-age", type=Period(), help="Only what has waited at most so long.")
@click.option("--claimed", "claim", flag_value="CLAIMED", help="Only what somebody works on.")
@click.option("--unclaimed", "claim", flag_value="UNCLAIMED", help="Only what nobody works on.")
@click.option("--mine", "claim", flag_value="MINE", help="Only what the own credential has claimed.")
@click.option("--assignee", default="", help="Only what is assigned to this staff id or credential.")
@click.option(
    "--order",
    type=click.Choice(("oldest", "newest", "expiry")),
    default="oldest",
    show_default=True,
    help="What comes first: what has waited longest or shortest, or what expires next.",
)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Most records to show.")
@address_option
@as_json_option
def list_reviews(limit: int, address: str | None, as_json: bool, **which: Any) -> None:
    """List the records that wait for a decision and have not expired."""
    if not CLIENT_ID.fullmatch(which["client"]):
        raise click.UsageError("--client takes letters, digits, dot, dash and underscore.")
    found, total = _listed(_request(**which), limit, address)
    if as_json:
        show_json({"reviews": [as_dict(each) for each in found], "total": total})
        return
    columns = (
        "record",
        "client",
        "waits since",
        "expires",
        "written by",
        "missing",
        "approvals",
        "claimed by",
        "summary",
    )
    show_table(columns, map(_row, found), empty="No record waits.")
    if total > len(found):
        click.echo(f"{total - len(found)} more; --limit shows them.")


def _request(
    client: str,
    flow: str,
    min_age: timedelta | None,
    max_age: timedelta | None,
    claim: str | None,
    assignee: str,
    order: str,
) -> pb.ListReviewsRequest:
    from vestibule.v1 import review_pb2 as pb

    request = pb.ListReviewsRequest(
        client_id=client,
        flow=flow,
        assignee=assignee,
        claim=pb.ClaimFilter.Value(f"CLAIM_FILTER_{claim or 'UNSPECIFIED'}"),
        order=pb.ReviewOrder.Value(f"REVIEW_ORDER_{order.upper()}"),
    )
    if min_age is not None:
        request.min_age.FromTimedelta(min_age)
    if max_age is not None:
        request.max_age.FromTimedelta(max_age)
    return request


def _listed(request: pb.ListReviewsRequest, limit: int, address: str | None) -> tuple[list[pb.ReviewSummary], int]:
    """The first records, page by page, and how many there are."""
    from vestibule.v1.review_pb2_grpc import ReviewServiceStub

    found: list[pb.ReviewSummary] = []
    with connected(address) as channel:
        stub = ReviewServiceStub(channel)
        while True:
            request.page_size = min(PAGE, limit - len(found))
            reply = stub.ListReviews(request, timeout=CALL_TIMEOUT_S)
            found += reply.reviews
            request.page_token = reply.next_page_token
            if not reply.next_page_token or len(found) >= limit:
                return found, reply.total_count


def _row(each: pb.ReviewSummary) -> tuple[object, ...]:
    return (
        each.recommendation_id,
        each.client_id,
        time_text(each.wait_time),
        time_text(each.expire_time),
        origin_word(each.origin),
        each.missing_count,
        f"{each.approval_count} of {each.approvals_needed}",
        _holder(each.claim) if each.HasField("claim") else "",
        each.summary,
    )


@reviews.command()
@click.argument("recommendation_id", metavar="RECORD", type=click.UUID)
@address_option
@as_json_option
def show(recommendation_id: UUID, address: str | None, as_json: bool) -> None:
    """Show one record: its hash, its fields with their findings and sources, what was decided, and the comments."""
    from vestibule.v1.review_pb2 import GetReviewRequest
    from vestibule.v1.review_pb2_grpc import ReviewServiceStub

    request = GetReviewRequest(recommendation_id=str(recommendation_id))
    with connected(address) as channel:
        review = ReviewServiceStub(channel).GetReview(request, timeout=CALL_TIMEOUT_S).review
    if as_json:
        show_json(as_dict(review))
    else:
        show_review(review)


def _holder(claim: pb.ReviewClaim) -> str:
    return claim.reviewer or claim.subject


for command in COMMANDS:
    reviews.add_command(command)
