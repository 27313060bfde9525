"""`vestibule redact`, `transcribe` and `read`: the local models in this process, no server and no Ray."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from models.errors import InvalidInput
from models.reasons import Reason
from server.cli.offline_input import PICTURE_KINDS
from server.cli.output import FAILED, Failure, show_json
from server.cli.weights import REDACTION_WEIGHTS
from server.validators import MOST_THREADS

if TYPE_CHECKING:
    from models.redaction.redactor import LocalRedactor
    from models.speech.types import SpeechEngine
    from models.speech.whisper.chunked_engine import ChunkedEngine
    from server.settings import Settings

Lines = Callable[[Iterable[str], TextIO], None]
"""Answers every line of the first on the second, in order."""

UTF8_HINT = "Convert it first: iconv -f ISO-8859-1 -t UTF-8 reads what Latin-1 programs write."

LINES_COME_FROM_STDIN = "one JSON object a line comes from standard input"

OFFLINE_SESSION = "offline"
"""One run of a command is one session: hashed tags agree within it, under a key that ends with it."""

jsonl_option = click.option("--jsonl", is_flag=True, help="One JSON object a line on stdin, one on stdout, in order.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
unredacted_option = click.option(
    "--unredacted", is_flag=True, help="Print what was really said or written. For evaluation on your own machine."
)


@click.command(short_help="Replace what is personal in a text.")
@click.argument("text", required=False)
@jsonl_option
@json_option
@click.option(
    "--source",
    default="typed",
    show_default=True,
    type=click.Choice(["typed", "speech", "ocr", "assistant"]),
    help="Where TEXT comes from; speech and print are read differently.",
)
@click.option("--lang", default="en", show_default=True, help="ISO 639-1 code of TEXT; see above.")
@click.option("--why", is_flag=True, help="Also say what spoke for each entity, and what was seen and left.")
@click.option("--client", default="", help="Use the policy of this client; VESTIBULE_REDACTION__POLICY_FILE has it.")
@click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(1, MOST_THREADS), help="Of the name classifier."
)
def redact(
    text: str | None, jsonl: bool, as_json: bool, source: str, lang: str, why: bool, client: str, threads: int
) -> None:
    """Replace names, numbers, addresses and the like in TEXT by tags; `-` reads it from standard input.

    With --jsonl, in: {"id", "text", "source": "typed"|"speech"|"ocr", "lang"?}; out: {"id", "text", "entities":
    [{"type", "start", "end", "score"}]}, with offsets in code points of the input.

    The language says how numbers are spelt out: en, es, fr, de, hi, pt and it are known. A text in any other is read
    as English is, which finds names and written numbers, but no number in that language's words.

    \b
    Examples:
      vestibule redact "I am Maria Lopez, call me on 415-555-0132"
      vestibule redact --source speech "my number is four one five five five five oh one three two"
      vestibule redact --why "SSN 536-22-1234, reading 04821.7 m3"
      echo "I am Maria Lopez" | vestibule redact -
      vestibule redact --jsonl < texts.jsonl
    """
    if jsonl and text is not None:
        raise click.UsageError(f"With --jsonl {LINES_COME_FROM_STDIN}; leave TEXT out.")
    if not jsonl and text is None:
        raise click.UsageError("Give a TEXT, or - for standard input, or say --jsonl.")
    given = [] if jsonl else [{"id": "text", "text": _text_of(text), "source": source, "lang": lang}]
    settings = _settings_with([*REDACTION_WEIGHTS])
    if client:
        _say_whose_policy(client, settings.redaction.policy_file)
    redactor = _redactor(settings, threads)

    from models.redaction.explain import explain
    from models.redaction.types import RedactionScope
    from server.cli.offline_redact import explanation_for_a_person, redact_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        reasons = partial(explain, redactor) if why else None
        redact_lines(lines, out, redactor, reasons, RedactionScope(client, OFFLINE_SESSION))

    def shown(row: dict[str, Any]) -> str:
        return explanation_for_a_person(row) if why else str(row["text"])

    _run(answer, given, jsonl=jsonl, show=_as_is if as_json else shown)


@click.command(short_help="Write down what is said in recordings.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@jsonl_option
@json_option
@unredacted_option
@click.option("--lang", help="ISO 639-1 code; detected when left out.")
@click.option("--engine", type=click.Choice(["ctranslate2", "openai-whisper"]), help="Default: the setting.")
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="Of the engine. Default: the setting.")
@click.option("--languages", is_flag=True, help="Print the codes of the languages that the model knows, and end.")
def transcribe(
    files: tuple[Path, ...],
    jsonl: bool,
    as_json: bool,
    unredacted: bool,
    lang: str | None,
    engine: str | None,
    threads: int | None,
    languages: bool,
) -> None:
    """Write down what is said in FILES, whatever a phone records; redacted unless --unredacted.

    With --jsonl, in: {"id", "audio": path, "lang"?}; out: {"id", "text", "segments", "audio_s", "compute_s"}.

    \b
    Examples:
      vestibule transcribe visit.m4a
      vestibule transcribe --json *.wav
      vestibule transcribe --jsonl --unredacted < clips.jsonl
    """
    if not languages:
        _check_files(files, jsonl)
    given = [{"id": str(f), "audio": str(f), **({"lang": lang} if lang else {})} for f in files]
    settings = _settings_with(None)
    from models.speech.engines import build_engine

    built = build_engine(
        engine or settings.speech.engine,
        settings.weights_dir,
        settings.speech.device,
        threads or settings.speech.threads,
        settings.speech.weights,
        settings.speech.at_once,
    )
    if languages:
        _show_languages(built, as_json)
        return
    redactor = None if unredacted else _redactor(settings, settings.redaction.threads)

    from server.cli.offline_transcribe import transcribe_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        transcribe_lines(lines, out, built, redactor)

    _run(answer, given, jsonl=jsonl, show=_as_is if as_json else _headed(files, lambda row: str(row["text"])))


@click.command(short_help="Read the print in pictures.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@jsonl_option
@json_option
@unredacted_option
@click.option("--kind", type=click.Choice(PICTURE_KINDS), help="What the pictures show; of a meter its numbers stay.")
def read(files: tuple[Path, ...], jsonl: bool, as_json: bool, unredacted: bool, kind: str | None) -> None:
    """Read the print in FILES; redacted unless --unredacted.

    With --jsonl, in: {"id", "image": path, "kind"?}; out: {"id", "lines": [{"text", "box", "score"}], "compute_s"}. A
    line without a kind has that of --kind.

    \b
    Examples:
      vestibule read register.jpg
      vestibule read --kind meter meter.jpg
      vestibule read --jsonl --unredacted < pictures.jsonl
    """
    _check_files(files, jsonl)
    given = [{"id": str(f), "image": str(f)} for f in files]
    settings = _settings_with([] if unredacted else [*REDACTION_WEIGHTS])
    from models.vision.ocr import OcrOptions, RapidOcrEngine

    cuda = {"auto": None, "cpu": False, "cuda": True}[settings.vision.device]
    engine = RapidOcrEngine(OcrOptions(threads=settings.vision.threads, cuda=cuda))
    redactor = None if unredacted else _redactor(settings, settings.redaction.threads)

    from server.cli.offline_read import read_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        read_lines(lines, out, engine, redactor, kind=kind or "")

    def shown(row: dict[str, Any]) -> str:
        return "\n".join(str(line["text"]) for line in row["lines"])

    _run(answer, given, jsonl=jsonl, show=_as_is if as_json else _headed(files, shown))


def _show_languages(engine: SpeechEngine, as_json: bool) -> None:
    codes = sorted(cast("ChunkedEngine", engine).languages)  # both engines are
    if as_json:
        show_json(codes)
    else:
        click.echo("\n".join(codes))


def _check_files(files: tuple[Path, ...], jsonl: bool) -> None:
    if jsonl and files:
        raise click.UsageError(f"With --jsonl {LINES_COME_FROM_STDIN}; leave FILES out.")
    if not jsonl and not files:
        raise click.UsageError("Name FILES, or say --jsonl.")


def _text_of(text: str | None) -> str:
    """The text that was given, or standard input.

    Raises:
        InvalidInput: BAD_INPUT_STREAM, INVALID_INPUT: its bytes are no UTF-8.
    """
    if text == "-":
        try:
            return sys.stdin.buffer.read().decode("utf-8")
        except UnicodeDecodeError as broken:
            raise _no_utf8() from broken
    try:
        (text or "").encode("utf-8")  # Python carries bytes of an argument that are no UTF-8 as lone surrogates
    except UnicodeEncodeError as broken:
        raise InvalidInput("TEXT must be UTF-8.", hint=UTF8_HINT) from broken
    return text or ""


def _no_utf8() -> InvalidInput:
    return InvalidInput("Standard input must be UTF-8 text.", reason=Reason.BAD_INPUT_STREAM, hint=UTF8_HINT)


def _say_whose_policy(client: str, file: Path | None) -> None:
    """Who misspells a client gets the default; that must not look like the client's own rules."""
    from models.redaction.policy.loader import load_policies

    if client not in load_policies(file).clients:
        why = f"{file} has no client '{client}'" if file else "VESTIBULE_REDACTION__POLICY_FILE names no file"
        click.echo(f"Note: {why}; the default policy applies.", err=True)


