"""`vestibule sealed`, over a real channel, and the sample of the documentation."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import sealed_pb2 as pb
from vestibule.v1 import sealed_pb2_grpc

from models.sealed_values import Binding, OpenedValue, read_public_key, seal_value
from server.cli.main import cli
from tests.unit.docs.pages import page

SESSION = "6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f"
PHONE = OpenedValue("five five five oh one three two", "5550132")


def known(**more: Any) -> pb.SealedValue:
    return pb.SealedValue(
        id="v",
        session_id=SESSION,
        field="contact_phone",
        type="PHONE",
        key_id="crm",
        source_id="turn-1",
        create_time=Timestamp(seconds=1_800_000_000),
        **more,
    )


class Answers(sealed_pb2_grpc.SealedValueServiceServicer):
    """One value, sealed to a public key."""

    def __init__(self) -> None:
        self.public_key = b""
        self.asked: list[Any] = []

    def ListSealedValues(self, request: Any, context: Any) -> pb.ListSealedValuesResponse:
        return pb.ListSealedValuesResponse(values=[known()])

    def ReleaseSealedValues(self, request: Any, context: Any) -> pb.ReleaseSealedValuesResponse:
        self.asked.append(request)
        ciphertext = seal_value(PHONE, self.public_key, Binding(SESSION, "contact_phone", "PHONE", "crm"))
        value = known(release_time=Timestamp(seconds=1_800_000_060), released_to="key:crm")
        return pb.ReleaseSealedValuesResponse(values=[pb.ReleasedValue(value=value, ciphertext=ciphertext)])


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    sealed_pb2_grpc.add_SealedValueServiceServicer_to_server(made, server)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield made
    server.stop(None).wait()


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["sealed", *arguments], input=given)


def done(*arguments: str, given: str | None = None) -> Result:
    result = run(*arguments, given=given)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def released(answers: Answers, tmp_path: Path) -> str:
    """What `release` prints, sealed to the key in key.pem."""
    made = done("keygen", str(tmp_path / "key.pem"))
    answers.public_key = read_public_key(made.stdout.strip())
    return done("release", SESSION, "--field", "contact_phone", "--field", "contact_phone").stdout


def test_a_private_key_is_for_its_owner_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = done("keygen", str(path))
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read_public_key(made.stdout.strip())) == 32
    assert f'{{"my-system": "{made.stdout.strip()}"}}' in made.stderr
    assert "PRIVATE" not in made.output
    before = path.read_bytes()
    assert run("keygen", str(path)).exit_code == 2
    assert path.read_bytes() == before


def test_what_is_released_can_be_opened(released: str, answers: Answers, tmp_path: Path) -> None:
    key, file = tmp_path / "key.pem", tmp_path / "released.json"
    file.write_text(released, encoding="utf-8")
    assert PHONE.written not in released
    assert list(answers.asked[0].fields) == ["contact_phone"]
    for shown in (done("open", str(key), str(file)), done("open", str(key), given=released)):
        assert "5550132" in shown.stdout
        assert "five five five oh one three two" in shown.stdout
    [value] = json.loads(done("open", str(key), str(file), "--json").stdout)
    assert (value["field"], value["written"], value["source_id"]) == ("contact_phone", "5550132", "turn-1")


def test_a_release_is_repeated_with_its_request_id(released: str, answers: Answers) -> None:
    first = answers.asked[0].request_id
    done("release", SESSION, "--field", "contact_phone", "--request-id", first)
    assert [request.request_id for request in answers.asked] == [first, first]
    again = done("release", SESSION, "--field", "contact_phone")
    assert f"--request-id {answers.asked[-1].request_id}" in again.stderr
    assert answers.asked[-1].request_id != first


def test_another_key_or_a_changed_value_does_not_open(released: str, tmp_path: Path) -> None:
    done("keygen", str(tmp_path / "other.pem"))
    refused = run("open", str(tmp_path / "other.pem"), given=released)
    assert refused.exit_code == 1
    assert "SEALED_VALUE_INVALID" in refused.output
    moved = released.replace("contact_phone", "other_phone")
    assert "SEALED_VALUE_INVALID" in run("open", str(tmp_path / "key.pem"), given=moved).output


@pytest.mark.parametrize("given", ["", "[]", "{}", '{"values": [{}]}', '{"values": [{"ciphertext": "*"}]}', "null"])
def test_what_is_no_release_is_refused(given: str, tmp_path: Path) -> None:
    done("keygen", str(tmp_path / "key.pem"))
    assert run("open", str(tmp_path / "key.pem"), given=given).exit_code == 2


def test_what_is_no_private_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert run("open", str(path), given="{}").exit_code == 2
    wrong = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"no key", wrong):
        path.write_bytes(content)
        refused = run("open", str(path), given="{}")
        assert refused.exit_code == 1
        assert "SEALED_KEY_INVALID" in refused.output


def test_values_are_listed_without_their_ciphertexts(answers: Answers) -> None:
    shown = done("list", SESSION).stdout
    assert "contact_phone" in shown
    assert "2027-01-15 08:00 UTC" in shown
    [value] = json.loads(done("list", SESSION, "--json").stdout)
    assert (value["field"], value["key_id"], value["released_to"]) == ("contact_phone", "crm", "")
    assert "ciphertext" not in value


def test_the_sample_of_the_documentation_opens_it(released: str, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", page("docs/operating/sealed-values.md"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 15
    script, file = tmp_path / "open.py", tmp_path / "released.json"
    script.write_text(code, encoding="utf-8")
    file.write_text(released, encoding="utf-8")
    arguments = [sys.executable, str(script), str(tmp_path / "key.pem"), str(file)]
    shown = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout == "contact_phone 5550132\n"


def test_the_example_key_of_the_documentation_is_one() -> None:
    (key,) = re.findall(r'"crm_2026": "([^"]+)"', page("docs/operating/sealed-values.md"))
    assert len(base64.b64decode(key)) == 32
