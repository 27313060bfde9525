"""Every RPC as the wrong client: ids of another client are answered as ids that nobody has, by the same statements."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import grpc.aio
import pytest
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import (
    admin_pb2,
    conversation_pb2,
    experiment_pb2,
    flow_pb2,
    funnel_pb2,
    media_pb2,
    recommendation_pb2,
    report_pb2,
    review_pb2,
    risk_pb2,
    sealed_pb2,
    session_pb2,
)

from server.access import ownership
from server.access.caller import acting_as
from server.ledger import uploads as ledger_uploads
from server.rpc import convert
from server.services import SERVICE_NAMES
from tests.source_tree import ROOT, modules, nodes
from tests.unit.access.two_clients import CALLERS, JPEG, Ids, TwoClients, call, unknown_ids

Build = Callable[[Ids, Ids], list[Message]]
"""The requests, from ids to try and the caller's own ones."""


@dataclass(frozen=True)
class Case:
    """A call.

    Attributes:
        build: Its requests.
        owner_gets: Code that the owner gets with the same ids, so that the test shows a difference; empty where the
            owner gets the same answer, and ``check`` looks at what was stored.
        most: Answers to read of an endless call.
    """

    method: str
    name: str
    build: Build
    owner_gets: str = "OK"
    most: int | None = None


def _upload(upload_id: str, session_id: str) -> list[Message]:
    description = media_pb2.UploadDescription(
        upload_id=upload_id, session_id=session_id, size_bytes=len(JPEG), sha256=hashlib.sha256(JPEG).digest()
    )
    return [media_pb2.UploadRequest(description=description), media_pb2.UploadRequest(data=JPEG)]


def _converse(**config: Any) -> list[Message]:
    return [conversation_pb2.ConverseRequest(config=conversation_pb2.ConverseConfig(**config))]


def _resumed(session_id: str, token: str) -> list[Message]:
    pcm = {"encoding": conversation_pb2.AUDIO_ENCODING_PCM_S16LE, "sample_rate_hz": 16_000, "channels": 1}
    return _converse(session_id=session_id, resume_token=token, next_utterance=0, **pcm)


def _typed(session_id: str, text_id: str) -> list[Message]:
    text = conversation_pb2.TypedText(text="The meter reads 4821.", text_id=text_id)
    return [*_converse(session_id=session_id), conversation_pb2.ConverseRequest(text=text)]


def _events(event_id: str, session_id: str) -> list[Message]:
    event = funnel_pb2.AppEvent(
        event_id=event_id, session_id=session_id, name="opened", device_time=Timestamp(seconds=1)
    )
    return [funnel_pb2.RecordEventsRequest(events=[event])]


def _decision(kind: type[Any], ids: Ids) -> list[Message]:
    return [kind(recommendation_id=ids.recommendation, content_hash=b"h" * 32, decided_by="staff-7")]


def _letters(kind: type[Any], dry_run: bool = False, **which: Any) -> Message:
    """An operation on dead letters, with an id of its own."""
    operation_id = unknown_ids().request
    request: Message = kind(
        filter=admin_pb2.DeadLetterFilter(**which), reason="fixed", operation_id=operation_id, dry_run=dry_run
    )
    return request


