"""protos/CLIENTS.md names what is in the protos, and says of keepalive and errors what the reference client does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from vestibule.v1 import conversation_pb2

from server.cli.talk import client
from server.listener import KEEPALIVE
from tests.unit.test_readme import documented_reasons

GUIDE = (Path(__file__).resolve().parents[2] / "protos" / "CLIENTS.md").read_text(encoding="utf-8")
FILE = conversation_pb2.DESCRIPTOR
MESSAGES: list[Descriptor] = list(FILE.message_types_by_name.values())
FIELDS = {field.camelcase_name for message in MESSAGES for field in message.fields}
ENUMS: list[EnumDescriptor] = list(FILE.enum_types_by_name.values())


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def test_the_setters_and_getters_of_kotlin_are_fields() -> None:
    kotlin = code("kotlin")
    named = {lower_first(name) for name in re.findall(r"\.(?:set|has)([A-Z]\w+)\(", kotlin)}
    named |= set(re.findall(r"response\.(?:\w+\.)?([a-z]\w+)(?= |\)|$)", kotlin)) - {"payloadCase"}
    assert len(named) > 10
    assert named - FIELDS == set()
    cases = re.findall(r"PayloadCase\.([A-Z]+)", kotlin)
    assert {case.lower() for case in cases} <= {
        field.name for field in FILE.message_types_by_name["ConverseResponse"].fields
    }


def test_what_swift_sets_and_reads_are_fields() -> None:
    swift = code("swift")
    named = set(re.findall(r"\$0\.(\w+) = ", swift)) | set(re.findall(r"case \.(\w+)\(let", swift))
    named = {name.replace("sessionID", "sessionId") for name in named} - {"keepalive"}
    assert len(named) > 10
    assert named - FIELDS == set()
    assert set(re.findall(r"Vestibule_V1_(\w+)", swift)) <= {
        *FILE.message_types_by_name,
        "ConversationServiceAsyncClient",
    }


def test_what_dart_sets_and_reads_are_fields() -> None:
    dart = code("dart")
    named = set(re.findall(r"response\.([a-z]\w+)", dart)) | set(re.findall(r"\.\.(\w+) = ", dart))
    for arguments in re.findall(r"(?:ConverseConfig|ConverseRequest|AudioChunk)\((?:\s*)([^()]*)", dart):
        named |= set(re.findall(r"(\w+):", arguments))
    # A field whose name is a word of the language gets its number; methods are checked by their fields.
    numbered = {f"final_{FILE.message_types_by_name['ConverseResponse'].fields_by_name['final'].number}": "final"}
    named = {numbered.get(name, name) for name in named if name != "whichPayload" and not re.match(r"has[A-Z]", name)}
    assert len(named) > 10
    assert named - FIELDS == set()


def test_values_of_enums_and_reasons_exist() -> None:
    values = {value.name for enum in ENUMS for value in enum.values}
    assert set(re.findall(r"\bAUDIO_ENCODING_\w+", GUIDE)) <= values
    reasons = set(re.findall(r"[\"'`]([A-Z]+(?:_[A-Z]+)+)[\"'`]", GUIDE))
    statuses = {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "GOAWAY"}
    settings = {name for name in reasons if name.startswith("VESTIBULE_")}
    assert {"STREAM_IN_USE", "NO_SPEECH"} <= reasons
    assert reasons - statuses - settings - set(documented_reasons()) == set()


@pytest.mark.parametrize(
    ("language", "ping", "answer"),
    [
        ("kotlin", r"keepAliveTime\((\d+), TimeUnit.SECONDS\)", r"keepAliveTimeout\((\d+), TimeUnit.SECONDS\)"),
        ("swift", r"interval: \.seconds\((\d+)\)", r"timeout: \.seconds\((\d+)\)"),
        ("dart", r"pingInterval: Duration\(seconds: (\d+)\)", r"timeout: Duration\(seconds: (\d+)\)"),
    ],
)
def test_all_ping_as_often_as_the_server_and_the_reference_client(language: str, ping: str, answer: str) -> None:
    options = dict(client.KEEPALIVE)
    found = [float(value) for pattern in (ping, answer) for value in re.findall(pattern, code(language))]
    assert found == [KEEPALIVE.every_s, KEEPALIVE.answer_s]
    assert options["grpc.keepalive_time_ms"] == 1000 * KEEPALIVE.every_s
    assert options["grpc.keepalive_timeout_ms"] == 1000 * KEEPALIVE.answer_s


def test_all_wait_as_long_between_two_attempts_as_the_reference_client() -> None:
    first_ms, longest_ms = round(1000 * client.FIRST_WAIT_S), round(1000 * client.LONGEST_WAIT_S)
    assert f"{first_ms}L" in code("kotlin")
    assert f"{longest_ms:_}L" in code("kotlin")
    assert f"wait = {client.FIRST_WAIT_S}" in code("swift")
    assert f"min({client.LONGEST_WAIT_S:g}, 2 * wait)" in code("swift")
    assert f"_waitMs = {first_ms};" in code("dart")
    assert f"min({longest_ms}, 2 * _waitMs)" in code("dart")
