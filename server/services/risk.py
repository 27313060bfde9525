"""RiskService: how likely a running session is to be abandoned."""

from __future__ import annotations

from typing import Any

from vestibule.v1 import risk_pb2 as pb
from vestibule.v1 import risk_pb2_grpc

from models.errors import PermissionDenied
from models.reasons import Reason
from server.access import ownership
from server.access.caller import current_caller
from server.ledger.columns import DuckDb
from server.ledger.long_reads import Reads
from server.ledger.types import Clock, SessionRow
from server.risk.features import Known
from server.risk.model import assess
from server.risk.reading import read_running
from server.risk.texts import RiskTexts
from server.risk.trainer import RiskTrainer
from server.services.risk_messages import model_message, risk_message
from server.setting_groups.risk import RiskSettings


class RiskService(risk_pb2_grpc.RiskServiceServicer):
    """See protos/vestibule/v1/risk.proto.

    Args:
        trainer: Has the newest model.
        texts: For the reasons.
        levels: What is medium and high.
    """

    def __init__(
        self, ledger: Reads, trainer: RiskTrainer, clock: Clock, texts: RiskTexts, levels: RiskSettings
    ) -> None:
        self._ledger = ledger
        self._trainer = trainer
        self._clock = clock
        self._texts = texts
        self._levels = levels

    async def GetSessionRisk(  # noqa: N802, D102
        self, request: pb.GetSessionRiskRequest, context: Any
    ) -> pb.GetSessionRiskResponse:
        caller = current_caller()

        def read(cursor: DuckDb) -> tuple[SessionRow, Known]:
            session = ownership.session(cursor, request.session_id, caller)
            return session, read_running(cursor, session)

        session, known = await self._ledger.read(read)
        model, stage = self._trainer.model, str(session.state)
        found = assess(model, stage, known.at(self._clock().timestamp()))
        return risk_message(found, stage, model, self._texts, self._levels, exact=not caller.client_id)

    async def GetRiskModel(  # noqa: N802, D102
        self, request: pb.GetRiskModelRequest, context: Any
    ) -> pb.GetRiskModelResponse:
        if current_caller().client_id:
            raise PermissionDenied(
                "The model rests on sessions of every client, and the credential belongs to one.",
                reason=Reason.ALL_CLIENTS_ONLY,
                hint="Use an analyst's or an operator's credential that belongs to no client.",
            )
        return model_message(self._trainer.model, self._trainer.next_train_time)
