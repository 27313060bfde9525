"""All services on a real port over a real ledger, with things of one client, and calls of another one.

Only the workers and the upstream are replaced. The caller of a call is named in its metadata.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import grpc.aio
from google.protobuf.message import Message

from models.errors import WeightsError
from models.sealed_values import SealedValue
from models.text import RedactedText
from server.access.api_keys import ApiKeys
from server.access.audit_book import AuditBook
from server.access.caller import Caller, Scope, acting_as, set_caller
from server.access.peer import parse_peer
from server.backup.hold import FilesHold
from server.breakers.registry import Breakers
from server.breakers.types import BreakerBounds
from server.erasure.eraser import Eraser, LiveWork
from server.experiments.catalogue import Experiments
from server.experiments.types import Experiment, Variant
from server.funnel.texts import load_texts
from server.jobs.letter_operations import LetterOperations
from server.jobs.types import Completion, Handler
from server.ledger import dead_letters, jobs, model_comparisons, sealed_values, turns
from server.ledger.columns import Cursor, fetch_all
from server.ledger.jobs import new_job
from server.ledger.schema import TABLES
from server.ledger.types import DeadLetterRow, JobRow, SessionRow, UploadRow
from server.observability.metrics import Metrics
from server.records.approval import ApprovalRules
from server.records.flow_answers import FlowAnswers
from server.records.machine_words import MachineWords
from server.records.refusal_events import RefusalEvents
from server.records.reviews import Reviews
from server.records.reviews_fields import FieldReview
from server.records.sealed_releases import SealedReleases
from server.records.sessions import Sessions
from server.records.status import StatusReporter
from server.records.vocabulary import VocabularySealer
from server.reports.delivery import ReportDelivery
from server.risk.texts import RiskTexts
from server.risk.trainer import RiskTrainer
from server.rpc.interceptors.base import Call, CallHook, HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.rpc.interceptors.validate import Validate
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.services.access import AccessService
from server.services.admin import AdminService
from server.services.conversation import ConversationService
from server.services.experiment import ExperimentService
from server.services.flow import FlowService
from server.services.media import MediaService
from server.services.recommendation import RecommendationService
from server.services.report import ReportService
from server.services.review import ReviewService
from server.services.risk import RiskService
from server.services.sealed import SealedValueService
from server.services.session import SessionService
from server.setting_groups import ApprovalSettings, AuditSettings, LimitSettings, RetentionSettings, RiskSettings
from server.settings import Settings
from server.speech_models.choice import SpeechModelChoice
from server.speech_models.shadow import FinalsShadow
from server.streaming.events import Final
from server.streaming.stream_config import StreamConfig
from server.uploads.build import build_upload_service
from server.uploads.key_rotation import SpoolKeyRotation
from server.uploads.keys import load_or_create_spool_keys
from server.uploads.spool import Spool
from server.uploads.types import DeclaredUpload
from server.wiring.reports import build_report_delivery
from tests.fakes.cleaner import SameBytes
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.fakes.guide import FLOWS, GUIDE
from tests.unit.ledger.makers import comparison
from tests.unit.streaming.conversation_harness import NOW, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, endless, until

SEALER = VocabularySealer(bytes(32))

T = TypeVar("T")
JPEG = b"\xff\xd8\xff\xe0" + b"a photograph " * 100
EVERYTHING = frozenset(Scope)
CALLERS = {
    "owner": Caller("key:a", "app-a", EVERYTHING, parse_peer("ipv4:10.0.0.1:1")),
    "stranger": Caller("key:b", "app-b", EVERYTHING, parse_peer("ipv4:10.0.0.2:1")),
    "everybody": Caller("key:c", "", EVERYTHING, parse_peer("ipv4:10.0.0.3:1")),
}
EXPERIMENTS = Experiments(
    Experiment("flow_of_app_a", (Variant("old"), Variant("new")), NOW, clients=frozenset({"app-a"}))
)
"""One of the owner alone."""
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOKEN_SECRET = re.compile(rb"\.[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Ids:
    """Everything by which something of a client can be named."""

    session: str
    upload: str
    recommendation: str
    token: str
    event: str
    letter: str
    request: str
    client: str
    person: str


def unknown_ids() -> Ids:
    """Ids that nobody has."""
    made = {name: str(uuid4()) for name in ("session", "upload", "recommendation", "event", "letter", "request")}
    return Ids(**made, token=f"{uuid4()}.{'x' * 43}", client="app-x", person="0" * 64)


@dataclass(frozen=True)
class Answer:
    """What a call returned, with ids and secrets replaced, so that two answers can be compared byte for byte."""

    code: str
    message: str
    details: bytes
    messages: tuple[bytes, ...]


class _NamedCaller(CallHook):
    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        set_caller(CALLERS[call.metadata("test-caller")])
        yield


class _Reads(Handler):
    """Stands for the handler of a dead letter's job, which never runs here."""

    kind = "read_upload"

    async def run(self, job: JobRow) -> Completion[Any]:
        raise AssertionError("no job is claimed in these tests")


