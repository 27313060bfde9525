"""`vestibule talk --type` over real gRPC: the services of sessions and conversations on a real ledger."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc.aio
import pytest
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1 import flow_pb2, media_pb2
from vestibule.v1.common_pb2 import RedactedText
from vestibule.v1.conversation_pb2_grpc import ConversationServiceServicer, add_ConversationServiceServicer_to_server

from models.errors import Overloaded, Unavailable
from models.reasons import Reason
from server.cli.output import Failure
from server.cli.talk.client import Audio, Talker, TalkOptions
from server.cli.talk.opening import Opening, opened
from server.cli.talk.screen import Screen
from server.cli.talk.typed import TypedTalk
from tests.unit.talk.conftest import SOMEWHERE, World
from tests.unit.talk.recording_listener import Listener


async def test_each_line_is_shown_with_what_was_understood_and_what_is_asked_next(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.type("", "Good morning.", "It is Riverside North.", "/quit", "never sent")
    opening, *rest = capsys.readouterr().err.splitlines()
    assert opening.startswith("Session ")
    assert rest == [
        "[0/6] Site: Which site are you at?",
        "Good morning.",
        "[0/6] Site: Which site are you at?",
        "It is Riverside North.",
        "  site: Riverside North",
        "[1/6] Meter: What does the meter read?",
    ]


async def test_a_reply_comes_before_the_question(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.type("Good morning.", reply=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[2] == "Good morning."
    assert "Thank you." in lines[3]
    assert lines[4] == lines[1], "nothing was answered, so the same is asked"


async def test_a_question_that_needs_no_answer_is_skipped(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.type("It is Riverside North.", "The meter reads 4830.", "/skip", "/skip")
    lines = capsys.readouterr().err.splitlines()
    questions = [line for line in lines if line.startswith("[")]
    assert questions[2:] == [
        "[2/6] Meter: Is that in cubic metres or in kilowatt hours?",
        "[3/6] Visitor register: Is there a visitor register that you can photograph?",
        "[4/6] Contact: How can we reach you, by phone or e-mail?",
    ]


async def test_a_question_is_skipped_in_any_language(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    session = await opened(world.channel, Opening(flow="site_visit"), "de")
    options = TalkOptions(session.id, "de", give_up_s=5.0)
    lines = io.BytesIO("Riverside North.\nDer Zähler zeigt 4830.\n/skip\n".encode())
    await TypedTalk(world.channel, SOMEWHERE, options, Screen(terminal=False), terminal=False).run(lines)
    assert capsys.readouterr().err.splitlines()[-1].startswith("[3/6] Besucherbuch: ")


async def test_a_question_that_needs_an_answer_is_not_skipped(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failure, match="refused: 1"):
        await world.type("/skip")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1] == "[0/6] Site: Which site are you at?"
    assert lines[2].startswith("Error: This question cannot be skipped"), lines
    assert not any(line.startswith("[") for line in lines[2:])


async def test_a_person_is_told_the_commands_at_the_start(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.type(terminal=True)
    assert capsys.readouterr().err.splitlines()[1] == (
        "Type what the person says. Commands: /skip, /photo KIND FILE, /propose, /help, /quit."
    )


async def test_a_record_is_shown_on_standard_output_with_its_confidence(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.type("It is Riverside North.", "/propose")
    told = [line for line in capsys.readouterr().out.splitlines() if "[info" not in line]
    cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in told if line.startswith("| ")]
    assert cells[:2] == [
        ("field", "value", "confidence", "what is against it"),
        ("site_name", "Riverside North", "sure", ""),
    ]
    assert told[-1].startswith("Missing: meter_reading")


async def test_a_session_without_material_gets_no_record(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    await world.type("/propose")
    assert "[NO_MATERIAL]" in capsys.readouterr().err


async def test_a_picture_is_sent_whole_and_what_was_read_is_shown(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my meter.jpg"
    file.write_bytes(bytes(range(256)) * 1024)
    world.reader.outcome = media_pb2.Upload(
        state=media_pb2.UPLOAD_STATE_DONE, text=RedactedText(value="04821\n[REDACTED_NAME]")
    )
    session_id = await world.type(f"/photo meter {file}")
    [(description, content)] = world.reader.got
    assert (description.session_id, description.kind) == (session_id, media_pb2.MEDIA_KIND_METER)
    assert (content, description.size_bytes) == (file.read_bytes(), len(content))
    lines = capsys.readouterr().err.splitlines()
    assert lines[2:4] == ["  | 04821", "  | [REDACTED_NAME]"]
    assert lines[4].startswith("[")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/photo meter /nowhere.jpg", "NO_SUCH_FILE"),
        (
            "/photo banana /nowhere.jpg",
            "'banana' is no kind of picture.\nHint: /photo KIND FILE takes meter, visitor_reg",
        ),
        ("/photo Meter my meter.jpg", "'Meter' is no kind of picture."),
        ("/photo meter", "/photo is not understood"),
        ("/photo", "/photo is not understood"),
        ("/skip", "STEP_NOT_SKIPPABLE"),
        ("/skip it", "/skip is not understood"),
        ("/nope", "/nope is not understood"),
        ("\u200b", "The text is blank."),
    ],
)
async def test_the_lines_after_one_that_is_refused_are_taken_and_a_pipe_ends_with_an_error(
    world: World, capsys: pytest.CaptureFixture[str], line: str, told: str
) -> None:
    with pytest.raises(Failure, match="refused: 1"):
        await world.type(line, "after it")
    piped = capsys.readouterr().err
    await world.type(line, "after it", terminal=True)
    for shown in (piped, capsys.readouterr().err.replace("> ", "")):
        assert "Error: " in shown
        assert told in shown
        assert "\nafter it\n" in shown


async def test_a_picture_beyond_the_quota_is_refused_with_its_hint_and_the_next_line_is_taken(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    world.reader.refusal = Overloaded("It is full.", reason=Reason.UPLOAD_QUOTA, hint="Send it later.")
    with pytest.raises(Failure, match="refused: 2"):
        await world.type(*[f"/photo meter {tmp_path / 'x.jpg'}"] * 2, "It is Riverside North.")
    lines = capsys.readouterr().err.splitlines()
    assert lines.count("Error: It is full. [UPLOAD_QUOTA]") == 2
    assert "Hint: Send it later." in lines
    assert lines[-1].startswith("[1/6]"), "the line after them was taken"


async def test_no_further_line_is_read_when_the_server_is_away(
    world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    world.reader.refusal = Unavailable("It is away.", reason=Reason.CLUSTER_UNAVAILABLE)
    with pytest.raises(Failure, match="It is away"):
        await world.type(f"/photo meter {tmp_path / 'x.jpg'}", "after it")
    assert "after it" not in capsys.readouterr().err


async def test_a_picture_that_cannot_be_read_is_a_failure(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    world.reader.outcome = media_pb2.Upload(state=media_pb2.UPLOAD_STATE_FAILED, failure_reason="BROKEN_MEDIA")
    with pytest.raises(Failure, match="refused: 1"):
        await world.type(f"/photo meter {tmp_path / 'x.jpg'}")
    assert "[BROKEN_MEDIA]" in capsys.readouterr().err


async def test_bytes_that_are_no_text_are_refused(world: World) -> None:
    typed = TypedTalk(
        world.channel,
        SOMEWHERE,
        TalkOptions(world.harness.config.session_id),
        Screen(terminal=False),
        terminal=False,
    )
    with pytest.raises(Failure, match="not UTF-8"):
        await typed.run(io.BytesIO(b"RIFF\xff\xfe\n"))


class Breaking(ConversationServiceServicer):
    """Breaks once after a text came, before or after its final."""

    def __init__(self, finals_before_break: int) -> None:
        self.finals_before_break = finals_before_break
        self.calls: list[list[pb.ConverseRequest]] = []

    async def Converse(self, request_iterator: AsyncIterator[pb.ConverseRequest], context: Any) -> AsyncIterator[Any]:
        requests = aiter(request_iterator)
        self.calls.append([await anext(requests)])
        yield pb.ConverseResponse(configured=pb.Configured(resume_token="token"))
        async for request in requests:
            self.calls[-1].append(request)
            if len(self.calls) > 1 or self.finals_before_break:
                yield pb.ConverseResponse(final=pb.FinalTranscript(text=RedactedText(value="Hello.")))
        if len(self.calls) == 1:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "It breaks.")


@pytest.mark.parametrize(("finals_before_break", "sent"), [(0, [2, 2]), (1, [2, 1])])
async def test_a_text_is_sent_again_with_its_id_until_its_final_came(
    finals_before_break: int, sent: Sequence[int]
) -> None:
    service, listener, server = Breaking(finals_before_break), Listener(), grpc.aio.server()
    add_ConversationServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    said = pb.ConverseRequest(text=pb.TypedText(text="Hello.", text_id=str(uuid4())))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        options = TalkOptions(str(uuid4()))
        await Talker(channel, options, Audio(ended=True), listener.event, listener.broke, said=said).run()
    await server.stop(None)
    assert (listener.finals, [len(call) for call in service.calls]) == ([0], sent)
    assert all(request == said for call in service.calls for request in call[1:])
    assert service.calls[1][0].config.resume_token == "token"


def test_only_what_changed_is_shown_as_understood(capsys: pytest.CaptureFixture[str]) -> None:
    def progress(**values: str) -> flow_pb2.Progress:
        fields = [
            flow_pb2.FieldProgress(name=name, label=name.title(), value=RedactedText(value=value))
            for name, value in values.items()
        ]
        return flow_pb2.Progress(done=1, total=2, flow_title="Car", fields=fields)

    screen = Screen(terminal=False)
    for now in (progress(mileage="", fuel=""), progress(mileage="48190 km"), progress(mileage="48190 km", fuel="half")):
        screen.progress(now)
    screen.progress(progress(mileage="", fuel="half"))
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("  ")]
    assert lines == ["  Mileage: 48190 km", "  Fuel: half", "  Mileage: -"]
