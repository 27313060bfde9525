"""`vestibule keys dev-certificate`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.output import show_fields

if TYPE_CHECKING:
    from server.tls.development import DevelopmentCertificate

FOLDER = "tls"
"""Of the files, in the state folder."""


@click.command("dev-certificate", short_help="Make a TLS certificate for a phone on the same network.")
@click.option(
    "--host",
    "hosts",
    multiple=True,
    metavar="NAME_OR_IP",
    help="What the phone connects to; can be repeated. Default: the addresses and the name of this machine.",
)
@click.option(
    "--days", type=click.IntRange(1, 824), default=90, show_default=True, help="How long the certificate is valid."
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="The server's state folder. Default: the setting.",
)
@click.option("--qr", is_flag=True, help="Show the address and the fingerprint as a QR code, for an app that reads it.")
def dev_certificate(hosts: tuple[str, ...], days: int, state_dir: Path | None, qr: bool) -> None:
    """Make a TLS certificate for development, and print how to use it.

    It replaces an older one of this command; a running server takes the new one within seconds. The CA that signs it
    signs nothing else, and its key is not kept. For a server on the internet get a certificate of a public CA instead.

    \b
    Examples:
      vestibule keys dev-certificate
      vestibule keys dev-certificate --host laptop.local --host 192.168.1.20 --days 30
    """
    from server.cli.config import load_settings
    from server.ledger.types import utc_now
    from server.runtime.folders import make_folder
    from server.tls.development import addresses_of_this_machine, make_development_certificate
    from server.validators import host_and_port

    settings = load_settings({} if state_dir is None else {"state_dir": state_dir.absolute()})
    make_folder(settings.state_dir, "VESTIBULE_STATE_DIR")
    given = hosts or tuple(addresses_of_this_machine())
    made = make_development_certificate(settings.state_dir.absolute() / FOLDER, given, days, utc_now())
    port = host_and_port(settings.address)[1] or 50051
    host = made.hosts[0]
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    show_fields(
        (
            ("valid for", ", ".join(made.hosts)),
            ("valid until", f"{made.ends:%Y-%m-%d}"),
            ("CA, for the phone", made.ca),
            ("  its SHA-256", made.ca_sha256),
            ("certificate", made.certificate),
            ("  its SHA-256", made.certificate_sha256),
            ("key, secret", made.key),
        )
    )
    click.echo("\nStart the server with it; commands on this machine reach it with the same variables:")
    click.echo(f"export {_variables(made, port, state_dir and settings.state_dir)}")
    click.echo("vestibule serve")
    click.echo("\nReach it from another machine, with a copy of ca.pem and a key with the scope app:")
    click.echo(f"VESTIBULE_API_KEY=vst_... vestibule talk visit.webm --address {target} --tls-ca ca.pem")
    if qr:
        digits = made.certificate_sha256.replace(":", "").lower()
        click.echo()
        click.echo("\n".join(_qr_code(f"vestibule://{target}?certificate-sha256={digits}")))


def _variables(made: DevelopmentCertificate, port: int, state_dir: Path | None) -> str:
    variables = {
        "ADDRESS": f"0.0.0.0:{port}",
        "TLS__CERTIFICATE": made.certificate,
        "TLS__KEY": made.key,
    }
    if state_dir is not None:
        variables["STATE_DIR"] = state_dir
    return " ".join(f"VESTIBULE_{name}={shlex.quote(str(value))}" for name, value in variables.items())


def _qr_code(text: str) -> Iterator[str]:
    """The lines of a QR code; each character holds two rows, light on a dark terminal."""
    import numpy as np
    import zxingcpp

    barcode = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode)
    light = np.asarray(barcode.to_image(scale=1, add_quiet_zones=True)) > 127
    if len(light) % 2:
        light = np.vstack([light, np.zeros_like(light[:1])])
    for upper, lower in zip(light[::2], light[1::2], strict=True):
        yield "".join(" ▄▀█"[2 * top + bottom] for top, bottom in zip(upper.tolist(), lower.tolist(), strict=True))