class Statements:
    """A cursor that notes the SQL that runs. Ids in it are replaced: some statements have them as literals."""

    def __init__(self, cursor: Cursor, noted: list[str]) -> None:
        self._cursor = cursor
        self._noted = noted

    def execute(self, sql: str, *rest: Any) -> Any:
        self._noted.append(_UUID.sub(b"<id>", " ".join(sql.split()).encode()).decode())
        return self._cursor.execute(sql, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


class TwoClients:
    """The world of these tests."""

    def __init__(self, folder: Path, gateway: FakeGateway | None = None) -> None:
        self.folder = folder
        self.harness = StreamHarness(folder, gateway=gateway)
        self.ledger = self.harness.ledger
        self.statements: list[str] = []
        self._note_statements()
        self.lifecycle = Lifecycle()
        self.sessions = Sessions(self.ledger, self.harness.pubsub, SEALER, lambda: NOW, FLOWS)
        self.uploads = build_upload_service(
            self.ledger,
            self.harness.spool,
            self.harness.pubsub,
            self.harness.gateway,
            self.harness.metrics,
            LimitSettings(),
            SameBytes(),
            on_job=lambda: None,
            clock=lambda: NOW,
            refusals=RefusalEvents(self.ledger, lambda: NOW),
        )
        self.harness.runner._handlers = {_Reads.kind: _Reads()}
        self.audit = AuditBook(self.ledger, AuditSettings(), folder / "state", lambda: NOW, "1.2.3")
        self.services = self._services(folder)

    async def fill(self) -> tuple[Ids, Ids]:
        """What the owner and the stranger have."""
        with acting_as(CALLERS["owner"]):
            owners = await self._of("app-a", "ab" * 32)
        with acting_as(CALLERS["stranger"]):
            strangers = await self._of("app-b", "cd" * 32)
        return owners, strangers

    async def rows_of(self, ids: Ids) -> dict[str, list[dict[str, Any]]]:
        """Every row of a session."""

        def read(cursor: Cursor) -> dict[str, list[dict[str, Any]]]:
            found = {}
            for table in TABLES:
                names = {name for name, _, _ in table.columns}
                column = "session_id" if "session_id" in names else "id" if table.name == "sessions" else None
                if column:
                    sql = f"SELECT * FROM {table.name} WHERE {column} = ? ORDER BY ALL"
                    found[table.name] = fetch_all(cursor, sql, [ids.session])
            return found

        return await self.ledger.read(read)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to the port."""
        hooks = (MapErrors(), _NamedCaller(), Validate())
        server = grpc.aio.server(interceptors=[HookInterceptor(hook) for hook in hooks])
        self.services.add_to(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield channel
        finally:
            await server.stop(0)
            self.ledger.close()

    def _note_statements(self) -> None:
        for name in ("read", "write"):
            whole = getattr(self.ledger, name)

            async def noted(fn: Callable[[Any], T], whole: Any = whole) -> T:
                found: T = await whole(lambda cursor: fn(Statements(cursor, self.statements)))
                return found

            setattr(self.ledger, name, noted)

    def _services(self, folder: Path) -> Services:
        harness = self.harness
        words = MachineWords(harness.gateway)
        breakers = Breakers(self.ledger, Metrics(), lambda: NOW)
        breakers.build("llm_api", BreakerBounds(3, 1.0, 1))
        status = StatusReporter(
            harness.gateway, self.ledger, harness.assistant, breakers, NOW, lambda: harness.streams.count, ()
        )
        work = LiveWork(
            harness.streams.end_sessions,
            self.uploads.end_sessions,
            harness.runner.end_sessions,
            self.sessions.abandon,
        )
        eraser = Eraser(self.ledger, harness.spool, folder / "pictures", work, lambda: NOW, self.audit.trail)
        return Services(
            session=SessionService(self.sessions, harness.pubsub, self.lifecycle, words),
            conversation=ConversationService(harness.streams),
            media=MediaService(self.uploads, self.ledger, harness.pubsub, self.lifecycle, folder / "pictures"),
            recommendation=RecommendationService(harness.recommender, words),
            review=self._review(words),
            flow=FlowService(
                FLOWS,
                FlowAnswers(self.ledger, harness.gateway, harness.pubsub, GUIDE, lambda: NOW),
                RetentionSettings(),
            ),
            funnel=funnel_service(self.ledger, harness.gateway, lambda: NOW, self.audit.trail),
            experiment=ExperimentService(self.ledger, EXPERIMENTS, lambda: NOW, self.audit.trail.client_pseudonym),
            report=ReportService(self._reports()),
            risk=RiskService(
                self.ledger,
                RiskTrainer(self.ledger, lambda: NOW, RiskSettings(), 1800.0, folder),
                lambda: NOW,
                RiskTexts(load_texts()),
                RiskSettings(),
            ),
            sealed=SealedValueService(SealedReleases(self.ledger, self.audit.trail, lambda: NOW, Metrics(), FLOWS)),
            admin=AdminService(
                status,
                self.ledger,
                harness.runner,
                breakers,
                words,
                eraser,
                self.audit,
                self._operations(),
                self._spool_key(),
                FilesHold(harness.spool, self.ledger, self.audit, eraser.alone),
                self._shadow(),
            ),
            access=AccessService(ApiKeys(self.ledger, lambda: NOW, self.audit.trail), words, lambda: NOW),
        )

    def _review(self, words: MachineWords) -> ReviewService:
        harness, rules, trail = self.harness, ApprovalRules(ApprovalSettings()), self.audit.trail
        return ReviewService(
            Reviews(self.ledger, harness.gateway, lambda: NOW, trail, rules, FLOWS, 600.0),
            FieldReview(self.ledger, harness.gateway, harness.pubsub, lambda: NOW, trail, rules, FLOWS),
            words,
        )

    def _reports(self) -> ReportDelivery:
        return build_report_delivery(Settings(), self.ledger, self.ledger, Metrics(), lambda: NOW)

    def _spool_key(self) -> SpoolKeyRotation:
        spool = Spool(self.folder / "spool", load_or_create_spool_keys("", self.folder / "spool.key"))
        return SpoolKeyRotation(spool, self.ledger, VocabularySealer(spool.keys), self.audit.trail, asyncio.Lock())

    def _shadow(self) -> FinalsShadow:
        choice = SpeechModelChoice(
            self.ledger, self.harness.gateway, self.audit.trail, lambda: NOW, "whisper-base", _require_weights
        )
        return FinalsShadow(
            self.ledger, self.harness.gateway, choice, Metrics(), lambda: NOW, chance=lambda: 1.0, busy=lambda: False
        )

    def _operations(self) -> LetterOperations:
        return LetterOperations(self.ledger, self.harness.runner, self.audit.trail, lambda: NOW, 1000.0)

    async def _of(self, client_id: str, person: str) -> Ids:
        request = str(uuid4())
        session = await self.sessions.start(
            client_id=client_id, request_id=request, language="en", vocabulary=(), variant="", subject_hash=person
        )
        token = await self._broken_stream(session)
        upload = await self._upload(session)
        proposed = await self.harness.recommender.propose(session.id, fallback=True, wait_s=0)
        letter = await self._letter(session)
        value = SealedValue("PHONE", "contact_phone", "crm", b"sealed for " + client_id.encode(), "0" * 32)
        await self.ledger.write(lambda cursor: sealed_values.store(cursor, session.id, upload.id, [value], NOW))
        await self.ledger.write(lambda cursor: _compare_turns(cursor, session))
        return Ids(session.id, upload.id, proposed.id, token, str(uuid4()), letter, request, client_id, person)

    async def _broken_stream(self, session: SessionRow) -> str:
        """A stream on which something was said, and whose connection then broke; returns its token."""
        config = StreamConfig(session.id, "PCM_S16LE", 16_000, 1, "en", None, False, "")
        async with self.harness.streams.open(config) as stream:
            await until(stream, endless(speech(0.5) + quiet(1.0)), Final)
            return stream.token

    async def _upload(self, session: SessionRow) -> UploadRow:
        async def content() -> AsyncIterator[bytes]:
            yield JPEG

        described = DeclaredUpload(str(uuid4()), session.id, "", len(JPEG), hashlib.sha256(JPEG).digest())
        return await self.uploads.accept(described, content())

    async def _letter(self, session: SessionRow) -> str:
        job = new_job("read_upload", str(uuid4()), session.id, {"upload_id": str(uuid4())}, "network", NOW)
        letter = DeadLetterRow(str(uuid4()), job.id, job.kind, session.id, "WORKER_LOST", "It died.", 1, "", NOW)

        def write(cursor: Cursor) -> None:
            jobs.enqueue(cursor, job)
            cursor.execute("UPDATE jobs SET state = 'DEAD' WHERE id = ?", [job.id])
            dead_letters.insert_letter(cursor, letter)

        await self.ledger.write(write)
        return letter.id


def _require_weights(name: str) -> None:
    if not name.startswith("whisper-"):
        raise WeightsError("There are no weights of this name.")


def _compare_turns(cursor: Cursor, session: SessionRow) -> None:
    """What a candidate heard of each turn: the id of the client."""
    for turn in turns.list_of_session(cursor, session.id):
        heard = RedactedText.literal(session.client_id)
        row = comparison(turn, text=heard, weights="whisper-base", candidate="whisper-tiny.en", word_differences=1)
        model_comparisons.insert_comparison(cursor, row)


async def call(
    channel: grpc.aio.Channel, who: str, method: str, requests: Iterable[Message], *, most: int | None = None
) -> Answer:
    """Make a call of any kind, and read its answers; of an endless one the first ``most``."""
    stub: Any = channel.stream_stream(
        f"/{method}", request_serializer=lambda m: m.SerializeToString(), response_deserializer=bytes
    )
    stream = stub(metadata=(("test-caller", who),), timeout=20)
    received: list[bytes] = []
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):  # the server may end it before it is all sent
        for request in requests:
            await stream.write(request)
        await stream.done_writing()
    with suppress(grpc.aio.AioRpcError):
        async for message in stream:
            received.append(_without_ids(message))
            if len(received) == most:
                stream.cancel()
                return Answer("OK", "", b"", tuple(received))
    trailing = dict(await stream.trailing_metadata() or ())
    details: Any = trailing.get("grpc-status-details-bin", b"")
    return Answer((await stream.code()).name, await stream.details() or "", _without_ids(details), tuple(received))


def _without_ids(message: bytes) -> bytes:
    return _TOKEN_SECRET.sub(b"." + b"s" * 43, _UUID.sub(b"u" * 36, message))
