"""What `vestibule talk` and `vestibule demo` refuse before they begin: no server is asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from av.audio.frame import AudioFrame
from click.testing import CliRunner, Result
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1 import flow_pb2
from vestibule.v1.common_pb2 import RedactedText
from vestibule.v1.session_pb2 import StartSessionRequest, StartSessionResponse
from vestibule.v1.session_pb2_grpc import SessionServiceServicer, add_SessionServiceServicer_to_server

from server.cli import main
from server.cli.demo import runner
from server.cli.output import Failure
from server.cli.talk import microphone, opening, spoken
from server.cli.talk.microphone import Microphone
from server.cli.talk.opening import Opening
from server.cli.talk.screen import Screen
from server.cli.talk.transcript_formats import Line, written
from server.cli.talk.typed import COMMANDS

DATA = Path(__file__).resolve().parents[2] / "data"
NOBODY = "127.0.0.1:1"
HEARD = Line(0, 0.0, 1.5, "Hello.", 0.9, "en")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main.cli, list(arguments))


@pytest.fixture
def began(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was begun."""
    began: list[str] = []

    async def talked(
        target: str, options: object, pcm: object, screen: Screen, *, fast: bool, opening: Opening
    ) -> None:
        began.append("talk")
        screen.lines.append(HEARD)

    monkeypatch.setattr(spoken, "stream", talked)
    monkeypatch.setattr(runner, "run_demo", lambda *arguments, **options: began.append("demo"))
    return began


def test_a_vocabulary_needs_a_new_session(began: list[str]) -> None:
    session = ["--session", "5a2e8f0c-7a41-4f3e-9d56-0c1b7e2f9a10"]
    result = run("talk", str(DATA / "visit.wav"), "--address", NOBODY, "--vocabulary", "Hexham", *session)
    assert result.exit_code == 2
    assert "--vocabulary goes with a new session" in result.stderr
    assert began == []


@pytest.mark.parametrize("facts", [("nope",), ("=1",), ("reading=",), ("a=1", "a=2")])
def test_a_fact_has_one_name_and_one_value(began: list[str], facts: tuple[str, ...]) -> None:
    result = run("talk", "--type", *(part for fact in facts for part in ("--fact", fact)))
    assert (result.exit_code, began) == (2, [])
    assert "--fact takes NAME=VALUE" in result.stderr


def test_a_session_that_goes_on_takes_no_facts(began: list[str]) -> None:
    result = run("talk", "--type", "--fact", "a=1", "--session", "5a2e8f0c-7a41-4f3e-9d56-0c1b7e2f9a10")
    assert (result.exit_code, began) == (2, [])
    assert "--fact goes with a new session" in result.stderr


def test_a_session_that_goes_on_takes_no_time_zone(began: list[str]) -> None:
    result = run("talk", "--type", "--time-zone", "UTC", "--session", "5a2e8f0c-7a41-4f3e-9d56-0c1b7e2f9a10")
    assert (result.exit_code, began) == (2, [])
    assert "--time-zone goes with a new session" in result.stderr


@pytest.mark.parametrize(("link", "name"), [("Europe/Berlin", "Europe/Berlin"), ("Mars/Olympus", ""), ("", "")])
def test_the_time_zone_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: str, name: str) -> None:
    file = tmp_path / "localtime"
    if link:
        file.symlink_to(f"/usr/share/zoneinfo/{link}")
    else:
        file.write_bytes(b"TZif")
    monkeypatch.setattr(opening, "LOCALTIME", file)
    assert opening.machine_time_zone() == name


def test_without_a_source_typing_is_named(began: list[str]) -> None:
    result = run("talk", "--flow", "car_return")
    assert (result.exit_code, began) == (2, [])
    assert "Hint: --type takes typed lines" in result.stderr


@pytest.mark.parametrize(
    "also", [("visit.webm",), ("-",), ("--microphone",), ("--end-silence", "1"), ("--format", "srt"), ("--fast",)]
)
def test_typing_goes_with_no_speech(began: list[str], also: tuple[str, ...]) -> None:
    result = run("talk", "--type", *also)
    assert (result.exit_code, began) == (2, [])
    assert "--type takes no recording" in result.stderr