V1: Final = "vestibule.v1."
CASES: Final = (
    Case("SessionService/StartSession", "request_id", lambda ids, own: [
        session_pb2.StartSessionRequest(client_id=own.client, request_id=ids.request)
    ], owner_gets=""),
    Case("SessionService/GetSession", "session", lambda ids, own: [
        session_pb2.GetSessionRequest(session_id=ids.session)
    ]),
    Case("SessionService/WatchSession", "session", lambda ids, own: [
        session_pb2.WatchSessionRequest(session_id=ids.session)
    ], most=1),
    Case("SessionService/AbandonSession", "session", lambda ids, own: [
        session_pb2.AbandonSessionRequest(session_id=ids.session, reason="cancelled")
    ]),
    Case("SessionService/ListSessions", "client", lambda ids, own: [
        session_pb2.ListSessionsRequest(client_id=ids.client)
    ]),
    Case("SessionService/ListTurns", "session", lambda ids, own: [
        session_pb2.ListTurnsRequest(session_id=ids.session)
    ]),
    Case("ConversationService/Converse", "session", lambda ids, own: _converse(session_id=ids.session)),
    Case("ConversationService/Converse", "session with its token", lambda ids, own: _resumed(ids.session, ids.token)),
    Case("ConversationService/Converse", "token in the own session", lambda ids, own: _resumed(own.session, ids.token)),
    Case("ConversationService/Converse", "text_id", lambda ids, own: _typed(own.session, ids.event), owner_gets=""),
    Case("MediaService/Upload", "session", lambda ids, own: _upload(unknown_ids().upload, ids.session)),
    Case("MediaService/Upload", "upload_id in the own session", lambda ids, own: _upload(ids.upload, own.session),
         owner_gets=""),
    Case("MediaService/Upload", "upload_id and session", lambda ids, own: _upload(ids.upload, ids.session)),
    Case("MediaService/GetUpload", "upload", lambda ids, own: [media_pb2.GetUploadRequest(upload_id=ids.upload)]),
    Case("MediaService/WatchUpload", "upload", lambda ids, own: [
        media_pb2.WatchUploadRequest(upload_id=ids.upload)
    ], most=1),
    Case("MediaService/DownloadRedacted", "upload", lambda ids, own: [
        media_pb2.DownloadRedactedRequest(upload_id=ids.upload)
    ], owner_gets="FAILED_PRECONDITION"),
    Case("RecommendationService/GetRecommendation", "recommendation", lambda ids, own: [
        recommendation_pb2.GetRecommendationRequest(recommendation_id=ids.recommendation)
    ]),
    Case("RecommendationService/ApproveRecommendation", "recommendation",
         lambda ids, own: _decision(recommendation_pb2.ApproveRecommendationRequest, ids),
         owner_gets="FAILED_PRECONDITION"),
    Case("RecommendationService/RejectRecommendation", "recommendation",
         lambda ids, own: _decision(recommendation_pb2.RejectRecommendationRequest, ids),
         owner_gets="FAILED_PRECONDITION"),
    Case("ReviewService/ListReviews", "client", lambda ids, own: [
        review_pb2.ListReviewsRequest(client_id=ids.client)
    ]),
    Case("ReviewService/GetReview", "recommendation", lambda ids, own: [
        review_pb2.GetReviewRequest(recommendation_id=ids.recommendation)
    ]),
    Case("ReviewService/ClaimReview", "recommendation", lambda ids, own: [
        review_pb2.ClaimReviewRequest(recommendation_id=ids.recommendation)
    ]),
    Case("ReviewService/ReleaseReview", "recommendation", lambda ids, own: [
        review_pb2.ReleaseReviewRequest(recommendation_id=ids.recommendation)
    ]),
    Case("ReviewService/DecideFields", "recommendation", lambda ids, own: [
        review_pb2.DecideFieldsRequest(
            recommendation_id=ids.recommendation,
            content_hash=b"h" * 32,
            choices=[review_pb2.FieldChoice(name="site_name", decision=review_pb2.FIELD_DECISION_ACCEPTED)],
        )
    ], owner_gets="FAILED_PRECONDITION"),
    Case("ReviewService/AssignReview", "recommendation", lambda ids, own: [
        review_pb2.AssignReviewRequest(recommendation_id=ids.recommendation, assignee="staff-7")
    ]),
    Case("ReviewService/CommentReview", "recommendation", lambda ids, own: [
        review_pb2.CommentReviewRequest(
            recommendation_id=ids.recommendation, word="unreadable_photo", comment_id=ids.event
        )
    ]),
    Case("FlowService/AnswerField", "session", lambda ids, own: [
        flow_pb2.AnswerFieldRequest(session_id=ids.session, field="meter_unit", value="m3")
    ]),
    Case("FlowService/SkipStep", "session", lambda ids, own: [
        flow_pb2.SkipStepRequest(session_id=ids.session, step="register")
    ]),
    Case("FlowService/ReopenField", "session", lambda ids, own: [
        flow_pb2.ReopenFieldRequest(session_id=ids.session, field="meter_reading")
    ]),
    Case("FunnelService/RecordEvents", "session", lambda ids, own: _events(unknown_ids().event, ids.session)),
    Case("FunnelService/RecordEvents", "event_id in the own session", lambda ids, own: _events(ids.event, own.session),
         owner_gets=""),
    Case("FunnelService/DeclareEvents", "client", lambda ids, own: [
        funnel_pb2.DeclareEventsRequest(client_id=ids.client, events=[funnel_pb2.DeclaredEvent(name="opened")])
    ]),
    Case("FunnelService/ListDeclaredEvents", "client", lambda ids, own: [
        funnel_pb2.ListDeclaredEventsRequest(client_id=ids.client)
    ], owner_gets=""),
    Case("FunnelService/GetReport", "client", lambda ids, own: [funnel_pb2.GetReportRequest(client_id=ids.client)]),
    Case("FunnelService/ListFunnelSessions", "client", lambda ids, own: [
        funnel_pb2.ListFunnelSessionsRequest(
            report=funnel_pb2.GetReportRequest(client_id=ids.client),
            position=1,
            number=funnel_pb2.FUNNEL_NUMBER_REACHED,
        )
    ]),
    Case("FunnelService/ListFunnelSessions", "client, of a cause", lambda ids, own: [
        funnel_pb2.ListFunnelSessionsRequest(
            report=funnel_pb2.GetReportRequest(client_id=ids.client, analyze=True),
            position=2,
            number=funnel_pb2.FUNNEL_NUMBER_AFFECTED,
            conditions=[funnel_pb2.FunnelFeatureCondition(feature="client", text="app")],
        )
    ]),
    Case("FunnelService/GetSessionTimeline", "session", lambda ids, own: [
        funnel_pb2.GetSessionTimelineRequest(session_id=ids.session)
    ]),
    Case("ExperimentService/ListExperiments", "client", lambda ids, own: [experiment_pb2.ListExperimentsRequest()]),
    Case("ExperimentService/GetExperimentReport", "experiment of the client", lambda ids, own: [
        experiment_pb2.GetExperimentReportRequest(name=f"flow_of_{ids.client.replace('-', '_')}")
    ]),
    Case("ExperimentService/PlanExperiment", "client", lambda ids, own: [
        experiment_pb2.PlanExperimentRequest(effect=0.05, client_id=ids.client)
    ], owner_gets=""),
    Case("RiskService/GetSessionRisk", "session", lambda ids, own: [
        risk_pb2.GetSessionRiskRequest(session_id=ids.session)
    ]),
    Case("RiskService/GetRiskModel", "sessions of every client", lambda ids, own: [
        risk_pb2.GetRiskModelRequest()
    ], owner_gets=""),
    Case("SealedValueService/ListSealedValues", "session", lambda ids, own: [
        sealed_pb2.ListSealedValuesRequest(session_id=ids.session)
    ]),
    Case("SealedValueService/ReleaseSealedValues", "session", lambda ids, own: [
        sealed_pb2.ReleaseSealedValuesRequest(session_id=ids.session, fields=["contact_phone"], request_id=ids.request)
    ], owner_gets="FAILED_PRECONDITION"),
    Case("ReportService/SendReport", "sessions of every client", lambda ids, own: [
        report_pb2.SendReportRequest()
    ], owner_gets=""),
    Case("AdminService/RetryDeadLetter", "letter", lambda ids, own: [
        admin_pb2.RetryDeadLetterRequest(dead_letter_id=ids.letter)
    ]),
    Case("AdminService/DiscardDeadLetter", "letter", lambda ids, own: [
        admin_pb2.DiscardDeadLetterRequest(dead_letter_id=ids.letter, reason="duplicate")
    ]),
    Case("AdminService/GetDeadLetter", "letter", lambda ids, own: [
        admin_pb2.GetDeadLetterRequest(dead_letter_id=ids.letter)
    ]),
    Case("AdminService/RedriveDeadLetters", "letter", lambda ids, own: [
        _letters(admin_pb2.RedriveDeadLettersRequest, dead_letter_ids=[ids.letter])
    ]),
    Case("AdminService/RedriveDeadLetters", "client", lambda ids, own: [
        _letters(admin_pb2.RedriveDeadLettersRequest, client_id=ids.client)
    ]),
    Case("AdminService/RedriveDeadLetters", "session, dry run", lambda ids, own: [
        _letters(admin_pb2.RedriveDeadLettersRequest, dry_run=True, session_id=ids.session)
    ]),
    Case("AdminService/DiscardDeadLetters", "letter", lambda ids, own: [
        _letters(admin_pb2.DiscardDeadLettersRequest, dead_letter_ids=[ids.letter])
    ]),
    Case("AdminService/Erase", "session", lambda ids, own: [admin_pb2.EraseRequest(session_id=ids.session)]),
    Case("AdminService/Erase", "client", lambda ids, own: [admin_pb2.EraseRequest(client_id=ids.client)]),
    Case("AdminService/Erase", "person", lambda ids, own: [admin_pb2.EraseRequest(subject_hash=ids.person)]),
    Case("AdminService/Erase", "session, dry run", lambda ids, own: [
        admin_pb2.EraseRequest(session_id=ids.session, dry_run=True)
    ]),
)  # fmt: skip

