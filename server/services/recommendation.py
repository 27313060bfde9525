"""RecommendationService: returns proposed records, and takes the decisions about them."""

from __future__ import annotations

from typing import Any

from vestibule.v1 import recommendation_pb2, recommendation_pb2_grpc

from server.records.machine_words import MachineWords
from server.records.recommender import Recommender
from server.rpc import convert


class RecommendationService(recommendation_pb2_grpc.RecommendationServiceServicer):
    """See protos/vestibule/v1/recommendation.proto."""

    def __init__(self, recommender: Recommender, words: MachineWords) -> None:
        self._recommender = recommender
        self._words = words

    async def GetRecommendation(  # noqa: N802, D102
        self, request: recommendation_pb2.GetRecommendationRequest, context: Any
    ) -> recommendation_pb2.GetRecommendationResponse:
        row = await self._recommender.get(request.recommendation_id)
        return recommendation_pb2.GetRecommendationResponse(recommendation=convert.recommendation_message(row))

    async def ApproveRecommendation(  # noqa: N802, D102
        self, request: recommendation_pb2.ApproveRecommendationRequest, context: Any
    ) -> recommendation_pb2.ApproveRecommendationResponse:
        row = await self._recommender.decide(
            request.recommendation_id,
            request.content_hash.hex(),
            await self._words.replaced(request.decided_by),
            approve=True,
            reason="",
            revise=False,
        )
        return recommendation_pb2.ApproveRecommendationResponse(recommendation=convert.recommendation_message(row))

    async def RejectRecommendation(  # noqa: N802, D102
        self, request: recommendation_pb2.RejectRecommendationRequest, context: Any
    ) -> recommendation_pb2.RejectRecommendationResponse:
        row = await self._recommender.decide(
            request.recommendation_id,
            request.content_hash.hex(),
            await self._words.replaced(request.decided_by),
            approve=False,
            reason=await self._words.replaced(request.reason),
            revise=request.revise,
        )
        return recommendation_pb2.RejectRecommendationResponse(recommendation=convert.recommendation_message(row))