async def test_what_a_session_is_opened_with_is_passed_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[StartSessionRequest] = []

    class UnavailableSessions(SessionServiceServicer):
        async def StartSession(self, request: StartSessionRequest, context: Any) -> StartSessionResponse:
            asked.append(request)
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "That is all.")
            raise AssertionError

    server = grpc.aio.server()
    add_SessionServiceServicer_to_server(UnavailableSessions(), server)  # type: ignore[abstract] # no other call is made
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    arguments = ["talk", str(DATA / "visit.wav"), "--address", f"127.0.0.1:{port}", "--language", "en"]
    words = ["Hexham", "Kiosk 7"]
    vocabulary = [part for word in words for part in ("--vocabulary", word)]
    facts = ["--flow", "site_visit", "--fact", "last_reading=4821", "--fact", "unit=a=b"]
    monkeypatch.setattr(opening, "LOCALTIME", tmp_path / "localtime")
    opening.LOCALTIME.symlink_to("/usr/share/zoneinfo/Asia/Tokyo")
    talked = await asyncio.to_thread(run, *arguments, *vocabulary, *facts)
    facts += ["--time-zone", "Europe/Berlin"]
    typed = await asyncio.to_thread(run, "talk", "--type", *arguments[2:], *vocabulary, *facts)
    await server.stop(None)
    assert (talked.exit_code, typed.exit_code) == (1, 1)
    [one, other] = [
        (list(request.vocabulary), request.language, request.flow, dict(request.facts)) for request in asked
    ]
    assert one == other == (words, "en", "site_visit", {"last_reading": "4821", "unit": "a=b"})
    assert [request.time_zone for request in asked] == ["Asia/Tokyo", "Europe/Berlin"]


@pytest.mark.parametrize("language", ["EN", "english", "e"])
def test_an_invalid_language_code_opens_no_session(began: list[str], language: str) -> None:
    result = run("talk", str(DATA / "visit.wav"), "--address", NOBODY, "--language", language)
    assert result.exit_code == 1
    assert "[UNKNOWN_LANGUAGE]" in result.stderr
    assert "Hint: Give an ISO 639-1 code such as en" in result.stderr
    assert began == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EMPTY_FILE"),
        (b"# Vestibule\n" * 20, "UNSUPPORTED_MEDIA"),
        ((DATA / "meter.jpg").read_bytes(), "UNSUPPORTED_MEDIA"),
        (b"fLaC" + bytes(200), "BROKEN_MEDIA"),
    ],
)
def test_a_file_that_is_not_a_recording_opens_no_session(
    tmp_path: Path, began: list[str], content: bytes, reason: str
) -> None:
    file = tmp_path / "recording"
    file.write_bytes(content)
    result = run("talk", str(file), "--address", NOBODY)
    assert result.exit_code == 1
    assert f"[{reason}]" in result.stderr
    assert began == []


def test_a_picture_in_place_of_a_recording_is_told_where_it_belongs(began: list[str]) -> None:
    result = run("talk", str(DATA / "meter.jpg"), "--address", NOBODY)
    assert (result.exit_code, began) == (1, [])
    assert "This is a JPEG file, no recording. [UNSUPPORTED_MEDIA]\nHint: `vestibule talk --type`" in result.stderr


def test_an_unwritable_output_is_refused_before_streaming(tmp_path: Path, began: list[str]) -> None:
    result = run("talk", str(DATA / "visit.flac"), "--output", str(tmp_path / "nope" / "x.srt"))
    assert result.exit_code == 2
    assert "cannot be written (No such file or directory)" in result.stderr
    assert began == []


def test_the_result_is_written_to_the_output_file(tmp_path: Path, began: list[str]) -> None:
    file = tmp_path / "x.vtt"
    assert run("talk", str(DATA / "visit.flac"), "--format", "vtt", "--output", str(file)).exit_code == 0
    assert (began, file.read_text()) == (["talk"], written([HEARD], "vtt"))


def test_when_writing_fails_the_result_goes_to_standard_output(began: list[str]) -> None:
    result = run("talk", str(DATA / "visit.flac"), "--format", "json", "--output", "/dev/full")
    assert (result.exit_code, result.stdout) == (1, written([HEARD], "json"))
    assert "the result is on standard output" in result.stderr


@pytest.mark.parametrize(("form", "result"), [("text", ""), ("vtt", written([HEARD], "vtt"))])
def test_a_terminal_shows_each_text_once(
    monkeypatch: pytest.MonkeyPatch, began: list[str], form: str, result: str
) -> None:
    monkeypatch.setattr(spoken, "_both_on_a_terminal", lambda: True)
    assert run("talk", str(DATA / "visit.flac"), "--format", form).stdout == result


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nope.wav", "There is no such file. [NO_SUCH_FILE]\nHint: "),
        ("", "This is a folder. [FILE_UNREADABLE]\nHint: "),
    ],
)
def test_a_missing_file_gives_the_error_of_transcribe(tmp_path: Path, began: list[str], name: str, said: str) -> None:
    result = run("talk", str(tmp_path / name), "--address", NOBODY)
    assert result.exit_code == 1
    assert f"Error: {tmp_path / name}: {said}" in result.stderr
    assert began == []


