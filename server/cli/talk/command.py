"""`vestibule talk`."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import InvalidInput, NoSpeech, VestibuleError
from models.reasons import Reason
from server.cli.output import Failure, check_can_write
from server.cli.remote import CALL_TIMEOUT_S, address_option, configured_address, reachable, translated
from server.cli.talk.transcript_formats import FORMATS, Line, TimedWord, written

if TYPE_CHECKING:
    from vestibule.v1 import conversation_pb2 as pb
    from vestibule.v1.conversation_pb2 import ConverseResponse

    from server.cli.talk.client import Audio, TalkOptions
    from server.cli.talk.microphone import Microphone

FAST = 8.0
"""Times as fast as it is spoken; below what a server takes by default."""


@click.command(short_help="Stream a recording or a microphone, and read along.")
@click.argument("source", metavar="[FILE|-]", required=False)
@click.option("--microphone", is_flag=True, help="Stream the microphone until Ctrl-C.")
@click.option("--device", metavar="NAME", help="Stream this microphone, as the system names it, not the default one.")
@address_option
@click.option("--session", type=click.UUID, metavar="ID", help="Talk in this session. Default: a new one, left open.")
@click.option("--language", default="", metavar="CODE", help="ISO 639-1 code. Default: the session's, or detected.")
@click.option("--vocabulary", multiple=True, metavar="WORD", help="Expect it, a name of a site; can be repeated.")
@click.option("--reply", is_flag=True, help="Let the assistant answer.")
@click.option("--fast", is_flag=True, help="Send up to 8 times as fast as it is spoken.")
@click.option("--end-silence", type=click.FloatRange(0.2, 3.0), metavar="S", help="Silence that ends an utterance.")
@click.option("--max-utterance", type=click.FloatRange(5.0, 28.0), metavar="S", help="Longest utterance.")
@click.option("--give-up", default=60.0, show_default=True, metavar="S", help="Stop trying after so long without any.")
@click.option("--words", is_flag=True, help="In JSON, each word with its time and confidence.")
@click.option("--format", "form", default="text", show_default=True, type=click.Choice(FORMATS), help="Of the result.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to a file.")
def talk(
    source: str | None,
    microphone: bool,
    device: str | None,
    address: str | None,
    session: uuid.UUID | None,
    language: str,
    vocabulary: tuple[str, ...],
    reply: bool,
    fast: bool,
    end_silence: float | None,
    max_utterance: float | None,
    give_up: float,
    words: bool,
    form: str,
    output: Path | None,
) -> None:
    """Stream speech to a server and show the redacted text as it comes; reconnects by itself.

    FILE is anything that a phone records. "-" reads 16-bit mono PCM at 16 kHz from standard input. --microphone, or
    --device, records until Ctrl-C; what was said until then is still recognised, unless Ctrl-C comes again.

    \b
    Examples:
      vestibule talk --microphone
      vestibule talk --device plughw:1 --reply
      vestibule talk visit.webm --format srt --output visit.srt
      vestibule talk visit.webm --format json --words
      vestibule talk visit.webm --vocabulary Hexham --vocabulary "Kiosk 7"

    Progress goes to standard error, the result to standard output or --output. When nobody was understood the result
    has no line, standard error says NO_SPEECH, and the exit code is 1.
    """
    from server.cli.talk.client import TalkOptions

    if not re.fullmatch("([a-z]{2})?", language):
        raise InvalidInput("The language is no ISO 639-1 code in small letters.", reason=Reason.UNKNOWN_LANGUAGE)
    if session and vocabulary:
        raise click.UsageError("--vocabulary goes with a new session; the one of --session has its own.")
    if words and form != "json":
        raise click.UsageError("--words goes with --format json.")
    target = reachable(address or configured_address())
    if output is not None:
        check_can_write(output, "--output")
    # before a session is opened for what is no recording, or without a microphone
    sound = _sound(source, device, microphone=microphone or device is not None, fast=fast)
    screen = Screen(sys.stderr.isatty(), words=words)
    options = TalkOptions(str(session or ""), language, reply, end_silence, max_utterance, give_up, words)
    with translated(target):
        asyncio.run(_talk(target, options, sound, screen, fast=fast, vocabulary=vocabulary))
    _deliver(written(screen.lines, form), output)
    if not isinstance(sound, bytes | None) and sound.failure:
        raise sound.failure
    if not screen.lines:
        raise Failure.of(NoSpeech("Nobody was understood."))


def _sound(source: str | None, device: str | None, *, microphone: bool, fast: bool) -> bytes | Microphone | None:
    """16-bit mono PCM at 16 kHz of a file, an opened microphone, or None for standard input.

    Raises:
        click.UsageError: Not exactly one of them was asked for.
        Failure: It cannot be read.
    """
    if microphone == (source is not None):
        raise click.UsageError("Name a file, or - for standard input, or --microphone; one of them.")
    if not microphone:
        return None if source == "-" else _decoded(str(source))
    if fast:
        raise click.UsageError("--fast goes with a file.")
    from server.cli.talk.microphone import opened

    return opened(device)


def _deliver(text: str, output: Path | None) -> None:
    """Write the result to the file; where that fails after all, to standard output, so that it is not lost."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        click.echo(text, nl=False)
        raise Failure(f"{output} cannot be written ({exc.strerror}); the result is on standard output.") from exc
    click.echo(f"Wrote {output}.", err=True)


