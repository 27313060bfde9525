"""`vestibule demo`."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command(short_help="Play the main job on real models, then stop everything again.")
@click.option("--keep", is_flag=True, help="Leave the server running at the end.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    help="Where the redacted pictures go.",
)
def demo(keep: bool, output: Path) -> None:
    """Play the main job: from a voice and two photographs to an approved record.

    Starts a server with its Ray workers in a folder of its own and, unless VESTIBULE_LLM_BASE_URL is set, a scripted
    stand-in for the remote LLM. An app then talks to it over gRPC, an analyst reads the funnel live, and at the end
    the names and numbers that were spoken and photographed are looked for everywhere they must not be. Exits with 1
    when anything went wrong or was found.

    Needs a checkout of the repository: the clip and the pictures lie in tests/data.
    """
    from server.cli.config import load_settings
    from server.cli.demo.play import play
    from server.cli.output import check_can_fill
    from server.cli.weights import ensure_weights, needed_weights

    check_can_fill(output, "--output")
    settings = load_settings()
    ensure_weights(needed_weights(settings), settings.weights_dir)
    sys.exit(play(settings, keep=keep, output=output))
