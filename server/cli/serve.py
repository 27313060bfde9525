"""`vestibule serve`."""

from __future__ import annotations

import sys
from typing import Any

import click

from server.cli.server_settings import server_options, server_overrides, settings_of_process


@click.command(short_help="Run the server until SIGTERM or Ctrl-C.")
@server_options
def serve(**options: Any) -> None:
    """Run the server: gRPC, the Ray workers, the ledger and the endpoint for analysts.

    It prints one line when it is ready. SIGTERM or Ctrl-C ends it: calls in hand may finish, accepted work is kept and
    goes on at the next start. Options win over VESTIBULE_... variables. Missing model weights are fetched first.

    \b
    Examples:
      vestibule serve
      vestibule serve --address 127.0.0.1:6000 --data-dir ./data --state-dir ./state
      vestibule serve --set speech.engine=openai-whisper --set limits.upload_bytes=5000000
      VESTIBULE_LLM_BASE_URL=https://llm.example.com/v1 VESTIBULE_LLM_API_KEY=... vestibule serve
    """
    from server.cli.weights import ensure_weights, needed_weights

    settings = settings_of_process(server_overrides(**options))

    from server.app import run

    sys.exit(run(settings, lambda: ensure_weights(needed_weights(settings), settings.weights_dir)))
