"""`vestibule keys`."""

from __future__ import annotations

import click

from server.cli.dev_certificate import dev_certificate


@click.group(short_help="Make the certificate of a server for development.")
def keys() -> None:
    """Certificates with which the server shows who it is.

    \b
    Examples:
      vestibule keys dev-certificate
    """


keys.add_command(dev_certificate)
