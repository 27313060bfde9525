"""FlowService: shows the flows, and takes answers that an app gives as values."""

from __future__ import annotations

from typing import Any

from vestibule.v1 import flow_pb2, flow_pb2_grpc

from server.flows.catalogue import Flows
from server.records.flow_answers import FlowAnswers
from server.records.guide import Guidance
from server.services.flow_messages import flow_message, progress_message
from server.setting_groups import RetentionSettings


class FlowService(flow_pb2_grpc.FlowServiceServicer):
    """See protos/vestibule/v1/flow.proto."""

    def __init__(self, flows: Flows, answers: FlowAnswers, kept: RetentionSettings) -> None:
        self._flows = flows
        self._kept = kept
        self._answers = answers

    async def ListFlows(  # noqa: N802, D102
        self, request: flow_pb2.ListFlowsRequest, context: Any
    ) -> flow_pb2.ListFlowsResponse:
        newest = {flow.name: flow for flow in self._flows}
        default = self._flows.default.name
        return flow_pb2.ListFlowsResponse(
            flows=[
                flow_message(flow, request.language, default=name == default, whole=False)
                for name, flow in newest.items()
            ]
        )

    async def GetFlow(self, request: flow_pb2.GetFlowRequest, context: Any) -> flow_pb2.GetFlowResponse:  # noqa: N802, D102
        default = self._flows.default.name
        name = request.name or default
        flow = self._flows.get(name, request.version) if request.version else self._flows.newest(name)
        message = flow_message(flow, request.language, default=flow.name == default, whole=True)
        message.retention.CopyFrom(flow_pb2.FlowRetention(**self._kept.with_flow(flow.retention)))
        return flow_pb2.GetFlowResponse(flow=message)

    async def AnswerField(  # noqa: N802, D102
        self, request: flow_pb2.AnswerFieldRequest, context: Any
    ) -> flow_pb2.AnswerFieldResponse:
        guidance = await self._answers.answer(request.session_id, request.field, request.value)
        return flow_pb2.AnswerFieldResponse(progress=_progress(guidance))

    async def SkipStep(self, request: flow_pb2.SkipStepRequest, context: Any) -> flow_pb2.SkipStepResponse:  # noqa: N802, D102
        guidance = await self._answers.skip(request.session_id, request.step)
        return flow_pb2.SkipStepResponse(progress=_progress(guidance))

    async def ReopenField(  # noqa: N802, D102
        self, request: flow_pb2.ReopenFieldRequest, context: Any
    ) -> flow_pb2.ReopenFieldResponse:
        guidance = await self._answers.reopen(request.session_id, request.field)
        return flow_pb2.ReopenFieldResponse(progress=_progress(guidance))


def _progress(guidance: Guidance) -> flow_pb2.Progress:
    return progress_message(guidance.progress, guidance.language)