NAME_NOTHING: Final = {
    f"{V1}FlowService/ListFlows",
    f"{V1}FlowService/GetFlow",
    f"{V1}AdminService/GetStatus",
    f"{V1}AdminService/ListDeadLetters",
    f"{V1}AdminService/ListBreakers",
    f"{V1}AdminService/ResetBreaker",
    f"{V1}AdminService/TripBreaker",
    f"{V1}AdminService/GetSpeechModels",
    f"{V1}AdminService/UseSpeechModel",
    f"{V1}AdminService/ShadowSpeechModel",
    f"{V1}AdminService/DiscardSpeechCandidate",
    f"{V1}AdminService/CompareSpeechModels",
    f"{V1}AdminService/RotateSpoolKey",
    f"{V1}AdminService/HoldForBackup",
    f"{V1}AdminService/ListAuditEntries",
    f"{V1}AdminService/VerifyAudit",
}
"""Methods whose requests name nothing that belongs to a client. What they return is looked at below."""

KEYS: Final = {f"{V1}AccessService/{name}ApiKey" for name in ("Create", "Rotate", "Revoke")}
"""Keys belong to operators, and a credential with that scope belongs to no client (test_api_keys, test_tokens)."""


def all_methods() -> set[str]:
    found = set()
    for name in SERVICE_NAMES:
        service: Any = Default().FindServiceByName(name)
        found |= {f"{name}/{method.name}" for method in service.methods}
    return found


