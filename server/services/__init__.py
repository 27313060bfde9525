"""One class for each gRPC service. Only this package and ``server.rpc.convert`` use the protobuf messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc.aio
from vestibule.v1 import (
    access_pb2,
    access_pb2_grpc,
    admin_pb2,
    admin_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    experiment_pb2,
    experiment_pb2_grpc,
    flow_pb2,
    flow_pb2_grpc,
    funnel_pb2,
    funnel_pb2_grpc,
    media_pb2,
    media_pb2_grpc,
    recommendation_pb2,
    recommendation_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
    review_pb2,
    review_pb2_grpc,
    risk_pb2,
    risk_pb2_grpc,
    sealed_pb2,
    sealed_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
)

if TYPE_CHECKING:
    from server.services.funnel import FunnelService

SERVICE_NAMES: Final[tuple[str, ...]] = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (session_pb2, "SessionService"),
        (conversation_pb2, "ConversationService"),
        (media_pb2, "MediaService"),
        (recommendation_pb2, "RecommendationService"),
        (review_pb2, "ReviewService"),
        (flow_pb2, "FlowService"),
        (funnel_pb2, "FunnelService"),
        (experiment_pb2, "ExperimentService"),
        (report_pb2, "ReportService"),
        (risk_pb2, "RiskService"),
        (sealed_pb2, "SealedValueService"),
        (admin_pb2, "AdminService"),
        (access_pb2, "AccessService"),
    )
)


@dataclass(frozen=True, slots=True)
class Services:
    """All services."""

    session: session_pb2_grpc.SessionServiceServicer
    conversation: conversation_pb2_grpc.ConversationServiceServicer
    media: media_pb2_grpc.MediaServiceServicer
    recommendation: recommendation_pb2_grpc.RecommendationServiceServicer
    review: review_pb2_grpc.ReviewServiceServicer
    flow: flow_pb2_grpc.FlowServiceServicer
    funnel: FunnelService
    experiment: experiment_pb2_grpc.ExperimentServiceServicer
    report: report_pb2_grpc.ReportServiceServicer
    risk: risk_pb2_grpc.RiskServiceServicer
    sealed: sealed_pb2_grpc.SealedValueServiceServicer
    admin: admin_pb2_grpc.AdminServiceServicer
    access: access_pb2_grpc.AccessServiceServicer

    def add_to(self, server: grpc.aio.Server) -> None:
        """Register the services with a server."""
        session_pb2_grpc.add_SessionServiceServicer_to_server(self.session, server)
        conversation_pb2_grpc.add_ConversationServiceServicer_to_server(self.conversation, server)
        media_pb2_grpc.add_MediaServiceServicer_to_server(self.media, server)
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(self.recommendation, server)
        review_pb2_grpc.add_ReviewServiceServicer_to_server(self.review, server)
        flow_pb2_grpc.add_FlowServiceServicer_to_server(self.flow, server)
        funnel_pb2_grpc.add_FunnelServiceServicer_to_server(self.funnel, server)
        experiment_pb2_grpc.add_ExperimentServiceServicer_to_server(self.experiment, server)
        report_pb2_grpc.add_ReportServiceServicer_to_server(self.report, server)
        risk_pb2_grpc.add_RiskServiceServicer_to_server(self.risk, server)
        sealed_pb2_grpc.add_SealedValueServiceServicer_to_server(self.sealed, server)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(self.admin, server)
        access_pb2_grpc.add_AccessServiceServicer_to_server(self.access, server)