@pytest.mark.parametrize(("form", "result"), [("text", ""), ("json", "[]\n"), ("vtt", "WEBVTT\n")])
def test_a_recording_without_understood_speech_exits_with_no_speech(
    monkeypatch: pytest.MonkeyPatch, form: str, result: str
) -> None:
    async def quiet(*arguments: object, **options: object) -> None:
        """A stream that ended without any final."""

    monkeypatch.setattr(spoken, "stream", quiet)
    told = run("talk", str(DATA / "visit.flac"), "--format", form)
    assert (told.exit_code, told.stdout) == (1, result)
    assert told.stderr == "Error: No speech was understood. [NO_SPEECH]\nHint: Speak closer to the microphone.\n"
    assert "NO_SPEECH" in run("talk", "--help").stdout


class Silence:
    """A device that is opened and never read."""

    def decode(self, *, audio: int) -> Iterator[AudioFrame]:
        raise NotImplementedError

    def close(self) -> None:
        """It needs none."""


@pytest.mark.parametrize(
    ("arguments", "device"), [(("--microphone",), None), (("--device", "hw:1"), "hw:1"), (("--device=1",), "1")]
)
def test_a_microphone_is_the_default_one_or_named(
    monkeypatch: pytest.MonkeyPatch, began: list[str], arguments: tuple[str, ...], device: str | None
) -> None:
    asked: list[str | None] = []

    def opened(device: str | None) -> Microphone:
        asked.append(device)
        return Microphone(Silence(), "It")

    monkeypatch.setattr(microphone, "opened", opened)
    result = run("talk", *arguments)
    assert (result.exit_code, result.stdout, asked, began) == (0, "Hello.\n", [device], ["talk"])


def test_the_help_names_each_command_of_typed_lines() -> None:
    shown = run("talk", "--help").stdout
    assert [command for command in COMMANDS if f"\n    {command} " not in shown] == []


@pytest.mark.parametrize(
    "arguments", [(), ("-", "--microphone"), ("visit.webm", "--device", "hw:1"), ("--microphone", "--fast")]
)
def test_exactly_one_source_is_needed_and_fast_needs_a_file(began: list[str], arguments: tuple[str, ...]) -> None:
    assert (run("talk", *arguments).exit_code, began) == (2, [])


def test_a_microphone_that_cannot_be_opened_opens_no_session(monkeypatch: pytest.MonkeyPatch, began: list[str]) -> None:
    monkeypatch.setattr(sys, "platform", "no system of ours")
    monkeypatch.setitem(microphone.FORMATS, sys.platform, "no form of FFmpeg's")
    result = run("talk", "--microphone", "--address", NOBODY)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The default microphone cannot be opened: ")
    assert began == []


def test_speech_before_a_microphone_is_lost_is_kept(monkeypatch: pytest.MonkeyPatch, began: list[str]) -> None:
    lost = Microphone(Silence(), "It")
    lost.failure = Failure("It was lost.")
    monkeypatch.setattr(microphone, "opened", lambda device: lost)
    result = run("talk", "--microphone")
    assert (result.exit_code, result.stdout) == (1, "Hello.\n")
    assert result.stderr == "Error: It was lost.\n"


def test_a_session_is_named_by_its_id(began: list[str]) -> None:
    result = run("talk", str(DATA / "visit.flac"), "--session", "nope")
    assert result.exit_code == 2
    assert "'nope' is not a valid UUID" in result.stderr
    assert began == []


@pytest.mark.parametrize("output", ["/dev/null", "/dev/null/below"])
def test_the_demo_refuses_an_unwritable_picture_folder(began: list[str], output: str) -> None:
    result = run("demo", "--output", output)
    assert result.exit_code == 2
    assert "is not a folder that can be written to" in result.stderr
    assert began == []


def test_partials_share_one_terminal_line_that_the_final_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(terminal=True)
    for text in ("Hello", "Hello, my name"):
        screen.event(pb.ConverseResponse(partial=pb.PartialTranscript(text=RedactedText(value=text))))
    screen.broke("UNAVAILABLE", 0.5)
    screen.event(pb.ConverseResponse(final=pb.FinalTranscript(text=RedactedText(value="Hello, my name is X."))))
    # Where it is captured, click leaves out the codes that clear the line.
    lost = "(connection lost: UNAVAILABLE; again in 0.5 s)"
    assert capsys.readouterr().err == f"\rHello\rHello, my name\r{lost}\nHello, my name is X.\n"
    assert [line.text for line in screen.lines] == ["Hello, my name is X."]


def test_the_question_and_the_progress_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    question = flow_pb2.Question(step_title="Meter", text=RedactedText(value="What does the meter read?"))
    screen = Screen(terminal=False)
    screen.event(pb.ConverseResponse(progress=flow_pb2.Progress(done=1, total=6, question=question)))
    screen.event(pb.ConverseResponse(progress=flow_pb2.Progress(done=6, total=6, flow_title="Site visit")))
    assert capsys.readouterr().err == "[1/6] Meter: What does the meter read?\n[6/6] Site visit\n"
