"""ExperimentService: what is compared, what it shows, and what it would need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vestibule.v1 import experiment_pb2 as pb
from vestibule.v1 import experiment_pb2_grpc

from server.access.caller import current_caller
from server.experiments.catalogue import Experiments
from server.experiments.planning import PLANNED_POWER, plan
from server.experiments.reading import read_sessions, read_traffic
from server.experiments.report import build_report
from server.ledger.long_reads import Reads
from server.ledger.types import Clock
from server.rpc import convert
from server.services.experiment_messages import DAY_S, experiment_message, plan_message, report_message


class ExperimentService(experiment_pb2_grpc.ExperimentServiceServicer):
    """See protos/vestibule/v1/experiment.proto.

    Args:
        pseudonym: What the server calls a client of tokens; see ``AuditTrail.client_pseudonym``.
    """

    def __init__(self, ledger: Reads, experiments: Experiments, clock: Clock, pseudonym: Callable[[str], str]) -> None:
        self._ledger = ledger
        self._experiments = experiments
        self._clock = clock
        self._pseudonym = pseudonym

    async def ListExperiments(  # noqa: N802, D102
        self, request: pb.ListExperimentsRequest, context: Any
    ) -> pb.ListExperimentsResponse:
        client, now = current_caller().client_id, self._clock()
        shown = [experiment_message(each, now, client) for each in self._experiments.visible_to(client)]
        return pb.ListExperimentsResponse(experiments=shown)

    async def GetExperimentReport(  # noqa: N802, D102
        self, request: pb.GetExperimentReportRequest, context: Any
    ) -> pb.GetExperimentReportResponse:
        client, now = current_caller().client_id, self._clock()
        experiment = self._experiments.visible_to(client).find(request.name)
        sessions = await self._ledger.read(lambda cursor: read_sessions(cursor, experiment, now, client))
        report = build_report(experiment, sessions, ended=experiment.has_ended(now))
        return report_message(report, experiment_message(experiment, now, client))

    async def PlanExperiment(  # noqa: N802, D102
        self, request: pb.PlanExperimentRequest, context: Any
    ) -> pb.PlanExperimentResponse:
        visible_to, now = current_caller().client_id, self._clock()
        settle_s = convert.seconds(request.counts_after) if request.HasField("counts_after") else DAY_S
        named = request.client_id
        clients = (named, self._pseudonym(named)) if named else ()
        traffic = await self._ledger.read(lambda cursor: read_traffic(cursor, now, settle_s, clients, visible_to))
        if not traffic.sessions:
            return plan_message(traffic, None)
        needed = plan(
            traffic.rate,
            request.effect,
            variants=request.variant_count if request.HasField("variant_count") else 2,
            share=request.share if request.HasField("share") else None,
            per_day=traffic.per_day,
            settle_days=settle_s / DAY_S,
            power=request.power if request.HasField("power") else PLANNED_POWER,
        )
        return plan_message(traffic, needed)
