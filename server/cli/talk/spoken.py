"""`vestibule talk` with speech: streams a recording, standard input or the microphone, and delivers the transcript."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import NoSpeech
from server.cli.channel import open_aio_channel
from server.cli.output import FAILED, Failure, check_can_write
from server.cli.remote import Endpoint, translated
from server.cli.talk.opening import Opening, found, opened, tell_open_session
from server.cli.talk.screen import Screen
from server.cli.talk.sources import feed, open_source
from server.cli.talk.transcript_formats import written

if TYPE_CHECKING:
    from server.cli.talk.client import TalkOptions
    from server.cli.talk.microphone import Microphone


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """Options of the command that go with speech alone.

    Attributes:
        source: A file, or - for standard input; None for a microphone.
        microphone: Whether the default microphone is streamed.
        device: Another microphone, by its system name.
        fast: Whether a file is sent faster than it is spoken.
        end_silence: Seconds of silence that end an utterance; None takes the server's default.
        max_utterance: Seconds of the longest utterance; None takes the server's default.
        words: Whether finals come with their words.
        form: One of ``FORMATS``.
        output: The file of the result; None for standard output.
    """

    source: str | None
    microphone: bool
    device: str | None
    fast: bool
    end_silence: float | None
    max_utterance: float | None
    words: bool
    form: str
    output: Path | None

    def check(self, *, typing: bool) -> None:
        """Refuse options that do not go together.

        Raises:
            click.UsageError: They do not.
        """
        if self.words and self.form != "json":
            raise click.UsageError("--words goes with --format json.")
        places = (self.source, self.microphone, self.device, self.output)
        given = (*places, self.fast, self.end_silence, self.max_utterance, self.form != "text")
        if typing and any(each not in (None, False) for each in given):
            raise click.UsageError("--type takes no recording, no microphone, and no option of speech or transcripts.")


def talk_spoken(server: Endpoint, options: TalkOptions, speech: SpeechOptions, opening: Opening) -> None:
    """Stream speech to its end, then deliver its transcript.

    Ctrl-C ends it with exit code 1, and what was final until then is delivered.

    Raises:
        click.UsageError: The source or the output cannot be used.
        Failure: The source failed, no speech was understood, or the server refused.
    """
    if speech.output is not None:
        check_can_write(speech.output, "--output")
    screen = Screen(sys.stderr.isatty(), words=speech.words)
    microphone = speech.microphone or speech.device is not None
    sound = open_source(speech.source, speech.device, microphone=microphone, fast=speech.fast)  # before a session opens
    try:
        with translated(server.target, server.tls):
            asyncio.run(stream(server, options, sound, screen, fast=speech.fast, opening=opening))
    except KeyboardInterrupt:
        screen.note(f"(interrupted: {'what was final is kept' if screen.lines else 'nothing was final yet'})")
        tell_open_session(screen.session_id)
        _deliver_some(screen, speech)
        raise click.exceptions.Exit(FAILED) from None
    except Failure:
        _deliver_some(screen, speech)
        raise
    _deliver_lines(screen, speech)
    if not isinstance(sound, bytes | None) and sound.failure:
        raise sound.failure
    if not screen.lines:
        raise Failure.of(NoSpeech("No speech was understood."))


def _deliver_some(screen: Screen, speech: SpeechOptions) -> None:
    """Deliver the finals of a stream that did not come to its end, if there are any."""
    if screen.lines:
        _deliver_lines(screen, speech)


def _deliver_lines(screen: Screen, speech: SpeechOptions) -> None:
    """Deliver the finals, unless a terminal shows them already."""
    shown = speech.form == "text" and speech.output is None and _both_on_a_terminal()
    if not shown:
        _deliver(written(screen.lines, speech.form), speech.output)


async def stream(
    server: Endpoint,
    options: TalkOptions,
    sound: bytes | Microphone | None,
    screen: Screen,
    *,
    fast: bool,
    opening: Opening | None = None,
) -> None:
    """Stream a source to its end and show what comes.

    Args:
        server: Where to.
        options: Of the stream. Without a session, one is opened.
        sound: As ``open_source`` returns it.
        screen: Collects the finals.
        fast: Whether a file is sent faster than it is spoken.
        opening: What a new session is opened with.
    """
    from server.cli.talk.client import KEEPALIVE, Audio, Talker

    audio = Audio()
    async with open_aio_channel(server.target, KEEPALIVE, tls=server.tls) as channel:
        if options.session_id:
            session = await found(channel, options.session_id)
        else:
            session = await opened(channel, opening or Opening(), options.language)
            options = replace(options, session_id=session.id)
        screen.session_id = session.id
        screen.progress(session.progress)
        filling = asyncio.create_task(feed(audio, sound, fast=fast))
        talking = asyncio.create_task(Talker(channel, options, audio, screen.event, screen.broke).run())
        try:
            ended, _ = await asyncio.wait({filling, talking}, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()  # the other task would wait for ever
            await talking
            await filling
        finally:
            for task in (filling, talking):
                task.cancel()
            await asyncio.gather(filling, talking, return_exceptions=True)


def _both_on_a_terminal() -> bool:
    """Whether standard output and standard error show on a terminal."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def _deliver(text: str, output: Path | None) -> None:
    """Write the result to the file, or to standard output where that fails, so that it is not lost."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        click.echo(text, nl=False)
        raise Failure(f"{output} cannot be written ({exc.strerror}); the result is on standard output.") from exc
    click.echo(f"Wrote {output}.", err=True)
