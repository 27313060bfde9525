"""Names in the words of programs: planted in each string of every request and of the model's answers, found nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from vestibule.v1 import access_pb2, admin_pb2

from models.redaction.redactor import LocalRedactor
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from server.access.caller import Caller
from server.ledger.schema import TABLES
from server.llm.types import OnboardingRecord, RecordField
from tests.fakes.gateway import FakeGateway
from tests.unit.access.test_ownership_everywhere import CASES, V1, all_methods
from tests.unit.access.two_clients import CALLERS, EVERYTHING, Ids, TwoClients, call

PLANTED = ("hieronymus_blatherwick", "maria_lopez_555_123_4567")
SHARDS = (b"blatherwick", b"hieronymus", b"lopez", b"maria", b"555_123", b"5551234567")
"""Of the planted words, in small letters."""


TEXTS = {f"{V1}ConversationService/Converse text.text"}
"""What a person types is text, not a word of a program: there the planted words have spaces."""

CHOSEN_BY_OPERATORS: dict[str, tuple[str, ...]] = {f"{V1}SessionService/StartSession client_id": ("owner",)}
"""The id of a client, and who tries it here. An operator may name any; that of an app comes from its credential."""

ECHOED = {
    f"{V1}FunnelService/GetReport steps",
    f"{V1}FunnelService/ListFunnelSessions report.steps",
    f"{V1}FunnelService/ListFunnelSessions conditions.text",
}
"""Names and texts that an answer repeats to whoever asked about them. They are stored nowhere all the same."""


@dataclass
class RealRedaction(FakeGateway):
    """A gateway that redacts with the real classifier; only hearing and reading are scripted."""

    redactor: LocalRedactor | None = None

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        assert self.redactor is not None
        return self.redactor.redact_many(texts, context)


def base_requests(ids: Ids) -> list[tuple[str, list[Message]]]:
    """A valid request of every method, and one for the sessions of a cause; of a stream, its messages."""
    found = {V1 + case.method: case.build(ids, ids) for case in reversed(CASES)}
    lifetime = Duration(seconds=60)
    more: dict[str, Message] = {
        "AdminService/GetStatus": admin_pb2.GetStatusRequest(),
        "AdminService/ListDeadLetters": admin_pb2.ListDeadLettersRequest(),
        "AdminService/ListBreakers": admin_pb2.ListBreakersRequest(),
        "AdminService/ResetBreaker": admin_pb2.ResetBreakerRequest(name="llm_api"),
        "AdminService/TripBreaker": admin_pb2.TripBreakerRequest(name="llm_api"),
        "AdminService/GetSpeechModels": admin_pb2.GetSpeechModelsRequest(),
        "AdminService/UseSpeechModel": admin_pb2.UseSpeechModelRequest(),
        "AdminService/ShadowSpeechModel": admin_pb2.ShadowSpeechModelRequest(weights="whisper-tiny.en", share=0.5),
        "AdminService/DiscardSpeechCandidate": admin_pb2.DiscardSpeechCandidateRequest(),
        "AdminService/CompareSpeechModels": admin_pb2.CompareSpeechModelsRequest(example_count=10),
        "AdminService/RotateSpoolKey": admin_pb2.RotateSpoolKeyRequest(),
        "AdminService/HoldForBackup": admin_pb2.HoldForBackupRequest(),
        "AdminService/ListAuditEntries": admin_pb2.ListAuditEntriesRequest(),
        "AdminService/VerifyAudit": admin_pb2.VerifyAuditRequest(),
        "AccessService/CreateApiKey": access_pb2.CreateApiKeyRequest(
            client_id="app-a", scopes=[access_pb2.SCOPE_APP], lifetime=lifetime
        ),
        "AccessService/ListApiKeys": access_pb2.ListApiKeysRequest(),
        "AccessService/RotateApiKey": access_pb2.RotateApiKeyRequest(id="0" * 16, grace=lifetime),
        "AccessService/RevokeApiKey": access_pb2.RevokeApiKeyRequest(id="0" * 16),
    }
    typed = next(case for case in CASES if case.name == "text_id")
    found[f"{V1}ConversationService/Converse"] = typed.build(ids, ids)
    found |= {V1 + name: [request] for name, request in more.items()}
    of_cause = next(case for case in CASES if case.name == "client, of a cause")
    return [*found.items(), (V1 + of_cause.method, of_cause.build(ids, ids))]


def planted_into(message: Message, value: str) -> Iterator[tuple[str, Message]]:
    """The message with the value in each of its strings in turn, and the path of the string."""
    for field in message.DESCRIPTOR.fields:
        present = field.is_repeated or not field.has_presence or message.HasField(field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield f"{field.name} key", _changed(message, field.name, {value: "seen"})
            yield f"{field.name} value", _changed(message, field.name, {"note": value})
        elif field.message_type is not None and present:
            if field.is_repeated:
                for at, inner in enumerate(getattr(message, field.name)):
                    for path, changed in planted_into(inner, value):
                        whole = deepcopy(message)
                        getattr(whole, field.name)[at].CopyFrom(changed)
                        yield f"{field.name}.{path}", whole
            else:
                for path, changed in planted_into(getattr(message, field.name), value):
                    whole = deepcopy(message)
                    getattr(whole, field.name).CopyFrom(changed)
                    yield f"{field.name}.{path}", whole
        elif field.type == field.TYPE_STRING:
            yield field.name, _changed(message, field.name, [value] if field.is_repeated else value)


def variants(method: str, requests: list[Message]) -> Iterator[tuple[str, list[Message]]]:
    """The requests with each planted word in each string in turn, and the path of the string."""
    for value in PLANTED:
        for at, request in enumerate(requests):
            said = dict(planted_into(request, as_said(value)))
            for path, changed in planted_into(request, value):
                chosen = said[path] if f"{method} {path}" in TEXTS else changed
                yield path, [*requests[:at], chosen, *requests[at + 1 :]]


def as_said(value: str) -> str:
    return value.replace("_", " ").title()


def _changed(message: Message, name: str, value: Any) -> Message:
    whole = deepcopy(message)
    if isinstance(value, dict):
        getattr(whole, name).update(value)
    elif isinstance(value, list):
        getattr(whole, name).extend(value)
    else:
        setattr(whole, name, value)
    return whole


def shards_in(content: bytes) -> list[bytes]:
    return [shard for shard in SHARDS if shard in content.lower()]


def stored(folder: Path) -> dict[str, list[bytes]]:
    """Which files, and which tables of the ledger, hold a shard in their content or their name."""
    files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with duckdb.connect(str(folder / "ledger.duckdb"), read_only=True) as connection:
        tables = {table.name: str(connection.sql(f"FROM {table.name}").fetchall()).encode() for table in TABLES}
    assert b"key:a" not in tables["participants"]
    assert b"app-a" in tables["sessions"], "otherwise this finds nothing"
    found = {name: shards_in(name.encode() + content) for name, content in (files | tables).items()}
    return {name: shards for name, shards in found.items() if shards}


async def test_no_request_plants_a_name(
    real_redactor: LocalRedactor, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CALLERS, "operator", Caller("key:o", "", EVERYTHING))
    world = TwoClients(tmp_path, RealRedaction(redactor=real_redactor))
    owners, _ = await world.fill()
    tried, told = set(), []
    async with world.serving() as channel:
        for method, requests in base_requests(owners):
            for path, sent in variants(method, requests):
                tried.add(f"{method} {path}")
                for who in CHOSEN_BY_OPERATORS.get(f"{method} {path}", ("owner", "operator")):
                    answer = await call(channel, who, method, sent, most=5)
                    replies = () if f"{method} {path}" in ECHOED else answer.messages
                    text = b"".join((answer.message.encode(), answer.details, *replies))
                    told += [(method, path, who, shard) for shard in shards_in(text)]
    assert {entry.split()[0] for entry in tried} <= all_methods()
    assert len(tried) > 35, "otherwise fields are missed"
    assert told == []
    assert stored(tmp_path) == {}
    output = capfd.readouterr()
    assert shards_in((output.out + output.err).encode()) == []


@pytest.mark.parametrize("value", PLANTED)
async def test_no_answer_of_the_model_plants_a_name(
    real_redactor: LocalRedactor, tmp_path: Path, capfd: pytest.CaptureFixture[str], value: str
) -> None:
    world = TwoClients(tmp_path, RealRedaction(redactor=real_redactor))
    owners, _ = await world.fill()
    plain = RecordField("meter_reading", "4821")
    whole = OnboardingRecord("A visit.", (plain,), ("contact",))
    spoken = as_said(value)
    written = [
        replace(whole, summary=f"{spoken} came."),
        replace(whole, fields=(RecordField(value, "4821"),)),
        replace(whole, fields=(plain, RecordField("note", spoken))),
        replace(whole, missing=(value,)),
    ]
    async with world.serving():
        for record in written:
            world.harness.assistant.script_record(record)
            row = await world.harness.recommender.propose(owners.session, fallback=True, wait_s=0)
            assert shards_in(row.record.value.encode()) == [], record
    assert stored(tmp_path) == {}
    output = capfd.readouterr()
    assert shards_in((output.out + output.err).encode()) == []
