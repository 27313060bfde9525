"""`vestibule demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(short_help="Run the main job with real models, prove that nothing leaked, and stop.")
@click.option("--keep", is_flag=True, help="Leave the server running at the end.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Folder for the redacted pictures.",
)
def demo(keep: bool, output: Path) -> None:
    """Run the main job: from speech and two photographs to an approved record.

    Starts a server with its Ray workers in a temporary folder and, unless VESTIBULE_LLM_BASE_URL is set, a scripted
    stand-in for the remote LLM. An app talks to the server over gRPC, and an analyst reads the live database. The
    proof at the end shows what stands in the place of each name, number and address that was spoken or photographed,
    and searches everything that the run wrote or sent for them. Exits with 1 when a step fails or a value leaked.

    Needs a checkout of the repository, with the clips and pictures in tests/data.
    """
    from server.cli.config import load_settings
    from server.cli.demo.runner import run_demo
    from server.cli.output import check_can_fill
    from server.cli.weights import ensure_weights, needed_weights

    check_can_fill(output, "--output")
    settings = load_settings()
    ensure_weights(needed_weights(settings), settings.weights_dir)
    sys.exit(run_demo(settings, keep=keep, output=output))
