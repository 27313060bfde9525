"""gRPC's errors in plain words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from server.cli.output import Failure
from server.cli.remote import failure_of, reachable, translated

DETAILS_KEY = "grpc-status-details-bin"


class EndedCall(grpc.RpcError, grpc.Call):
    """A call that ended with a status, as a client sees it."""

    def __init__(self, code: grpc.StatusCode, message: str, status: status_pb2.Status | None = None) -> None:
        self._code, self._message = code, message
        self._trailers = ((DETAILS_KEY, status.SerializeToString()),) if status else ()

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._message

    def trailing_metadata(self) -> Any:
        return self._trailers

    def initial_metadata(self) -> Any:
        return ()

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float:
        return 0.0

    def cancel(self) -> bool:
        return False

    def add_callback(self, callback: Any) -> bool:
        return False


def rich(code: grpc.StatusCode, message: str, *details: Any) -> EndedCall:
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return EndedCall(code, message, status)


def test_reason_hint_and_correlation_id_come_from_error_info() -> None:
    info = error_details_pb2.ErrorInfo(
        reason="SESSION_NOT_FOUND", domain="vestibule", metadata={"hint": "Check the id.", "correlation_id": "abc"}
    )
    failure = failure_of(rich(grpc.StatusCode.NOT_FOUND, "There is no such session.", info), "host:1")
    assert failure.format_message() == (
        "There is no such session. [SESSION_NOT_FOUND]\n  correlation id: abc\nHint: Check the id."
    )
    assert failure.exit_code == 1


def test_violations_and_retry_are_shown() -> None:
    bad = error_details_pb2.BadRequest(
        field_violations=[error_details_pb2.BadRequest.FieldViolation(field="page_size", description="at most 1000")]
    )
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    failure = failure_of(rich(grpc.StatusCode.INVALID_ARGUMENT, "A rule is broken.", bad, retry), "host:1")
    assert failure.details == ("page_size: at most 1000", "try again after 2.5 s")
    assert failure.reason == "INVALID_ARGUMENT"


def test_a_violation_that_the_hint_tells_is_not_told_twice() -> None:
    rule = error_details_pb2.BadRequest.FieldViolation(field="client_id", description="must be a word")
    info = error_details_pb2.ErrorInfo(reason="INVALID_ARGUMENT", metadata={"hint": "client_id must be a word."})
    bad = error_details_pb2.BadRequest(field_violations=[rule])
    failure = failure_of(rich(grpc.StatusCode.INVALID_ARGUMENT, "A rule is broken.", info, bad), "host:1")
    assert (failure.details, failure.hint) == ((), "client_id must be a word.")


def test_a_missing_server_gives_the_hint_to_start_one() -> None:
    failure = failure_of(EndedCall(grpc.StatusCode.UNAVAILABLE, "connection refused"), "127.0.0.1:5")
    assert "No server answers at 127.0.0.1:5." in failure.format_message()
    assert "vestibule serve" in failure.hint
    assert "about a minute: try again" in failure.hint


def test_a_bare_status_keeps_its_code() -> None:
    failure = failure_of(EndedCall(grpc.StatusCode.CANCELLED, "Locally cancelled."), "host:1")
    assert failure.format_message() == "Locally cancelled. [CANCELLED]"


def test_a_server_that_does_not_answer_in_time_may_be_out_of_reach() -> None:
    failure = failure_of(EndedCall(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), "host:1")
    assert failure.message == "The server at host:1 did not answer in time."
    assert "firewall" in failure.hint


def refused(reason: str, target: str = "127.0.0.1:50051") -> Failure:
    info = error_details_pb2.ErrorInfo(reason=reason, domain="vestibule", metadata={"hint": "Of the server."})
    return failure_of(rich(grpc.StatusCode.PERMISSION_DENIED, "One of these scopes is needed.", info), target)


@pytest.mark.parametrize(
    "reason", ["SCOPE_MISSING", "CREDENTIALS_INVALID", "CREDENTIALS_EXPIRED", "CREDENTIALS_REVOKED"]
)
def test_a_refused_key_of_the_environment_is_named(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_API_KEY", "vst_of_an_app")
    hint = refused(reason).hint
    assert "VESTIBULE_API_KEY is set, and wins over the generated key of this machine." in hint
    assert "`unset VESTIBULE_API_KEY`" in hint
    assert "vst_of_an_app" not in hint
    assert "must be a key that may do this" in refused(reason, "192.0.2.7:50051").hint
    monkeypatch.delenv("VESTIBULE_API_KEY")
    assert "is set" not in refused(reason).hint


def test_a_refused_key_of_the_folder_of_secrets_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VESTIBULE_API_KEY", raising=False)
    monkeypatch.setenv("VESTIBULE_SECRETS_DIR", str(tmp_path))
    (tmp_path / "vestibule_api_key").write_text("vst_of_an_app", encoding="ascii")
    assert "see that its file is not in the folder of secrets" in refused("SCOPE_MISSING").hint


def test_translated_turns_a_grpc_error_into_a_failure() -> None:
    with pytest.raises(Failure, match="cancelled"), translated("host:1"):
        raise EndedCall(grpc.StatusCode.CANCELLED, "Locally cancelled.")


@pytest.mark.parametrize(
    ("listens", "asks"),
    [
        ("127.0.0.1:50051", "127.0.0.1:50051"),
        ("0.0.0.0:50051", "127.0.0.1:50051"),
        ("[::]:50051", "127.0.0.1:50051"),
        (":50051", "127.0.0.1:50051"),
        ("example.com:443", "example.com:443"),
    ],
)
def test_a_wildcard_address_is_reached_on_loopback(listens: str, asks: str) -> None:
    assert reachable(listens) == asks


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:foo", "127.0.0.1:0", "127.0.0.1:99999", "::1:50051", "a b:1"])
def test_an_invalid_address_is_refused(address: str) -> None:
    with pytest.raises(click.UsageError, match="HOST:PORT, with a port from 1 to 65535"):
        reachable(address)
