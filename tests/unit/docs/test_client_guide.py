"""docs/clients names what is in the protos, and its samples do what the reference client does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from vestibule.v1 import conversation_pb2, session_pb2

from models.reasons import Reason
from server.cli.talk import client
from server.grpc_server import KEEPALIVE
from tests.unit.docs.client_pages import files, lock_of
from tests.unit.docs.pages import ROOT, page

GUIDE = "\n".join(page(f"docs/clients/{file.name}") for file in sorted((ROOT / "docs" / "clients").glob("*.md")))
FILE = conversation_pb2.DESCRIPTOR
MESSAGES: list[Descriptor] = [
    *FILE.message_types_by_name.values(),
    session_pb2.DESCRIPTOR.message_types_by_name["StartSessionRequest"],
    session_pb2.DESCRIPTOR.message_types_by_name["StartSessionResponse"],
]
FIELDS = {field.camelcase_name for message in MESSAGES for field in message.fields}
ENUMS: list[EnumDescriptor] = list(FILE.enum_types_by_name.values())


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    return str(found)


@pytest.mark.parametrize("name", ["typescript.md", "browsers.md"])
def test_the_clients_are_built_with_the_packages_of_the_lock_file(name: str) -> None:
    shown = json.loads(files(name)["package.json"])
    locked = json.loads(lock_of(name).read_text(encoding="utf-8"))["packages"]
    assert {name: locked[""][name] for name in ("dependencies", "devDependencies")} == {
        name: shown[name] for name in ("dependencies", "devDependencies")
    }
    assert [name for name, package in locked.items() if "resolved" in package] == [], "no address of a registry"


def test_the_python_of_the_guide_is_python() -> None:
    """``tests/e2e`` runs it."""
    sources = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(sources) > 5
    for source in sources:
        compile(source, "python.md", "exec")


def source(path: str) -> str:
    """A file of one of the complete clients."""
    (found,) = re.findall(rf"^\*\*`{path}`\*\*\n\n```\w+\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


def test_the_complete_clients_retry_as_the_reference_client_does() -> None:
    python: dict[str, Any] = {"__name__": "errors"}
    exec(compile(source("errors.py"), "errors.py", "exec", dont_inherit=True), python)
    for status in CODES.values():
        for reason in ("", "SOMETHING", *LATE):
            again = python["passing"](python["Refusal"](status, reason))
            assert again == client.passing(status, reason), (status, reason)
    limits = (client.FIRST_WAIT_S, client.LONGEST_WAIT_S, client.TalkOptions("").give_up_s, client.MOST_TAKEN_OVER)
    names = ("FIRST_WAIT", "LONGEST_WAIT", "GIVE_UP")
    assert (*(python[f"{name}_S"] for name in names), python["MOST_TAKEN_OVER"]) == limits
    typescript = source("src/errors.ts")
    for name, limit in zip(names, limits, strict=False):
        assert f"{name}_MS = {round(1000 * limit):_};" in typescript
    assert f"MOST_TAKEN_OVER = {client.MOST_TAKEN_OVER};" in typescript
    (later,) = re.findall(r"LATER = \[(.*?)\]", typescript)
    later_codes = {name.removeprefix("status.") for name in later.split(", ")}
    assert later_codes == {name for name, code in CODES.items() if code in python["LATER"]}


def lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def test_kotlin_setters_and_getters_name_proto_fields() -> None:
    kotlin = code("kotlin")
    named = {lower_first(name) for name in re.findall(r"\.(?:set|has)([A-Z]\w+)\(", kotlin)}
    named |= set(re.findall(r"response\.(?:\w+\.)?([a-z]\w+)(?= |\)|$)", kotlin)) - {"payloadCase"}
    assert len(named) > 10
    assert named - FIELDS == set()
    cases = re.findall(r"PayloadCase\.([A-Z]+)", kotlin)
    assert {case.lower() for case in cases} <= {
        field.name for field in FILE.message_types_by_name["ConverseResponse"].fields
    }


def test_no_kotlin_variable_in_a_builder_has_the_name_of_a_field() -> None:
    """Within ``apply`` of a builder, a property of the class with the name of a field is the field's old value."""
    for block in re.findall(r"\.apply \{(.*?)\}", code("kotlin"), re.DOTALL):
        assert set(re.findall(r"\w+", block)) & FIELDS == set()