def _settings_with(names: list[str] | None) -> Settings:
    """The settings, with these weights in the cache; None means all that the server needs."""
    from server.cli.config import load_settings
    from server.cli.weights import ensure_weights, needed_weights
    from server.settings import prepare_process

    prepare_process()
    settings = load_settings()
    ensure_weights(needed_weights(settings) if names is None else names, settings.weights_dir)
    return settings


def _redactor(settings: Settings, threads: int) -> LocalRedactor:
    from models.redaction.policy.loader import load_policies
    from models.redaction.redactor import build_redactor

    wanted = settings.redaction
    policies = load_policies(wanted.policy_file)
    return build_redactor(settings.weights_dir, threads, policies, engine=wanted.engine, device=wanted.device)


def _run(answer: Lines, given: list[dict[str, Any]], *, jsonl: bool, show: Callable[[dict[str, Any]], str]) -> None:
    """Answer stdin line by line, or the given requests shown for a person.

    With --jsonl a failed line is an answer like another; for a person it goes to stderr, and the exit code is 1.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Half a surrogate pair in an id is written as the JSON escape that it was, and ends nothing.
        sys.stdout.reconfigure(errors="backslashreplace")
    if jsonl:
        try:
            answer(io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"), sys.stdout)
        except UnicodeDecodeError as broken:
            raise _no_utf8() from broken
        return
    failed = False
    for request in given:
        answered = io.StringIO()
        answer([json.dumps(request)], answered)
        row = json.loads(answered.getvalue())
        if "error" in row:
            failed = True
            told = row["error"]
            Failure(f"{request['id']}: {told['message']}", reason=told["reason"], hint=told["hint"]).show()
        else:
            click.echo(show(row))
    if failed:
        raise click.exceptions.Exit(FAILED)


def _as_is(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def _headed(files: tuple[Path, ...], show: Callable[[dict[str, Any]], str]) -> Callable[[dict[str, Any]], str]:
    """Several files get a heading each, as `head` does."""
    return show if len(files) == 1 else lambda row: f"==> {row['id']} <==\n{show(row)}"
