"""`vestibule talk`."""

from __future__ import annotations

import asyncio
import re
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import InvalidInput, NoSpeech
from models.reasons import Reason
from server.cli.channel import open_aio_channel
from server.cli.output import Failure, check_can_write
from server.cli.remote import Endpoint, address_option, endpoint, translated
from server.cli.talk.opening import Opening, facts_of, opened
from server.cli.talk.screen import Screen
from server.cli.talk.sources import feed, open_source
from server.cli.talk.transcript_formats import FORMATS, written

if TYPE_CHECKING:
    from server.cli.talk.client import TalkOptions
    from server.cli.talk.microphone import Microphone


@click.command(short_help="Talk to the server: a recording, the microphone, or typed lines.")
@click.argument("source", metavar="[FILE|-]", required=False)
@click.option("--microphone", is_flag=True, help="Stream the microphone until Ctrl-C.")
@click.option("--device", metavar="NAME", help="Stream this microphone, by its system name.")
@click.option("--type", "typing", is_flag=True, help="Read typed lines from the terminal or a pipe.")
@address_option
@click.option(
    "--session", type=click.UUID, metavar="ID", help="Use this session. Default: a new one, which stays open."
)
@click.option(
    "--language", default="", metavar="CODE", help="ISO 639-1 code. Default: that of the session, or detected."
)
@click.option(
    "--vocabulary", multiple=True, metavar="WORD", help="A word to expect, such as the name of a site; can be repeated."
)
@click.option("--flow", default="", metavar="NAME", help="Flow of a new session. Default: that of the server.")
@click.option(
    "--fact",
    "facts",
    multiple=True,
    callback=facts_of,
    metavar="NAME=VALUE",
    help="A fact of the flow, such as last_reading=4821; can be repeated.",
)
@click.option(
    "--time-zone",
    metavar="NAME",
    help='Time zone of a new session, such as Europe/Berlin. Default: that of this machine; "" takes the server\'s.',
)
@click.option("--reply", is_flag=True, help="Let the assistant answer.")
@click.option("--fast", is_flag=True, help="Send up to 8 times as fast as it is spoken.")
@click.option("--end-silence", type=click.FloatRange(0.2, 3.0), metavar="S", help="Silence that ends an utterance.")
@click.option("--max-utterance", type=click.FloatRange(5.0, 28.0), metavar="S", help="Longest utterance.")
@click.option(
    "--give-up", default=60.0, show_default=True, metavar="S", help="Stop after so many seconds without progress."
)
@click.option("--words", is_flag=True, help="Include each word with its times and confidence; needs --format json.")
@click.option(
    "--format", "form", default="text", show_default=True, type=click.Choice(FORMATS), help="Format of the result."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to a file.")
def talk(
    source: str | None,
    microphone: bool,
    device: str | None,
    typing: bool,
    address: str | None,
    session: uuid.UUID | None,
    language: str,
    vocabulary: tuple[str, ...],
    flow: str,
    facts: dict[str, str],
    time_zone: str | None,
    reply: bool,
    fast: bool,
    end_silence: float | None,
    max_utterance: float | None,
    give_up: float,
    words: bool,
    form: str,
    output: Path | None,
) -> None:
    """Send speech or typed lines to a server and show the redacted text as it comes; reconnects by itself.

    FILE is in any format that a phone records. "-" reads 16-bit mono PCM at 16 kHz from standard input. --microphone or
    --device records until Ctrl-C; speech before it is still recognised, unless Ctrl-C is pressed again.

    --type reads lines. After each it shows what was understood, how far the flow is, and what is asked next. The line
    "/photo meter FILE" sends a picture; "/propose" proposes a record and shows it on standard output; "/help" says the
    rest; "/quit" or the end of the input ends it.

    \b
    Examples:
      vestibule talk --type --flow incident_report --reply
      vestibule talk --type --flow site_visit --fact last_reading=4821
      printf 'The meter reads 4830\\n/propose\\n' | vestibule talk --type
      vestibule talk --microphone
      vestibule talk --device plughw:1 --reply
      vestibule talk visit.webm --format srt --output visit.srt
      vestibule talk visit.webm --format json --words
      vestibule talk --microphone --flow incident_report
      vestibule talk visit.webm --vocabulary Hexham --vocabulary "Kiosk 7"

    Progress goes to standard error, the result to standard output or --output. A terminal that shows both shows a text
    once. When no speech was understood the result has no line, standard error says NO_SPEECH, and the exit code is 1.
    """
    from server.cli.talk.client import TalkOptions

    if not re.fullmatch("([a-z]{2})?", language):
        raise InvalidInput("The language is not an ISO 639-1 code in small letters.", reason=Reason.UNKNOWN_LANGUAGE)
    opening = Opening(vocabulary, flow, facts, time_zone)
    if session:
        opening.check_new()
    if words and form != "json":
        raise click.UsageError("--words goes with --format json.")
    server = endpoint(address)
    options = TalkOptions(
        str(session or ""), language, reply, end_silence, max_utterance, give_up, words, guided=typing or bool(flow)
    )
    screen = Screen(sys.stderr.isatty(), words=words)
    if typing:
        spoken = (source, microphone, device, fast, end_silence, max_utterance, output, form != "text")
        if any(each not in (None, False) for each in spoken):
            raise click.UsageError("--type takes no recording, no microphone, and no option of speech or transcripts.")
        with translated(server.target, server.tls):
            asyncio.run(_type(server, options, screen, opening))
        return
    if output is not None:
        check_can_write(output, "--output")
    # fails before a session is opened
    sound = open_source(source, device, microphone=microphone or device is not None, fast=fast)
    with translated(server.target, server.tls):
        asyncio.run(_talk(server, options, sound, screen, fast=fast, opening=opening))
    if form != "text" or output is not None or not _both_on_a_terminal():  # there, the finals are on the screen already
        _deliver(written(screen.lines, form), output)
    if not isinstance(sound, bytes | None) and sound.failure:
        raise sound.failure
    if not screen.lines:
        raise Failure.of(NoSpeech("No speech was understood."))


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


async def _type(server: Endpoint, options: TalkOptions, screen: Screen, opening: Opening) -> None:
    from server.cli.talk.client import KEEPALIVE
    from server.cli.talk.typed import TypedTalk, standard_input

    async with open_aio_channel(server.target, KEEPALIVE, tls=server.tls) as channel:
        if not options.session_id:
            session = await opened(channel, opening, options.language)
            options = replace(options, session_id=session.id)
        await TypedTalk(channel, server, options, screen, terminal=sys.stdin.isatty()).run(standard_input())


async def _talk(
    server: Endpoint,
    options: TalkOptions,
    sound: bytes | Microphone | None,
    screen: Screen,
    *,
    fast: bool,
    opening: Opening | None = None,
) -> None:
    from server.cli.talk.client import KEEPALIVE, Audio, Talker

    audio = Audio()
    async with open_aio_channel(server.target, KEEPALIVE, tls=server.tls) as channel:
        if not options.session_id:
            session = await opened(channel, opening or Opening(), options.language)
            options = replace(options, session_id=session.id)
            if options.guided:
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