def test_every_method_is_walked() -> None:
    walked = {f"{V1}{case.method}" for case in CASES}
    assert walked | NAME_NOTHING | KEYS | {f"{V1}AccessService/ListApiKeys"} == all_methods()
    assert not walked & NAME_NOTHING


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.method.split('/')[1]}-{case.name}")
async def test_ids_of_another_client_are_answered_as_ids_that_nobody_has(case: Case, tmp_path: Path) -> None:
    world = TwoClients(tmp_path)
    owners, own = await world.fill()
    before = await world.rows_of(owners)
    async with world.serving() as channel:
        # The first call may change the stage of the own session; the two that are compared come after it. Its client is
        # another one, as the server keeps for a minute what it read for a request.
        await call(channel, "stranger", V1 + case.method, case.build(replace(unknown_ids(), client="app-y"), own))
        world.statements.clear()
        foreign = await call(channel, "stranger", V1 + case.method, case.build(owners, own))
        statements = list(world.statements)
        world.statements.clear()
        unknown = await call(channel, "stranger", V1 + case.method, case.build(unknown_ids(), own))
        assert foreign == unknown
        # A stream reads its progress at the same time, so the order may differ.
        assert sorted(statements) == sorted(world.statements), "another statement would tell by its time"
        assert await world.rows_of(owners) == before, "nothing of the owner was changed"
        if case.owner_gets:
            theirs = await call(channel, "owner", V1 + case.method, case.build(owners, owners), most=case.most)
            assert theirs.code == case.owner_gets
            assert theirs != foreign, "otherwise this test proves nothing"


