"""`vestibule console`."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import click

from server.cli.config import load_settings
from server.cli.credentials import configured_credential
from server.cli.output import Failure

if TYPE_CHECKING:
    from server.console.running import RunningConsole

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
    Unless the settings say otherwise, the console listens on this machine only. From elsewhere, forward its port with
    SSH, and enter a key.

    \b
    Examples:
      vestibule console
      ssh -L 8090:127.0.0.1:8090 server.example
    """
    from server.console.running import running_console

    folder = state_dir or load_settings().state_dir
    running = running_console(folder)
    if running is None:
        raise Failure(
            "No server with a console runs on this state folder.",
            hint="Start one with `vestibule serve`, or give its folder with --state-dir. VESTIBULE_CONSOLE__ENABLED "
            "must not be false.",
        )
    place = urlsplit(running.url)
    credential = configured_credential(f"{place.hostname}:{place.port}", folder)  # the generated key is for loopback
    if not credential:
        raise Failure("There is no key to log in with.", hint="Set VESTIBULE_API_KEY to a key of the server.")
    click.echo(f"{running.url}/login?ticket={quote(_ticket(running, credential))}")


def _ticket(running: RunningConsole, credential: str) -> str:
    connection = _connected(running)
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


def _connected(running: RunningConsole) -> http.client.HTTPConnection:
    """A connection to the console, to which the key may be sent.

    With TLS the certificate must be the very one that the server told in its state folder, whoever issued it.
    """
    place = urlsplit(running.address).netloc
    if not running.fingerprint:
        return http.client.HTTPConnection(place, timeout=TIMEOUT_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is compared below
    connection = http.client.HTTPSConnection(place, timeout=TIMEOUT_S, context=context)
    try:
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
    except (OSError, ValueError):
        raise Failure("The console did not answer.", hint="Look at the log of the server.") from None
    if hashlib.sha256(shown or b"").hexdigest() != running.fingerprint:
        connection.close()
        raise Failure("Another program answered in place of the console.", hint="Try again, or restart the server.")
    return connection
