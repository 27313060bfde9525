"""`vestibule mirror`."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import click

from server.cli.server_settings import process_options, server_overrides, settings_of_process


@click.command(short_help="Keep a mirror of the ledger in PostgreSQL, for analysts.")
@partial(process_options, data_dir="The mirror.", state_dir="Tokens, and copies for analysts.")
def mirror(**options: Any) -> None:
    """Keep a copy of the ledger in PostgreSQL on this machine, and serve it to analysts, until SIGTERM or Ctrl-C.

    It needs VESTIBULE_LEDGER__URL, but no server on this machine. It prints one line when analysts can attach. They see
    what was committed until a second or two ago. Erasures wait for it while it runs. Its folders are its own, and can
    be deleted while it does not run: the next start copies everything.

    \b
    Examples:
      vestibule mirror
      vestibule mirror --data-dir ./mirror --state-dir ./mirror-state --set quack.port=9495 --set metrics_port=0
      vestibule sql "SELECT * FROM v_funnel" --port 9495 --state-dir ./mirror-state
    """
    settings = settings_of_process(server_overrides(**options))

    from server.mirror_app import run

    sys.exit(run(settings))
