"""The rules in the protos, in words."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import protovalidate
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import access_pb2, admin_pb2, funnel_pb2, media_pb2, session_pb2

from models.errors import InvalidInput
from server.rpc.interceptors.rules_in_words import PATTERNS, in_words
from server.rpc.interceptors.validate import Validate

UUID = "3f0f6f0e-2f55-4c9e-9d0a-0f6f2b8c1d11"
PROTOS = Path(__file__).parents[3] / "protos" / "vestibule" / "v1"


def patterns() -> Iterator[str]:
    for proto in PROTOS.glob("*.proto"):
        for line in proto.read_text(encoding="utf-8").splitlines():
            if "pattern: " in line:
                yield line.partition('"')[2].rpartition('"')[0]


def test_every_pattern_has_words() -> None:
    assert set(patterns()) == set(PATTERNS)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (media_pb2.UploadRequest(), [("payload", "must have exactly one of description, data")]),
        (
            media_pb2.UploadRequest(description=media_pb2.UploadDescription(upload_id=UUID)),
            [("description.session_id", "must be a UUID, and is empty")],
        ),
        (admin_pb2.EraseRequest(), [("target", "must have exactly one of session_id, client_id, subject_hash")]),
        (
            access_pb2.CreateApiKeyRequest(scopes=[1, 99], lifetime=Duration(seconds=1)),  # type: ignore[list-item]
            [
                (
                    "scopes[1]",
                    "must be one of SCOPE_APP, SCOPE_REVIEWER, SCOPE_ANALYST, SCOPE_OPERATOR, SCOPE_SEALED_RELEASE",
                ),
                ("lifetime", "must be greater than or equal to 60s and less than or equal to 3650 days"),
            ],
        ),
        (
            funnel_pb2.GetReportRequest(steps=["a"], window=Duration(seconds=99_999 * 86_400)),
            [("window", "must be greater than or equal to 0s and less than or equal to 3660 days")],
        ),
        (funnel_pb2.GetReportRequest(steps=["a", "a"]), [("steps", "must have no value twice")]),
        (
            funnel_pb2.GetReportRequest(steps=["a", "b"], exclusions=[funnel_pb2.FunnelExclusion(name="a")]),
            [
                (
                    "request",
                    "must exclude no event that is a step, and others only after required steps that are not the last",
                )
            ],
        ),
        (
            session_pb2.StartSessionRequest(request_id=UUID, vocabulary=["maria", "x" * 65]),
            [("vocabulary[1]", "must be at most 64 characters")],
        ),
        (
            funnel_pb2.AppEvent(event_id=UUID, session_id=UUID, name="a", properties={"Maria Lopez": ""}),
            [
                ("device_time", "must be given"),
                (
                    "properties",
                    "key 1 of 1 in alphabetical order must be 1 to 64 small letters, digits and underscores, "
                    "a letter first",
                ),
            ],
        ),
        (
            funnel_pb2.AppEvent(
                event_id=UUID,
                session_id=UUID,
                name="a",
                device_time=Timestamp(seconds=1),
                properties={"screen": "home", "note": "x" * 501, "a": ""},
            ),
            [("properties", "the value of key 2 of 3 in alphabetical order must be at most 500 characters")],
        ),
    ],
)
def test_a_rule_is_told_in_words(message: Message, told: list[tuple[str, str]]) -> None:
    violations = protovalidate.Validator().collect_violations(message)
    found = [in_words(message, violation) for violation in violations]
    assert [(violation.field, violation.description) for violation in found] == told


def test_every_message_of_a_rule_of_ours_says_what_must_be() -> None:
    told = [
        line.partition('"')[2]
        for proto in PROTOS.glob("*.proto")
        for line in proto.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith('message: "')
    ]
    assert [text for text in told if not text.startswith("must ")] == []


def test_a_rule_of_a_whole_request_names_no_field() -> None:
    wrong = funnel_pb2.GetReportRequest(steps=["a", "b"], exclusions=[funnel_pb2.FunnelExclusion(name="a")])
    with pytest.raises(InvalidInput) as refused:
        Validate().check_message(wrong)
    assert refused.value.message == "The request breaks a rule."
    assert refused.value.hint.startswith("The request must exclude no event that is a step")
    wrong.client_id = "x y"
    with pytest.raises(InvalidInput, match=r"^The request breaks a rule: client_id\.$"):
        Validate().check_message(wrong)


def test_no_rule_of_any_message_is_told_as_its_id() -> None:
    """An empty message breaks the rules about what must be there; none of them lacks words."""
    validator = protovalidate.Validator()
    for proto in PROTOS.glob("*.proto"):
        module = import_module(f"vestibule.v1.{proto.stem}_pb2")
        for name in module.DESCRIPTOR.message_types_by_name:
            message = getattr(module, name)()
            for violation in validator.collect_violations(message):
                assert in_words(message, violation).description.startswith("must ")
