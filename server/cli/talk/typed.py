"""`vestibule talk --type`: lines of text and commands, each answered before the next one is read."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
import uuid
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

import click
import grpc.aio
from google.protobuf.duration_pb2 import Duration
from vestibule.v1 import conversation_pb2 as pb
from vestibule.v1.common_pb2 import FIELD_CONFIDENCE_SURE, ProposedRecord, RecordField

from models.errors import VestibuleError
from models.media.images import ImageLimits
from models.reasons import Reason
from server.cli.channel import open_aio_channel
from server.cli.offline_input import file_bytes
from server.cli.output import FAILED, Failure, show_table
from server.cli.remote import Endpoint, failure_of, translated
from server.cli.talk.client import KEEPALIVE, Audio, Talker, TalkOptions
from server.cli.talk.opening import Opening, found, opened, tell_open_session
from server.cli.talk.pictures import KINDS, read_picture
from server.cli.talk.screen import Screen

WAIT_FOR_UPLOADS_S = 30
COMMANDS: Final = {
    "/skip": "go on without an answer, where the flow allows it",
    "/photo KIND FILE": f"send a picture and wait until it is read; KIND is {', '.join(KINDS)}",
    "/propose": "propose a record, and show its fields",
    "/help": "show this",
    "/quit": "end; so does Ctrl-D. The session stays open.",
}
HELP: Final = "\n".join(
    (
        "Type what the person says, one line at a time. Lines that begin with / are for this command:",
        *(f"  {command:<18}{what}" for command, what in COMMANDS.items()),
    )
)
_REFUSED_LINE: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
"""What the server answers to a line that it does not take. After any other error it would take no other line."""
_SKIP: Final = "skip"
"""What a person would say. Flows know it in every language."""


class TypedTalk:
    """One session that is typed.

    Args:
        server: For the messages of errors.
        options: Options of the streams; each line has a stream of its own, so nobody must type fast.
        screen: Shows what comes.
        terminal: Whether a person types. Then nothing that fails ends the command.
    """

    def __init__(
        self, channel: grpc.aio.Channel, server: Endpoint, options: TalkOptions, screen: Screen, *, terminal: bool
    ) -> None:
        self._channel = channel
        self._server = server
        self._options = options
        self._screen = screen
        self._terminal = terminal

    async def run(self, lines: IO[bytes]) -> None:
        """Take lines until their end, or until /quit. What fails is shown, and the next line is read.

        Raises:
            Failure: No person types, and lines were refused; or one failed as the next ones would, such as when the
                server is away. Then no further line is read.
            grpc.aio.AioRpcError: The server does not say how far the flow is.
        """
        refused = await self._take_all(lines)
        if refused and not self._terminal:
            raise Failure(f"Lines that were refused: {refused}. The others were taken.")

    async def _take_all(self, lines: IO[bytes]) -> int:
        """Take lines; returns how many were refused."""
        refused = 0
        if self._terminal:
            click.echo(f"Type what the person says. Commands: {', '.join(COMMANDS)}.", err=True)
        await self._show_progress()
        while line := await self._next(lines):
            try:
                if not await self._take(line.decode().strip()):
                    break
            except (Failure, VestibuleError, grpc.aio.AioRpcError, UnicodeDecodeError) as error:
                failure = self._failure(error)
                if not self._terminal and not _concerns_one_line(error):
                    raise failure from error
                failure.show()
                refused += 1
        return refused

    async def _next(self, lines: IO[bytes]) -> bytes:
        """The next line; empty at the end. A thread that nobody waits for reads it, so that Ctrl-C ends the command."""
        if self._terminal:
            click.echo("> ", nl=False, err=True)
        loop = asyncio.get_running_loop()
        line: asyncio.Future[bytes] = loop.create_future()

        def deliver(read_line: bytes) -> None:
            if not line.done():
                line.set_result(read_line)

        def read() -> None:
            read_line = lines.readline()
            with contextlib.suppress(RuntimeError):  # the loop is closed: aborted
                loop.call_soon_threadsafe(deliver, read_line)

        threading.Thread(target=read, name="typed", daemon=True).start()
        return await line

    async def _take(self, line: str) -> bool:
        """Answer one line; False after the last one."""
        command, *rest = line.split(maxsplit=2) or [""]
        match command, rest:
            case "", _:
                pass
            case "/quit", []:
                return False
            case "/help", []:
                click.echo(HELP, err=True)
            case "/skip", []:
                await self._skip()
            case "/propose", []:
                wait = Duration(seconds=WAIT_FOR_UPLOADS_S)
                await self._send(pb.ConverseRequest(propose=pb.Propose(wait_for_uploads=wait)))
            case "/photo", [kind, path] if kind in KINDS:
                await self._photograph(kind, path)
            case "/photo", [kind, _path]:
                raise Failure(f"'{kind}' is no kind of picture.", hint=f"/photo KIND FILE takes {', '.join(KINDS)}.")
            case _ if command.startswith("/"):
                raise Failure(f"{command} is not understood like this.", hint=HELP)
            case _:
                await self._say(line)
        return True

    async def _say(self, text: str) -> None:
        typed = pb.TypedText(text=text, text_id=str(uuid.uuid4()))
        await self._send(pb.ConverseRequest(text=typed))
        await self._show_progress()

    async def _skip(self) -> None:
        """Say that the question is skipped. ``SkipStep`` would skip further questions of a step with it.

        Raises:
            Failure: STEP_NOT_SKIPPABLE, it has to be answered; or nothing is asked.
        """
        progress = (await found(self._channel, self._options.session_id)).progress
        if not progress.HasField("question"):
            raise Failure("Nothing is asked now.", hint="/propose proposes a record.")
        if not progress.question.skippable:
            raise Failure(
                "This question cannot be skipped: the record needs its answer.",
                reason=Reason.STEP_NOT_SKIPPABLE,
                hint="Answer it, or end with /quit and go on later with --session.",
            )
        await self._say(_SKIP)

    async def _send(self, said: pb.ConverseRequest) -> None:
        """Send a text or a request in a stream of its own, and show everything that answers it."""
        talker = Talker(self._channel, self._options, Audio(ended=True), self._event, self._screen.broke, said=said)
        await talker.run()

    def _event(self, response: pb.ConverseResponse) -> None:
        match response.WhichOneof("payload"):
            case "progress":
                pass  # it is shown once, after the reply, also where nothing has changed
            case "proposal":
                _show_record(response.proposal.recommendation.record)
            case _:
                self._screen.event(response)

    async def _photograph(self, kind: str, path: str) -> None:
        content = await asyncio.to_thread(_picture, path)
        text = await read_picture(self._channel, self._options.session_id, KINDS[kind], content)
        for line in text.splitlines():
            click.echo(f"  | {line}", err=True)
        await self._show_progress()

    async def _show_progress(self) -> None:
        self._screen.progress((await found(self._channel, self._options.session_id)).progress)

    def _failure(self, error: Exception) -> Failure:
        match error:
            case Failure():
                return error
            case VestibuleError():
                return Failure.of(error)
            case grpc.aio.AioRpcError():
                return failure_of(error, self._server.target, self._server.tls)
            case _:
                return Failure("The line is not UTF-8.", hint="Type or pipe text; a recording is given as FILE.")


def talk_typed(server: Endpoint, options: TalkOptions, opening: Opening) -> None:
    """Take the lines of standard input until their end, or until /quit.

    Args:
        server: Where to.
        options: Of the streams. Without a session, one is opened.
        opening: What a new session is opened with.

    Raises:
        Failure: No person types and a line was refused; or the server cannot be used.
    """
    screen = Screen(sys.stderr.isatty())
    try:
        with translated(server.target, server.tls):
            asyncio.run(_talk(server, options, opening, screen))
    except KeyboardInterrupt:
        screen.note("")
        tell_open_session(screen.session_id)
        raise click.exceptions.Exit(FAILED) from None


async def _talk(server: Endpoint, options: TalkOptions, opening: Opening, screen: Screen) -> None:
    async with open_aio_channel(server.target, KEEPALIVE, tls=server.tls) as channel:
        if not options.session_id:
            session = await opened(channel, opening, options.language)
            options = replace(options, session_id=session.id)
        screen.session_id = options.session_id
        typed = TypedTalk(channel, server, options, screen, terminal=sys.stdin.isatty())
        await typed.run(_standard_input())


def _concerns_one_line(error: Exception) -> bool:
    """Whether the next line may be taken nevertheless. Bytes that are no text are no line: the input is a recording."""
    if isinstance(error, grpc.aio.AioRpcError):
        return error.code() in _REFUSED_LINE
    return not isinstance(error, UnicodeDecodeError)


def _standard_input() -> IO[bytes]:
    """Standard input with a buffer of its own: the one of ``sys.stdin`` must not be in use when Python ends."""
    return open(0, "rb", closefd=False)


def _picture(path: str) -> bytes:
    return file_bytes(str(Path(path).expanduser()), "FILE", ImageLimits().file_bytes, Reason.IMAGE_TOO_LARGE)


def _show_record(record: ProposedRecord) -> None:
    """The record on standard output."""
    click.echo(record.summary)
    show_table(("field", "value", "confidence", "what is against it"), map(_row, record.fields), empty="No field.")
    if record.missing:
        click.echo(f"Missing: {', '.join(record.missing)}")


def _row(field: RecordField) -> tuple[str, ...]:
    sure = "sure" if field.confidence == FIELD_CONFIDENCE_SURE else "unsure"
    return field.name, field.value, sure, " ".join(finding.message for finding in field.findings if finding.against)