async def test_what_names_nothing_shows_nothing_of_another_client(tmp_path: Path) -> None:
    world = TwoClients(tmp_path)
    owners, own = await world.fill()
    async with world.serving() as channel:
        for method in sorted(NAME_NOTHING):
            await _shows_nothing_of(channel, method, owners, own)


async def _shows_nothing_of(channel: grpc.aio.Channel, method: str, owners: Ids, own: Ids) -> None:
    requests: dict[str, Message] = {
        f"{V1}AdminService/ResetBreaker": admin_pb2.ResetBreakerRequest(name="llm_api"),
        f"{V1}AdminService/TripBreaker": admin_pb2.TripBreakerRequest(name="llm_api"),
        f"{V1}AdminService/ShadowSpeechModel": admin_pb2.ShadowSpeechModelRequest(weights="whisper-tiny.en", share=1),
        f"{V1}AdminService/CompareSpeechModels": admin_pb2.CompareSpeechModelsRequest(example_count=10),
    }
    service, name = method.removeprefix(V1).split("/")
    messages = flow_pb2 if service == "FlowService" else admin_pb2
    request = requests.get(method) or getattr(messages, f"{name}Request")()
    stub: Any = channel.unary_unary(
        f"/{method}", request_serializer=lambda m: m.SerializeToString(), response_deserializer=bytes
    )
    answer: bytes = await stub(request, metadata=(("test-caller", "stranger"),))
    theirs = [value.encode() for value in (*vars(owners).values(), "key:a", "10.0.0.1")]
    assert [value for value in theirs if value in answer] == [], method
    assert service in ("AdminService", "FlowService")
    if name == "CompareSpeechModels":
        compared = admin_pb2.CompareSpeechModelsResponse.FromString(answer)
        assert [each.candidate_text for each in compared.examples] == [own.client], "one's own are shown"
        assert [each.final_count for each in compared.comparisons] == [1], "others are not counted"
    if name == "ListDeadLetters":
        assert own.letter.encode() in answer, "one's own are listed, otherwise this test proves nothing"
        listed = admin_pb2.ListDeadLettersResponse.FromString(answer)
        assert (listed.total_count, [found.count for found in listed.open_counts]) == (1, [1]), "others are not counted"


async def test_an_upload_id_that_two_clients_gave_is_one_upload_of_each(tmp_path: Path) -> None:
    world = TwoClients(tmp_path)
    owners, own = await world.fill()
    async with world.serving() as channel:
        accepted = await call(channel, "stranger", f"{V1}MediaService/Upload", _upload(owners.upload, own.session))
        again = await call(channel, "stranger", f"{V1}MediaService/Upload", _upload(owners.upload, own.session))
        assert accepted.code == again.code == "OK"
        assert accepted == again
        uploads = {who: await _get_upload(channel, who, owners.upload) for who in ("owner", "stranger")}
    assert {upload.id for upload in uploads.values()} == {owners.upload}, "each sees the id that it gave"
    assert [uploads[who].session_id for who in ("owner", "stranger")] == [owners.session, own.session]


async def test_an_upload_under_the_second_id_of_another_client_is_not_shown_to_it(tmp_path: Path) -> None:
    """The second id follows from the client and the upload's id, so that anybody may work it out and use it."""
    world = TwoClients(tmp_path)
    owners, _ = await world.fill()
    wanted = unknown_ids().upload
    guessed = ownership._second_owners_id("app-b", wanted)
    async with world.serving() as channel:
        assert (await call(channel, "owner", f"{V1}MediaService/Upload", _upload(guessed, owners.session))).code == "OK"
        asked = media_pb2.GetUploadRequest(upload_id=wanted)
        found = await call(channel, "stranger", f"{V1}MediaService/GetUpload", [asked])
    assert found.code == "NOT_FOUND"


