"""`vestibule redact`, `transcribe` and `read`: they run the local models in this process, without server or Ray."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click
from click.core import ParameterSource

from server.cli.offline_input import PICTURE_KINDS
from server.cli.offline_run import (
    LINES_COME_FROM_STDIN,
    OFFLINE_SESSION,
    as_json_line,
    check_files,
    local_redactor,
    run,
    scoped_redactor,
    settings_with,
    text_given,
    warn_without_policy,
    with_headings,
)
from server.cli.output import show_json
from server.cli.redact_ledger import redact_stored_texts
from server.cli.weights import REDACTION_WEIGHTS
from server.validators import MOST_THREADS

if TYPE_CHECKING:
    from models.speech.types import SpeechEngine
    from models.speech.whisper.chunked_engine import ChunkedEngine

FOLDER = click.Path(file_okay=False, path_type=Path)

jsonl_option = click.option("--jsonl", is_flag=True, help="One JSON object a line on stdin, one on stdout, in order.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")
unredacted_option = click.option(
    "--unredacted", is_flag=True, help="Print the text before redaction. For evaluation on your own machine."
)


@click.command(short_help="Replace personal data in a text by tags.")
@click.argument("text", required=False)
@jsonl_option
@json_option
@click.option(
    "--source",
    default="typed",
    show_default=True,
    type=click.Choice(["typed", "speech", "ocr", "assistant"]),
    help="Where TEXT comes from; speech and print have rules of their own.",
)
@click.option("--lang", default="en", show_default=True, help="ISO 639-1 code of the language of TEXT; see above.")
@click.option("--why", is_flag=True, help="Also show why each entity was replaced, and which ones were found and kept.")
@click.option("--client", default="", help="Use the policy of this client in VESTIBULE_REDACTION__POLICY_FILE.")
@click.option(
    "--threads",
    default=1,
    show_default=True,
    type=click.IntRange(1, MOST_THREADS),
    help="Threads of the name classifier.",
)
@click.option("--ledger", is_flag=True, help="Redact the texts that are stored in the ledger again; see above.")
@click.option("--dry-run", is_flag=True, help="With --ledger: only count what would change.")
@click.option("--data-dir", type=FOLDER, help="With --ledger: the folder of the ledger. Default: the setting.")
@click.option("--state-dir", type=FOLDER, help="With --ledger: the folder of the workers' key. Default: the setting.")
def redact(
    text: str | None,
    jsonl: bool,
    as_json: bool,
    source: str,
    lang: str,
    why: bool,
    client: str,
    threads: int,
    ledger: bool,
    dry_run: bool,
    data_dir: Path | None,
    state_dir: Path | None,
) -> None:
    """Replace names, numbers, addresses and other personal data in TEXT by tags; `-` reads it from standard input.

    With --jsonl, in: {"id", "text", "source": "typed"|"speech"|"ocr", "lang"?}; out: {"id", "text", "entities":
    [{"type", "start", "end", "score"}]}, with offsets in code points of the input. A text that was recognised may come
    with "words": [{"start", "end", "confidence"}], "alternatives": [text] and "confidence", all from 0 to 1, as
    `transcribe --jsonl --unredacted` writes them; what recognition doubts beside something personal is redacted too.

    With --ledger, what was stored before a rule or a policy changed is redacted again with today's. This only adds
    tags. The server must not run. It may be interrupted and repeated. --dry-run says how many texts would change.

    Numbers in words are understood in en, es, fr, de, hi, pt and it. Texts in other languages are treated as English:
    names and numbers in digits are found, numbers in words are not.

    \b
    Examples:
      vestibule redact "I am Maria Lopez, call me on 415-555-0132"
      vestibule redact --source speech "my number is four one five five five five oh one three two"
      vestibule redact --why "SSN 536-22-1234, reading 04821.7 m3"
      echo "I am Maria Lopez" | vestibule redact -
      vestibule redact --jsonl < texts.jsonl
      vestibule redact --ledger --dry-run
    """
    if ledger:
        if text is not None or jsonl or why or client or _given("source") or _given("lang"):
            raise click.UsageError("With --ledger leave out TEXT, --jsonl, --why, --client, --source and --lang.")
        redact_stored_texts(data_dir, state_dir, threads, dry_run=dry_run, as_json=as_json)
        return
    if dry_run or data_dir or state_dir:
        raise click.UsageError("--dry-run, --data-dir and --state-dir go with --ledger.")
    if jsonl and text is not None:
        raise click.UsageError(f"With --jsonl {LINES_COME_FROM_STDIN}; leave TEXT out.")
    if not jsonl and text is None:
        raise click.UsageError("Give TEXT, - for standard input, or --jsonl.")
    given = [] if jsonl else [{"id": "text", "text": text_given(text), "source": source, "lang": lang}]
    settings = settings_with([*REDACTION_WEIGHTS])
    if client:
        warn_without_policy(client, settings.redaction.policy_file)
    redactor = local_redactor(settings, threads)

    from models.redaction.explain import explain
    from models.redaction.types import RedactionScope
    from server.cli.offline_redact import explanation_for_a_person, redact_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        reasons = partial(explain, redactor) if why else None
        redact_lines(lines, out, redactor, reasons, RedactionScope(client, OFFLINE_SESSION))

    def shown(row: dict[str, Any]) -> str:
        return explanation_for_a_person(row) if why else str(row["text"])

    run(answer, given, jsonl=jsonl, show=as_json_line if as_json else shown)


def _given(option: str) -> bool:
    """Whether an option of the command was given, and is not its default."""
    return click.get_current_context().get_parameter_source(option) is not ParameterSource.DEFAULT


@click.command(short_help="Write down what is said in recordings.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@jsonl_option
@json_option
@unredacted_option
@click.option("--lang", help="ISO 639-1 code of the language. Default: detected.")
@click.option("--engine", type=click.Choice(["ctranslate2", "openai-whisper"]), help="Default: the setting.")
@click.option("--threads", type=click.IntRange(1, MOST_THREADS), help="Threads of the engine. Default: the setting.")
@click.option("--languages", is_flag=True, help="Print the codes of the languages that the model knows, and exit.")
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
    """Write down what is said in FILES, in any format that a phone records; redacted unless --unredacted.

    With --jsonl, in: {"id", "audio": path, "lang"?}; out: {"id", "text", "segments", "audio_s", "compute_s"}. With
    --unredacted also "words", "alternatives" and "confidence", which `redact --jsonl` takes.

    \b
    Examples:
      vestibule transcribe visit.m4a
      vestibule transcribe --json *.wav
      vestibule transcribe --jsonl --unredacted < clips.jsonl
    """
    if not languages:
        check_files(files, jsonl)
    given = [{"id": str(f), "audio": str(f), **({"lang": lang} if lang else {})} for f in files]
    settings = settings_with(None)
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
    redactor = None if unredacted else scoped_redactor(settings)

    from server.cli.offline_transcribe import transcribe_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        transcribe_lines(lines, out, built, redactor)

    run(
        answer, given, jsonl=jsonl, show=as_json_line if as_json else with_headings(files, lambda row: str(row["text"]))
    )


@click.command(short_help="Read the print in pictures.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@jsonl_option
@json_option
@unredacted_option
@click.option(
    "--kind", type=click.Choice(PICTURE_KINDS), help="What the pictures show; the numbers of a meter are kept."
)
def read(files: tuple[Path, ...], jsonl: bool, as_json: bool, unredacted: bool, kind: str | None) -> None:
    """Read the print in FILES; redacted unless --unredacted.

    With --jsonl, in: {"id", "image": path, "kind"?}; out: {"id", "lines": [{"text", "box", "score"}], "compute_s"}. A
    line without a kind takes that of --kind.

    \b
    Examples:
      vestibule read register.jpg
      vestibule read --kind meter meter.jpg
      vestibule read --jsonl --unredacted < pictures.jsonl
    """
    check_files(files, jsonl)
    given = [{"id": str(f), "image": str(f)} for f in files]
    settings = settings_with([] if unredacted else [*REDACTION_WEIGHTS])
    from models.vision.ocr import OcrOptions, RapidOcrEngine

    cuda = {"auto": None, "cpu": False, "cuda": True}[settings.vision.device]
    engine = RapidOcrEngine(OcrOptions(threads=settings.vision.threads, cuda=cuda))
    redactor = None if unredacted else scoped_redactor(settings)

    from server.cli.offline_read import read_lines

    def answer(lines: Iterable[str], out: TextIO) -> None:
        read_lines(lines, out, engine, redactor, kind=kind or "")

    def shown(row: dict[str, Any]) -> str:
        return "\n".join(str(line["text"]) for line in row["lines"])

    run(answer, given, jsonl=jsonl, show=as_json_line if as_json else with_headings(files, shown))


def _show_languages(engine: SpeechEngine, as_json: bool) -> None:
    codes = sorted(cast("ChunkedEngine", engine).languages)  # both engines are
    if as_json:
        show_json(codes)
    else:
        click.echo("\n".join(codes))
