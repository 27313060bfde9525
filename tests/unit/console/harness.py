"""The console over a real ledger with real keys; the status and the dead letters are scripted."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import httpx2
from vestibule.v1 import admin_pb2

from models.errors import NotFound, Overloaded
from models.reasons import Reason
from server.access.api_keys import ApiKeys
from server.access.audit import AuditTrail
from server.access.authenticator import Authenticator
from server.access.caller import Scope, current_caller
from server.access.jwks import KeySet, http_source
from server.access.tokens import TokenVerifier
from server.console.analyses import Analyses
from server.console.app import Console
from server.console.calls import Calls
from server.console.issuer_http import IssuerHttp
from server.console.issuer_login import IssuerLogin
from server.console.live import LiveStreams
from server.console.logins import Logins
from server.console.place import Place
from server.experiments.catalogue import Experiments
from server.experiments.types import Experiment
from server.flows.catalogue import Flows, shipped_catalogue
from server.funnel.texts import load_texts
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import Clock
from server.records.flow_answers import FlowAnswers
from server.records.machine_words import MachineWords
from server.records.pubsub import PubSub
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from server.risk.model import RiskModel
from server.risk.texts import RiskTexts
from server.risk.trainer import RiskTrainer
from server.rpc.interceptors.authenticate import AccessDecision
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.services.experiment import ExperimentService
from server.services.flow import FlowService
from server.services.media import MediaService
from server.services.risk import RiskService
from server.services.session import SessionService
from server.setting_groups import AuthSettings, ConsoleSettings, LimitSettings, RetentionSettings
from server.setting_groups.risk import RiskSettings
from server.uploads.service import UploadService
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

ORIGIN = "http://127.0.0.1:8090"
NAME = "<b>Hieronymus</b>"
"""What a fault of another part could hand to a page: it must come out as text."""


def letter(**changes: Any) -> admin_pb2.DeadLetter:
    values: dict[str, Any] = {
        "id": str(uuid4()),
        "kind": "read_picture",
        "reason": "WORKER_LOST",
        "message": f"The worker died. {NAME}",
        "attempts": 5,
        "open": True,
    }
    return admin_pb2.DeadLetter(**(values | changes))


def _counts(counts: Counter[tuple[str, str]]) -> list[admin_pb2.DeadLetterCount]:
    return [admin_pb2.DeadLetterCount(kind=k, reason=r, count=n) for (k, r), n in counts.most_common()]


@dataclass
class ScriptedAdmin:
    """Answers as the AdminService does, from what a test put here; notes who asked."""

    letters: list[admin_pb2.DeadLetter] = field(default_factory=list)
    dashboard_url: str = "http://127.0.0.1:8265"
    components: list[admin_pb2.Component] = field(default_factory=list)
    done: list[tuple[str, str, str]] = field(default_factory=list)
    references: dict[str, str] = field(default_factory=dict)
    redriven: list[admin_pb2.RedriveDeadLettersRequest] = field(default_factory=list)
    at_once: int = 100
    disk_full: bool = False
    failure: Exception | None = None

    async def GetStatus(self, request: admin_pb2.GetStatusRequest, context: object) -> admin_pb2.GetStatusResponse:
        if self.failure is not None:
            raise self.failure
        return admin_pb2.GetStatusResponse(
            version="1.2", components=self.components, dead_letter_count=3, dashboard_url=self.dashboard_url
        )

    async def ListBreakers(
        self, request: admin_pb2.ListBreakersRequest, context: object
    ) -> admin_pb2.ListBreakersResponse:
        breaker = admin_pb2.Breaker(name="llm_api", state=admin_pb2.BREAKER_STATE_OPEN, failure_count=4)
        breaker.open_for.FromSeconds(90)
        return admin_pb2.ListBreakersResponse(breakers=[breaker])

    async def ListDeadLetters(
        self, request: admin_pb2.ListDeadLettersRequest, context: object
    ) -> admin_pb2.ListDeadLettersResponse:
        shown = [found for found in self._matching(request.filter) if found.open or request.include_closed]
        counts = Counter((found.kind, found.reason) for found in self.letters if found.open)
        return admin_pb2.ListDeadLettersResponse(
            dead_letters=shown, next_page_token="a b&c", total_count=len(shown), open_counts=_counts(counts)
        )

    async def GetDeadLetter(
        self, request: admin_pb2.GetDeadLetterRequest, context: object
    ) -> admin_pb2.GetDeadLetterResponse:
        for found in self.letters:
            if found.id == request.dead_letter_id:
                return admin_pb2.GetDeadLetterResponse(dead_letter=found, references=self.references)
        raise NotFound("There is no such dead letter.", reason=Reason.DEAD_LETTER_NOT_FOUND)

    def _matching(self, which: admin_pb2.DeadLetterFilter) -> list[admin_pb2.DeadLetter]:
        letters = [found for found in self.letters if which.kind in {"", found.kind}]
        return [found for found in letters if which.reason in {"", found.reason}]

    async def RedriveDeadLetters(
        self, request: admin_pb2.RedriveDeadLettersRequest, context: object
    ) -> admin_pb2.RedriveDeadLettersResponse:
        if self.disk_full:
            raise Overloaded("The disk is full.", reason=Reason.LEDGER_FULL, retry_after_s=10)
        there = [found for found in self._matching(request.filter) if found.open]
        done = [] if request.dry_run else there[: self.at_once]
        if not request.dry_run:
            self.redriven.append(request)
        for found in done:
            found.open = False
        counts = Counter((found.kind, found.reason) for found in there)
        return admin_pb2.RedriveDeadLettersResponse(
            matched_count=len(there),
            done_count=len(done),
            remaining_count=len(there) - len(done),
            counts=_counts(counts),
        )

    async def RetryDeadLetter(
        self, request: admin_pb2.RetryDeadLetterRequest, context: object
    ) -> admin_pb2.RetryDeadLetterResponse:
        self.done.append(("retry", request.dead_letter_id, current_caller().subject))
        return admin_pb2.RetryDeadLetterResponse()

    async def DiscardDeadLetter(
        self, request: admin_pb2.DiscardDeadLetterRequest, context: object
    ) -> admin_pb2.DiscardDeadLetterResponse:
        self.done.append(("discard", request.reason, current_caller().subject))
        return admin_pb2.DiscardDeadLetterResponse()


class Harness:
    """One console and its ledger; ``now`` is its clock in seconds."""

    def __init__(
        self,
        folder: Path,
        limits: LimitSettings | None = None,
        settings: ConsoleSettings | None = None,
        *,
        analyses: Analyses | None = None,
        experiments: tuple[Experiment, ...] = (),
        risk_model: RiskModel | None = None,
        auth: AuthSettings | None = None,
        clock: Clock = lambda: NOW,
        conversation: object = None,
        media: object = None,
        flows: Flows | None = None,
    ) -> None:
        settings, limits = settings or ConsoleSettings(), limits or LimitSettings()
        self.place = Place.of_settings(settings, tls=False)
        self.ledger: EmbeddedLedger = open_ledger(folder / "ledger.duckdb", lambda: NOW)
        audit = AuditTrail(bytes(32), bytes(32), lambda: NOW)
        self.keys = ApiKeys(self.ledger, lambda: NOW, audit)
        self.admin = ScriptedAdmin()
        self.decisions: list[AccessDecision] = []
        self.now = 0.0
        self.funnel = funnel_service(self.ledger, FakeGateway(), lambda: NOW, audit)
        experiment = ExperimentService(self.ledger, Experiments(*experiments), lambda: NOW, audit.client_pseudonym)
        trainer = RiskTrainer(self.ledger, lambda: NOW, RiskSettings(), 1800, folder)
        trainer.model = risk_model
        risk = RiskService(self.ledger, trainer, lambda: NOW, RiskTexts(load_texts()), RiskSettings())
        self.pubsub, lifecycle, words = PubSub(), Lifecycle(), MachineWords(FakeGateway())
        flows = flows or shipped_catalogue()
        self.sessions = Sessions(self.ledger, self.pubsub, VocabularySealer(bytes(32)), lambda: NOW, flows)
        self.pictures = folder / "pictures"
        services = cast(
            Services,
            SimpleNamespace(
                funnel=self.funnel,
                experiment=experiment,
                risk=risk,
                admin=self.admin,
                flow=FlowService(flows, cast("FlowAnswers", None), RetentionSettings()),
                session=SessionService(self.sessions, self.pubsub, lifecycle, words),
                conversation=conversation,
                media=media
                or MediaService(cast("UploadService", None), self.ledger, self.pubsub, lifecycle, self.pictures),
            ),
        )
        verifier = TokenVerifier(auth, KeySet(http_source(auth.jwks_url)), clock, audit) if auth else None
        authenticator = Authenticator(self.keys, verifier)
        calls = Calls(services, authenticator, self.decisions.append, limits, lambda: self.now)
        self.live = LiveStreams(0.02)
        self.logins = Logins(1800, 43_200, lambda: self.now)
        issuer = None
        if auth and verifier:
            login = IssuerLogin(settings, auth, verifier, self.place, IssuerHttp(None), clock)
            issuer = login, RefusalLimits(limits, lambda: self.now)
        self.app = Console(calls, self.logins, self.place, self.live, issuer, analyses).app

    async def key(self, *scopes: Scope, client_id: str = "") -> str:
        """A fresh API key."""
        row, key = await self.keys.create(client_id=client_id, scopes=scopes, label="test", expire_time=None)
        self.last_key_id = row.id
        return key

    @asynccontextmanager
    async def browser(
        self, key: str = "", *, at: str = "127.0.0.1", origin: str = ORIGIN, **headers: str
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """A browser at a network address; it is logged in if a key is given."""
        transport = httpx2.ASGITransport(app=self.app, client=(at, 50_000), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url=origin, headers=headers) as client:
            if key:
                answer = await client.post("/login", data={"key": key})
                assert answer.status_code == 303
            yield client

    def close(self) -> None:
        self.ledger.close()