class Screen:
    """Shows partials on one line that grows, and collects finals.

    Args:
        terminal: Whether the line can be written over.
        words: Whether finals come with their words.
    """

    def __init__(self, terminal: bool, *, words: bool = False) -> None:
        self._terminal = terminal
        self._words = words
        self._open = False
        self.lines: list[Line] = []

    def event(self, response: ConverseResponse) -> None:
        """Show one event."""
        match response.WhichOneof("payload"):
            case "partial" if self._terminal:
                self._grow(response.partial.text.value + (" ..." if response.partial.pending_words else ""))
            case "final":
                final = response.final
                self._end(final.text.value)
                self.lines.append(
                    Line(
                        final.utterance,
                        final.start.ToTimedelta().total_seconds(),
                        final.end.ToTimedelta().total_seconds(),
                        final.text.value,
                        round(final.confidence, 3),
                        final.language,
                        tuple(map(_timed, final.words)) if self._words else None,
                    )
                )
            case "reply_piece":
                click.echo(f"  {response.reply_piece.text}", err=True, nl=False)
            case "reply_ended":
                click.echo(err=True)
            case "notice":
                self._end(f"({response.notice.message} [{response.notice.reason}])")

    def broke(self, reason: str, pause_s: float) -> None:
        """Say that the connection is gone."""
        self._end(f"(connection lost: {reason}; again in {pause_s:.1f} s)")

    def _grow(self, text: str) -> None:
        width = shutil.get_terminal_size().columns
        click.echo(f"\r\x1b[K{text[-(width - 1) :]}", err=True, nl=False)
        self._open = True

    def _end(self, text: str) -> None:
        start = "\r\x1b[K" if self._open else ""
        click.echo(f"{start}{text}", err=True)
        self._open = False


def _timed(word: pb.TimedWord) -> TimedWord:
    start_s, end_s = (time.ToTimedelta().total_seconds() for time in (word.start, word.end))
    return TimedWord(word.value, start_s, end_s, round(word.confidence, 3))


async def _talk(
    target: str,
    options: TalkOptions,
    sound: bytes | Microphone | None,
    screen: Screen,
    *,
    fast: bool,
    vocabulary: tuple[str, ...] = (),
) -> None:
    from dataclasses import replace

    import grpc.aio
    from vestibule.v1.session_pb2 import StartSessionRequest
    from vestibule.v1.session_pb2_grpc import SessionServiceStub

    from server.cli.talk.client import KEEPALIVE, Audio, Talker

    audio = Audio()
    async with grpc.aio.insecure_channel(target, options=KEEPALIVE) as channel:
        if not options.session_id:
            request = StartSessionRequest(
                client_id="vestibule-talk",
                request_id=str(uuid.uuid4()),
                language=options.language,
                vocabulary=vocabulary,
            )
            started = await SessionServiceStub(channel).StartSession(request, timeout=CALL_TIMEOUT_S)
            options = replace(options, session_id=started.session.id)
            click.echo(f"Session {options.session_id}", err=True)
        filling = asyncio.create_task(_fill(audio, sound, fast=fast))
        talking = asyncio.create_task(Talker(channel, options, audio, screen.event, screen.broke).run())
        try:
            ended, _ = await asyncio.wait({filling, talking}, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()  # the other one would wait for ever
            await talking
            await filling
        finally:
            for task in (filling, talking):
                task.cancel()
            await asyncio.gather(filling, talking, return_exceptions=True)


async def _fill(audio: Audio, sound: bytes | Microphone | None, *, fast: bool) -> None:
    """Feed the audio of a file at its pace, that of a microphone as it comes, or where sound is None standard input."""
    from server.cli.talk.client import BYTES_A_SECOND, CHUNK_BYTES

    if sound is None:
        while data := await asyncio.to_thread(sys.stdin.buffer.read, CHUNK_BYTES):
            audio.add(data)
    elif isinstance(sound, bytes):
        loop = asyncio.get_running_loop()
        began = loop.time()
        for at in range(0, len(sound), CHUNK_BYTES):
            audio.add(sound[at : at + CHUNK_BYTES])
            spoken_s = (at + CHUNK_BYTES) / BYTES_A_SECOND
            await asyncio.sleep(max(0.0, began + spoken_s / (FAST if fast else 1.0) - loop.time()))
    else:
        await sound.record(audio)
    audio.finish()


def _decoded(path: str) -> bytes:
    """16-bit mono PCM at 16 kHz.

    Raises:
        Failure: What `vestibule transcribe` says of a file that is not there, or is no recording.
    """
    import numpy as np

    from models.media.audio_decoder import DEFAULT_LIMITS, decode
    from server.cli.offline_input import file_bytes

    try:
        samples = decode(file_bytes(path, "FILE", DEFAULT_LIMITS.max_bytes, Reason.AUDIO_TOO_LARGE))
    except VestibuleError as error:
        raise Failure.of(error, path) from error
    pcm: bytes = np.clip(samples * 32768.0, -32768, 32767).astype("<i2").tobytes()
    return pcm
