"""Logs cannot carry what a person said."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from models.errors import InvalidInput
from models.reasons import Reason
from models.text import RawText, RedactedText
from server.observability import log

SECRET = "Maria Lopez"


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    handlers = list(logging.getLogger().handlers)
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers


def line(capsys: pytest.CaptureFixture[str], **values: object) -> dict[str, object]:
    log.configure("info", "json")  # here, because it takes the standard error of this moment
    log.get_logger("test").info("event", **values)
    parsed: dict[str, object] = json.loads(capsys.readouterr().err)
    return parsed


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (RawText(SECRET), "<withheld>"),
        (SECRET, "<11 characters withheld>"),
        ("maria@example.org", "<17 characters withheld>"),
        ("SESSION_NOT_FOUND", "SESSION_NOT_FOUND"),
        ("vestibule.v1.SessionService/GetSession", "vestibule.v1.SessionService/GetSession"),
        (RedactedText.literal("two words"), "two words"),
        (3.5, 3.5),
        (None, None),
        ([SECRET, 1], ["<11 characters withheld>", 1]),
        ({"a": RawText(SECRET)}, {"a": "<withheld>"}),
        (ValueError(SECRET), "<ValueError>"),
    ],
)
def test_only_identifiers_and_redacted_text_are_logged(
    capsys: pytest.CaptureFixture[str], value: object, written: object
) -> None:
    assert line(capsys, value=value)["value"] == written


def test_an_exception_is_described_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise InvalidInput(SECRET, reason=Reason.INVALID_ID) from cause
    except InvalidInput as error:
        written = line(capsys, **log.describe(error))
    assert written["error_type"] == "InvalidInput"
    assert written["cause_type"] == "ValueError"
    assert written["reason"] == "INVALID_ID"
    assert SECRET not in json.dumps(written)


def test_messages_of_libraries_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    logging.getLogger("some.library").error("failed on %s", SECRET, exc_info=ValueError(SECRET))
    written = capsys.readouterr().err
    assert SECRET not in written
    assert json.loads(written)["library"] == "some.library"


def test_what_ray_tasks_logs_is_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("info", "json")
    values = {"applications": ["vestibule-0123456789ab-speech"], "said": SECRET}
    logging.getLogger("ray_tasks.ray_child").warning("unused_applications", extra={"values": values})
    logging.getLogger("ray_tasks.cluster").error(f"failed on {SECRET}")
    written = capsys.readouterr().err
    assert SECRET not in written
    ours, sentence = map(json.loads, written.splitlines())
    assert (ours["event"], ours["module"], ours["level"]) == ("unused_applications", "ray", "warning")
    assert ours["applications"] == ["vestibule-0123456789ab-speech"]
    assert (sentence["event"], sentence["level"]) == ("library_message", "error")


@pytest.mark.parametrize(("style", "terminal"), [("auto", True), ("auto", False), ("json", True), ("console", False)])
def test_people_get_lines_to_read_and_machines_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, style: str, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    log.configure("info", style)
    log.get_logger("test").info("server_ready", address="127.0.0.1:50051", said=SECRET)
    written = capsys.readouterr().err
    assert SECRET not in written
    assert "\x1b[" in written if style == "auto" and terminal else "\x1b[" not in written
    if style == "json" or (not terminal and style == "auto"):
        assert json.loads(written)["event"] == "server_ready"
    else:
        assert "server_ready" in written
        assert not written.lstrip().startswith("{")