async def test_a_caller_of_every_client_can_tell_uploads_with_one_id_apart(tmp_path: Path) -> None:
    world = TwoClients(tmp_path)
    owners, own = await world.fill()
    async with world.serving() as channel:
        await call(channel, "stranger", f"{V1}MediaService/Upload", _upload(owners.upload, own.session))
        rows = await world.ledger.read(lambda cursor: ledger_uploads.list_of_session(cursor, own.session))
        [strangers] = [row for row in rows if row.shown_id == owners.upload]
        with acting_as(CALLERS["everybody"]):
            shown = convert.upload(strangers).id
        found = [(await _get_upload(channel, "everybody", an_id)).session_id for an_id in (owners.upload, shown)]
    assert found == [owners.session, own.session]


async def _get_upload(channel: grpc.aio.Channel, who: str, upload_id: str) -> media_pb2.Upload:
    stub: Any = channel.unary_unary(
        f"/{V1}MediaService/GetUpload",
        request_serializer=lambda m: m.SerializeToString(),
        response_deserializer=media_pb2.GetUploadResponse.FromString,
    )
    answer = await stub(media_pb2.GetUploadRequest(upload_id=upload_id), metadata=(("test-caller", who),))
    found: media_pb2.Upload = answer.upload
    return found


async def test_an_event_id_that_another_client_used_first_still_counts(tmp_path: Path) -> None:
    world = TwoClients(tmp_path)
    owners, own = await world.fill()
    async with world.serving() as channel:
        taken = await call(channel, "stranger", f"{V1}FunnelService/RecordEvents", _events(owners.event, own.session))
        mine = await call(channel, "owner", f"{V1}FunnelService/RecordEvents", _events(owners.event, owners.session))
    recorded = funnel_pb2.RecordEventsResponse(recorded_count=1).SerializeToString()
    assert (taken.messages, mine.messages) == ((recorded,), (recorded,))


FETCHES: Final = {
    "sessions": {"get", "find", "require_open"},
    "uploads": {"get"},
    "recommendations": {"get"},
    "streams": {"get"},
    "dead_letters": {"get"},
    "turns": {"get", "find"},
}
ACT_FOR_NO_CALLER: Final = {
    "server/access/ownership.py",  # the one place
    "server/housekeeping.py",  # ends what is idle
    "server/jobs/job_ends.py",  # after ownership.dead_letter
    "server/jobs/job_events.py",  # of the session of a job
    "server/jobs/label_picture.py",
    "server/jobs/propose_again.py",
    "server/jobs/read_upload.py",
    "server/jobs/runner.py",  # of the session of a new job
    "server/jobs/write_reply.py",
    "server/records/session_material.py",  # of a session that a stream or a job holds
    "server/records/recommender.py",  # builds and replaces records of a session that a stream or a job holds
    "server/records/redact_again.py",  # a command on the file
    "server/records/relayed_updates.py",  # for subscribers, who read for their caller first
    "server/streaming/repository.py",  # of an open stream
    "server/streaming/stream_registry.py",  # resume, after ownership.stream
    "server/uploads/transactions.py",  # after ownership.session and ownership.stored_upload_id
}
"""Modules that fetch rows by an id that is their own. One that gets its id from an RPC uses ``ownership``."""


def test_rows_are_fetched_for_a_caller_in_one_place() -> None:
    found = set()
    for module in modules():
        if not module.path.startswith("server/") or module.path.startswith("server/ledger/"):
            continue
        for node in nodes(module):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.attr in FETCHES.get(node.value.id.removesuffix("_rows").removeprefix("stream_"), ()):
                    found.add(module.path)
                if node.value.id == "stream_rows" and node.attr == "get":
                    found.add(module.path)
    assert found == ACT_FOR_NO_CALLER
    assert (ROOT / "server/services").is_dir()
    assert not any(path.startswith("server/services/") for path in found)


def test_an_unknown_and_a_foreign_id_differ_in_nothing_but_the_id() -> None:
    """The helper that makes unknown ids makes ids of the same form."""
    known = replace(unknown_ids(), client="app-a")
    assert {name: len(value) for name, value in vars(known).items()} == {
        name: len(value) for name, value in vars(unknown_ids()).items()
    }
