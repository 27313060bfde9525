"""ReportService: sends the weekly report by hand."""

from __future__ import annotations

from typing import Any, Final

from vestibule.v1 import report_pb2 as pb
from vestibule.v1 import report_pb2_grpc

from models.errors import PermissionDenied
from models.reasons import Reason
from server.access.caller import current_caller
from server.reports.delivery import ReportDelivery
from server.reports.week import Week

_CHANNELS: Final = {
    pb.REPORT_CHANNEL_FOLDER: "folder",
    pb.REPORT_CHANNEL_WEBHOOK: "webhook",
    pb.REPORT_CHANNEL_MAIL: "mail",
}
_NUMBERS: Final = {name: number for number, name in _CHANNELS.items()}


class ReportService(report_pb2_grpc.ReportServiceServicer):
    """See protos/vestibule/v1/report.proto."""

    def __init__(self, delivery: ReportDelivery) -> None:
        self._delivery = delivery

    async def SendReport(  # noqa: N802, D102
        self, request: pb.SendReportRequest, context: Any
    ) -> pb.SendReportResponse:
        if current_caller().client_id:
            raise PermissionDenied(
                "The report is about the sessions of every client, and the credential belongs to one.",
                reason=Reason.ALL_CLIENTS_ONLY,
                hint="Use an operator's credential that belongs to no client.",
            )
        chosen = Week.parse(request.week) if request.week else None
        channels = [_CHANNELS[channel] for channel in request.channels]
        week, outcomes = await self._delivery.send_now(chosen, channels, test=request.test)
        found = [
            pb.ReportOutcome(channel=_NUMBERS[each.channel], sent=each.sent, reason=each.reason, message=each.message)
            for each in outcomes
        ]
        return pb.SendReportResponse(week=week.name, outcomes=found)