def test_swift_properties_name_proto_fields() -> None:
    swift = code("swift")
    named = set(re.findall(r"\$0\.(\w+) = ", swift)) | set(re.findall(r"case \.(\w+)\(let", swift))
    named = {re.sub(r"ID$", "Id", name) for name in named} - {"keepalive"}
    assert len(named) > 10
    assert named - FIELDS == set()
    assert set(re.findall(r"Vestibule_V1_(\w+)", swift)) <= {
        *(message.name for message in MESSAGES),
        "ConversationServiceAsyncClient",
        "SessionServiceAsyncClient",
    }


def test_dart_properties_name_proto_fields() -> None:
    dart = code("dart")
    named = set(re.findall(r"response\.([a-z]\w+)", dart)) | set(re.findall(r"\.\.(\w+) = ", dart))
    sent = "ConverseConfig|ConverseRequest|AudioChunk|StartSessionRequest"
    for arguments in re.findall(rf"(?:{sent})\(\s*([^()]*)", dart):
        named |= set(re.findall(r"(\w+):", arguments))
    # A field whose name is a word of the language gets its number; methods are checked by their fields.
    numbered = {f"final_{FILE.message_types_by_name['ConverseResponse'].fields_by_name['final'].number}": "final"}
    named = {numbered.get(name, name) for name in named if name != "whichPayload" and not re.match(r"has[A-Z]", name)}
    assert len(named) > 10
    assert named - FIELDS == set()


def test_enum_values_and_reasons_exist() -> None:
    values = {value.name for enum in ENUMS for value in enum.values}
    assert set(re.findall(r"\bAUDIO_ENCODING_\w+", GUIDE)) <= values
    reasons = set(re.findall(r"[\"'`]([A-Z]+(?:_[A-Z]+)+)[\"'`]", GUIDE))
    statuses = {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "GOAWAY"}
    settings = {name for name in reasons if name.startswith("VESTIBULE_")}
    assert {"STREAM_IN_USE", "NO_SPEECH"} <= reasons
    assert reasons - statuses - settings - set(Reason) == set()


@pytest.mark.parametrize(
    ("language", "ping", "answer"),
    [
        ("kotlin", r"keepAliveTime\((\d+), TimeUnit.SECONDS\)", r"keepAliveTimeout\((\d+), TimeUnit.SECONDS\)"),
        ("swift", r"interval: \.seconds\((\d+)\)", r"timeout: \.seconds\((\d+)\)"),
        ("dart", r"pingInterval: Duration\(seconds: (\d+)\)", r"timeout: Duration\(seconds: (\d+)\)"),
    ],
)
def test_samples_use_the_keepalive_interval_of_the_reference_client(language: str, ping: str, answer: str) -> None:
    options = dict(client.KEEPALIVE)
    found = [float(value) for pattern in (ping, answer) for value in re.findall(pattern, code(language))]
    assert found == [KEEPALIVE.every_s, KEEPALIVE.answer_s]
    assert options["grpc.keepalive_time_ms"] == 1000 * KEEPALIVE.every_s
    assert options["grpc.keepalive_timeout_ms"] == 1000 * KEEPALIVE.answer_s


def test_samples_back_off_and_give_up_like_the_reference_client() -> None:
    first_ms, longest_ms = round(1000 * client.FIRST_WAIT_S), round(1000 * client.LONGEST_WAIT_S)
    give_up_s = client.TalkOptions("").give_up_s
    kotlin, swift, dart = code("kotlin"), code("swift"), code("dart")
    assert (
        kotlin.count(f"waitMs = {first_ms}L") == swift.count(f"{client.FIRST_WAIT_S}") == 2
    )  # before, and on progress
    assert dart.count(f"waitMs = {first_ms};") == 2
    assert f"minOf({longest_ms:_}L, 2 * waitMs)" in kotlin
    assert f"min({client.LONGEST_WAIT_S:g}, 2 * wait)" in swift
    assert f"min({longest_ms}, 2 * waitMs)" in dart
    assert f"GIVE_UP_MS = {round(1000 * give_up_s):_}L" in kotlin
    assert f"giveUp = {give_up_s} " in swift
    assert f"giveUp = Duration(seconds: {give_up_s:g})" in dart
    most = client.MOST_TAKEN_OVER
    assert f"MOST_TAKEN_OVER = {most} " in kotlin
    assert f"mostTakenOver = {most} " in swift
    assert f"mostTakenOver = {most};" in dart
    for sample in (kotlin, swift, dart):
        assert re.search(r'reason == ["\']STREAM_TAKEN_OVER["\'] \?|if \(reason == "STREAM_TAKEN_OVER"\)', sample)


