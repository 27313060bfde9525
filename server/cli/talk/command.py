"""`vestibule talk`."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any

import click

from models.errors import InvalidInput
from models.reasons import Reason
from server.cli.remote import address_option, endpoint
from server.cli.talk.opening import Opening, facts_of
from server.cli.talk.spoken import SpeechOptions, talk_spoken
from server.cli.talk.transcript_formats import FORMATS


def _language_of(_context: click.Context, _option: click.Parameter, code: str) -> str:
    """The code of a language, or nothing.

    Raises:
        InvalidInput: UNKNOWN_LANGUAGE.
    """
    if not re.fullmatch("([a-z]{2})?", code):
        raise InvalidInput("The language is not an ISO 639-1 code in small letters.", reason=Reason.UNKNOWN_LANGUAGE)
    return code


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
    "--language",
    default="",
    callback=_language_of,
    metavar="CODE",
    help="ISO 639-1 code. Default: that of the session, or detected.",
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
    typing: bool,
    address: str | None,
    session: uuid.UUID | None,
    language: str,
    vocabulary: tuple[str, ...],
    flow: str,
    facts: dict[str, str],
    time_zone: str | None,
    reply: bool,
    give_up: float,
    **spoken: Any,
) -> None:
    """Send speech or typed lines to a server and show the redacted text as it comes; reconnects by itself.

    FILE is in any format that a phone records. "-" reads 16-bit mono PCM at 16 kHz from standard input. --microphone or
    --device records until Ctrl-C; speech before it is still recognised, unless Ctrl-C is pressed again.
    While a FILE is sent, Ctrl-C ends the command with exit code 1; what was final until then is delivered.

    It shows the question that is open, and after each answer what was understood, how far the flow is, and what is
    asked next. What is said answers the question that was shown when it began. A recording does not wait for the next
    question: send each answer in one of its own, with --session.

    --type reads lines. Lines that begin with / are commands:

    \b
      /skip             go on without an answer, where the flow allows it
      /photo KIND FILE  send a picture, such as /photo meter FILE
      /propose          propose a record, and show it on standard output
      /help             say more about these commands
      /quit             end; so does the end of the input

    \b
    Examples:
      vestibule talk --type --flow incident_report --reply
      vestibule talk --type --flow site_visit --fact last_reading=4821
      printf 'The meter reads 4830\\n/propose\\n' | vestibule talk --type
      vestibule talk --microphone
      vestibule talk --device plughw:1 --reply
      vestibule talk visit.webm --format srt --output visit.srt
      vestibule talk visit.webm --format json --words
      vestibule talk answer.webm --session 0b6f6d4e-3a43-4f6c-9b52-5f0f7f6f2c11
      vestibule talk --microphone --flow incident_report
      vestibule talk visit.webm --vocabulary Hexham --vocabulary "Kiosk 7"

    Progress goes to standard error, the result to standard output or --output. A terminal that shows both shows a text
    once. When no speech was understood the result has no line, standard error says NO_SPEECH, and the exit code is 1.
    """
    from server.cli.talk.client import TalkOptions

    speech = SpeechOptions(**spoken)
    opening = Opening(vocabulary, flow, facts, time_zone)
    if session:
        opening.check_new()
    speech.check(typing=typing)
    server = endpoint(address)
    options = TalkOptions(
        session_id=str(session or ""),
        language=language,
        reply=reply,
        end_silence_s=speech.end_silence,
        max_utterance_s=speech.max_utterance,
        give_up_s=give_up,
        word_times=speech.words,
    )
    if not typing:
        talk_spoken(server, options, speech, opening)
        return
    from server.cli.talk.typed import talk_typed

    talk_typed(server, options, opening)
