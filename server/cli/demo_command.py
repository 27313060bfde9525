"""`vestibule demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from server.cli.demo.planted import VISITS


@click.command(short_help="Run the main job with real models, prove that nothing leaked, and stop.")
@click.option("--keep", is_flag=True, help="Leave the server running at the end.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the redacted pictures.",
)
@click.option(
    "--visit",
    type=click.Choice(list(VISITS)),
    default="quiet",
    show_default=True,
    help="Who speaks: three voices in a quiet room, or three others each in the noise of a street or of a crowd.",
)
def demo(keep: bool, output: Path, visit: str) -> None:
    """Run the main job: from speech and two photographs to an approved record.

    Starts a server with its Ray workers in a temporary folder and, unless VESTIBULE_LLM_BASE_URL is set, a scripted
    stand-in for the remote LLM. An app talks to the server over gRPC, and an analyst reads the live database. The
    proof at the end shows what was heard for each name, number and address that was spoken or photographed and what
    stands in its place, and searches everything that the run wrote or sent for them. Exits with 1 when a step fails or
    a value leaked.

    Needs a checkout of the repository, with the clips and pictures in tests/data.
    """
    from server.cli.config import load_settings
    from server.cli.demo.runner import run_demo
    from server.cli.output import check_can_fill
    from server.cli.weights import ensure_weights, needed_weights

    check_can_fill(output, "--output")
    settings = load_settings()
    ensure_weights(needed_weights(settings), settings.weights_dir)
    sys.exit(run_demo(settings, keep=keep, output=output, visit=visit))