def test_samples_never_send_audio_they_have_dropped() -> None:
    """The offset of a stream that was finished meanwhile may lie there, and the bytes are gone."""
    assert "var at = maxOf(beginAt.await(), audio.start)" in code("kotlin")
    assert "var at = await max(offset, audio.start)" in code("swift")
    assert "var at = max(await beginAt, _audio.start);" in code("dart")


CODES = {status.name: status for status in grpc.StatusCode if status is not grpc.StatusCode.OK}
LATE = {"STREAM_IN_USE", "STREAM_TAKEN_OVER"}


def camel(name: str) -> str:
    """As Swift and Dart write the name of a code."""
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)


@pytest.mark.parametrize("language", ["kotlin", "swift", "dart"])
def test_samples_retry_the_same_errors_as_the_reference_client(language: str) -> None:
    (body,) = re.findall(r"(?:fun|func|bool) passing\((.*?)\n(?:\n|$)", code(language), re.DOTALL)
    names = {name: name if language == "kotlin" else camel(name) for name in CODES}
    if language == "swift":
        names["INTERNAL"] = "internalError"
    named = {code for code, name in names.items() if re.search(rf"(?<![\w\"']){name}\b", body)}
    conditional = {}
    for name in ("RESOURCE_EXHAUSTED", "INTERNAL"):
        (line,) = [line for line in body.splitlines() if re.search(rf"(?<![\w\"']){names[name]}\b", line)]
        assert "isEmpty" in line or "isNotEmpty" in line
        conditional[name] = "isNotEmpty" in line or "!reason.isEmpty" in line  # whether it takes a reason
    assert set(re.findall(r"STREAM_\w+", body)) == LATE
    for name, status in CODES.items():
        for reason in ("", "SOMETHING", *LATE):
            again = conditional[name] == bool(reason) if name in conditional else name in named or reason in LATE
            assert again == client.passing(status, reason), (name, reason)


def test_the_table_lists_the_errors_that_the_reference_client_retries() -> None:
    rows = [row for row in GUIDE.splitlines() if row.startswith("|") and "| again" in row]
    assert len(rows) == 3
    text = " ".join(row.split(" | ")[0] for row in rows)
    for name, status in CODES.items():
        if name in {"RESOURCE_EXHAUSTED", "INTERNAL"}:
            again = "with" if client.passing(status, "SOMETHING") else "without"
            assert re.search(rf"`?{name}`? {again} a reason", text), name
        elif name != "FAILED_PRECONDITION":  # the code of both reasons that are waited for
            assert (re.search(rf"\b{name}\b", text) is not None) == client.passing(status, ""), name
    assert set(re.findall(r"STREAM_\w+", text)) == LATE


def test_stub_generation_needs_no_registry(tmp_path: Path) -> None:
    binaries = Path(sys.executable).parent
    (template,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "vestibule").symlink_to(ROOT)
    config = yaml.safe_load(template)
    config["plugins"] = [{"local": "protoc-gen-mypy", "out": "out"}]  # a plugin that is there
    (tmp_path / "template.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    generate = [str(binaries / "buf"), "generate", "--template", "template.yaml"]
    path = os.pathsep.join([str(binaries), os.environ["PATH"]])
    subprocess.run(generate, cwd=tmp_path, check=True, timeout=120, env=os.environ | {"PATH": path})
    made = {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.pyi")}
    ours = {str(file.relative_to(ROOT / "protos")) for file in (ROOT / "protos" / "vestibule").rglob("*.proto")}
    errors = {"google/rpc/status.proto", "google/rpc/error_details.proto"}
    assert made == {name.replace(".proto", "_pb2.pyi") for name in ours | errors}
