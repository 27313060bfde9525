"""ReviewService: what waits for a decision, who works on it, and decisions about single fields."""

from __future__ import annotations

from typing import Any, Final

from vestibule.v1 import review_pb2 as pb
from vestibule.v1 import review_pb2_grpc

from server.ledger.reviews_list import ReviewFilter
from server.records.machine_words import MachineWords
from server.records.reviews import Reviews
from server.records.reviews_fields import FieldReview
from server.rpc import convert
from server.services.review_messages import (
    CLAIM_FILTERS,
    ORDERS,
    assignment_message,
    choice_of,
    claim_message,
    comment_message,
    review_message,
    summary_message,
)

DEFAULT_PAGE: Final = 50


class ReviewService(review_pb2_grpc.ReviewServiceServicer):
    """See protos/vestibule/v1/review.proto.

    Args:
        words: Replaces staff ids, reasons and words in which something personal is found.
    """

    def __init__(self, reviews: Reviews, fields: FieldReview, words: MachineWords) -> None:
        self._reviews = reviews
        self._fields = fields
        self._words = words

    async def ListReviews(  # noqa: N802, D102
        self, request: pb.ListReviewsRequest, context: Any
    ) -> pb.ListReviewsResponse:
        who = self._reviews.claimant(await self._words.replaced(request.reviewer))
        which = ReviewFilter(
            client_id=request.client_id,
            flow=request.flow,
            min_age_s=convert.seconds(request.min_age),
            max_age_s=convert.seconds(request.max_age) if request.HasField("max_age") else None,
            claim=CLAIM_FILTERS[request.claim],
            who=who,
            assignee=await self._assignee(request.assignee),
            order=ORDERS[request.order],
        )
        page = await self._reviews.waiting(which, request.page_size or DEFAULT_PAGE, request.page_token)
        return pb.ListReviewsResponse(
            reviews=[summary_message(row, who) for row in page.rows],
            next_page_token=page.next_token,
            total_count=page.total,
        )

    async def GetReview(self, request: pb.GetReviewRequest, context: Any) -> pb.GetReviewResponse:  # noqa: N802, D102
        return pb.GetReviewResponse(review=await self._review(request.recommendation_id, request.reviewer))

    async def ClaimReview(  # noqa: N802, D102
        self, request: pb.ClaimReviewRequest, context: Any
    ) -> pb.ClaimReviewResponse:
        reviewer = await self._words.replaced(request.reviewer)
        claim = await self._reviews.claim(request.recommendation_id, reviewer)
        return pb.ClaimReviewResponse(claim=claim_message(claim, claim.holder))

    async def ReleaseReview(  # noqa: N802, D102
        self, request: pb.ReleaseReviewRequest, context: Any
    ) -> pb.ReleaseReviewResponse:
        await self._reviews.release(request.recommendation_id, await self._words.replaced(request.reviewer))
        return pb.ReleaseReviewResponse()

    async def DecideFields(  # noqa: N802, D102
        self, request: pb.DecideFieldsRequest, context: Any
    ) -> pb.DecideFieldsResponse:
        choices = [choice_of(choice, await self._words.replaced(choice.reason)) for choice in request.choices]
        decided_by = await self._words.replaced(request.decided_by)
        row = await self._fields.decide(request.recommendation_id, request.content_hash.hex(), decided_by, choices)
        return pb.DecideFieldsResponse(review=await self._review(row.id, request.decided_by))

    async def AssignReview(  # noqa: N802, D102
        self, request: pb.AssignReviewRequest, context: Any
    ) -> pb.AssignReviewResponse:
        assignee = await self._assignee(request.assignee)
        assignment = await self._reviews.assign(request.recommendation_id, assignee)
        return pb.AssignReviewResponse(assignment=assignment_message(assignment) if assignment else None)

    async def CommentReview(  # noqa: N802, D102
        self, request: pb.CommentReviewRequest, context: Any
    ) -> pb.CommentReviewResponse:
        comment = await self._reviews.comment(
            request.recommendation_id,
            request.comment_id,
            await self._words.replaced(request.reviewer),
            request.text,
            await self._words.replaced(request.word),
        )
        return pb.CommentReviewResponse(comment=comment_message(comment))

    async def _review(self, recommendation_id: str, reviewer: str) -> pb.Review:
        who = self._reviews.claimant(await self._words.replaced(reviewer))
        return review_message(await self._reviews.view(recommendation_id), who)

    async def _assignee(self, assignee: str) -> str:
        """A credential as rows have it, or a staff id that was checked for names."""
        if ":" in assignee:
            return self._reviews.stored_subject(assignee)
        return await self._words.replaced(assignee)
