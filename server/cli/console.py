"""`vestibule console`."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from urllib.parse import quote, urlsplit

import click

from server.cli.config import load_settings
from server.cli.credentials import configured_credential
from server.cli.output import Failure

TIMEOUT_S = 15.0


@click.command(short_help="Print a link that opens the web console.")
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The state folder of the server that runs; the setting if it is not given.",
)
def console(state_dir: Path | None) -> None:
    """Print a link that opens the web console of the server on this machine, logged in.

    The link works once, and for a minute. It logs in with VESTIBULE_API_KEY, or with the key that the server generated.
    The console listens on this machine only. From elsewhere, forward its port with SSH, and enter a key.

    \b
    Examples:
      vestibule console
      ssh -L 8090:127.0.0.1:8090 server.example
    """
    from server.console.http import address_of_running_console

    folder = state_dir or load_settings().state_dir
    address = address_of_running_console(folder)
    if not address:
        raise Failure(
            "No server with a console runs on this state folder.",
            hint="Start one with `vestibule serve`, or give its folder with --state-dir. VESTIBULE_CONSOLE__ENABLED "
            "must not be false.",
        )
    credential = configured_credential(urlsplit(address).netloc, folder)
    if not credential:
        raise Failure("There is no key to log in with.", hint="Set VESTIBULE_API_KEY to a key of the server.")
    click.echo(f"{address}/login?ticket={quote(_ticket(urlsplit(address).netloc, credential))}")


def _ticket(place: str, credential: str) -> str:
    connection = http.client.HTTPConnection(place, timeout=TIMEOUT_S)
    try:
        connection.request("POST", "/tickets", headers={"Authorization": f"Bearer {credential}"})
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status == http.client.OK:
            return str(content["ticket"])
        raise Failure(content["message"], reason=content["reason"], hint=content["hint"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        raise Failure("The console did not answer.", hint="Look at the log of the server.") from None
    finally:
        connection.close()
