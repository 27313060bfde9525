"""`vestibule transcribe` and `read`: they run the local models in this process, without server or Ray."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from server.cli.offline_input import PICTURE_KINDS, LineCounts
from server.cli.offline_run import (
    as_json_line,
    check_files,
    json_option,
    jsonl_option,
    readable,
    run,
    scoped_redactor,
    settings_with,
    with_headings,
)
from server.cli.output import show_json
from server.cli.weights import REDACTION_WEIGHTS
from server.validators import MOST_THREADS

if TYPE_CHECKING:
    from models.speech.types import SpeechEngine
    from models.speech.whisper.chunked_engine import ChunkedEngine

unredacted_option = click.option(
    "--unredacted", is_flag=True, help="Print the text before redaction. For evaluation on your own machine."
)


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
    found = readable(files)
    given = [{"id": str(f), "audio": str(f), **({"lang": lang} if lang else {})} for f in found]
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

    def answer(lines: Iterable[str], out: TextIO) -> LineCounts:
        return transcribe_lines(lines, out, built, redactor)

    show = as_json_line if as_json else with_headings(files, lambda row: str(row["text"]))
    run(answer, given, jsonl=jsonl, show=show, failed=len(found) < len(files))


@click.command(short_help="Read the print in pictures and PDFs.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@jsonl_option
@json_option
@unredacted_option
@click.option(
    "--kind", type=click.Choice(PICTURE_KINDS), help="What the pictures show; the numbers of a meter are kept."
)
def read(files: tuple[Path, ...], jsonl: bool, as_json: bool, unredacted: bool, kind: str | None) -> None:
    """Read the print in FILES, pictures or PDFs of a few pages; redacted unless --unredacted.

    The files are decoded as the server decodes uploads: in processes of their own that may do nothing else.

    With --jsonl, in: {"id", "image": path, "kind"?}; out: {"id", "lines": [{"text", "box", "score"}], "compute_s"}. A
    line without a kind takes that of --kind. Lines of several pages have a "page", too.

    \b
    Examples:
      vestibule read register.jpg
      vestibule read contract.pdf photo.heic
      vestibule read --kind meter meter.jpg
      vestibule read --jsonl --unredacted < pictures.jsonl
    """
    check_files(files, jsonl)
    found = readable(files)
    given = [{"id": str(f), "image": str(f)} for f in found]
    settings = settings_with([] if unredacted else [*REDACTION_WEIGHTS])
    from models.vision.ocr import RapidOcrEngine
    from models.vision.ocr_models import OcrOptions

    cuda = {"auto": None, "cpu": False, "cuda": True}[settings.vision.device]
    engine = RapidOcrEngine(OcrOptions(threads=settings.vision.threads, cuda=cuda))
    redactor = None if unredacted else scoped_redactor(settings)

    from server.cli.offline_decoders import decoders
    from server.cli.offline_read import read_lines

    def answer(lines: Iterable[str], out: TextIO) -> LineCounts:
        with decoders(settings) as clean:
            return read_lines(lines, out, clean, engine, redactor, kind=kind or "")

    def shown(row: dict[str, Any]) -> str:
        return "\n".join(str(line["text"]) for line in row["lines"])

    show = as_json_line if as_json else with_headings(files, shown)
    run(answer, given, jsonl=jsonl, show=show, failed=len(found) < len(files))


def _show_languages(engine: SpeechEngine, as_json: bool) -> None:
    codes = sorted(cast("ChunkedEngine", engine).languages)  # both engines are
    if as_json:
        show_json(codes)
    else:
        click.echo("\n".join(codes))
