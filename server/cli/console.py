"""`vestibule console`."""

from __future__ import annotations

import http.client
import json
import webbrowser
from pathlib import Path
from urllib.parse import quote

import click

from server.cli.config import load_settings
from server.cli.credentials import configured_credential
from server.cli.output import Failure

LOOPBACK = "127.0.0.1"
TIMEOUT_S = 15.0


@click.command(short_help="Print a link that opens the web console.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the console; the setting if it is not given.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The server's state folder with its key; the setting if it is not given.",
)
@click.option("--open", "opens", is_flag=True, help="Open the link in a browser.")
def console(port: int | None, state_dir: Path | None, opens: bool) -> None:
    """Print a link that opens the web console, logged in.

    The link works once, and for a minute. It logs in with VESTIBULE_API_KEY, or with the key that the server generated
    on this machine. The console listens on this machine only; from elsewhere, forward its port with SSH.

    \b
    Examples:
      vestibule console
      vestibule console --open
      ssh -L 8090:127.0.0.1:8090 server.example
    """
    port = port or load_settings().console.port
    credential = configured_credential(f"{LOOPBACK}:{port}", state_dir)
    if not credential:
        raise Failure(
            "There is no key to log in with.",
            hint="Set VESTIBULE_API_KEY to a key, or VESTIBULE_STATE_DIR to the server's state folder.",
        )
    link = f"http://{LOOPBACK}:{port}/login?ticket={quote(_ticket(port, credential))}"
    click.echo(link)
    if opens:
        webbrowser.open(link)


def _ticket(port: int, credential: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/tickets", headers={"Authorization": f"Bearer {credential}"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status == http.client.OK:
            return str(content["ticket"])
        raise Failure(content["message"], reason=content["reason"], hint=content["hint"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        raise Failure(
            f"No console answers on port {port} of this machine.",
            hint="Start the server with `vestibule serve`, or give its port with --port. "
            "VESTIBULE_CONSOLE__ENABLED=false turns the console off.",
        ) from None
    finally:
        connection.close()
