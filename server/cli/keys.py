"""`vestibule keys`."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from server.cli.dev_certificate import dev_certificate
from server.cli.key_store import opened_key_store
from server.cli.messages import as_dict
from server.cli.output import show_json, show_table, time_text
from server.cli.remote import address_option
from server.cli.rotate_spool import rotate_spool
from server.cli.stopped_server import files_options
from server.cli.time_types import Period

if TYPE_CHECKING:
    from vestibule.v1.access_pb2 import ApiKey

SCOPES = ("app", "reviewer", "analyst", "operator", "sealed_release")
KEY_ID = re.compile(r"(?:vst_)?([0-9a-f]{16})(?:_[0-9a-f]{64})?")


class KeyId(click.ParamType[str]):
    """The id of a key. A whole key is taken too, and its secret dropped."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read it. The value is not repeated in an error, because it may be a secret."""
        found = KEY_ID.fullmatch(value)
        if found is None:
            self.fail("it must be the id of a key, see `vestibule keys list`.", param, ctx)
        return str(found[1])


@click.group(short_help="Make, list, rotate and revoke API keys, change the key of the spool.")
def keys() -> None:
    """API keys: what apps, reviewers, analysts and operators call the server with.

    While a server runs these commands call it, else they work on its ledger file. See docs/operating/access.md.

    \b
    Examples:
      vestibule keys create --scope app --client my-app --expires 365d
      vestibule keys rotate 5f0c7a52d1e94b60 --grace 24h
      vestibule keys revoke 5f0c7a52d1e94b60
      vestibule keys rotate-spool
      vestibule keys dev-certificate
    """


@keys.command()
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="Can be repeated.")
@click.option("--client", default="", metavar="NAME", help="App or site of the key; needed with the scope app.")
@click.option("--client-checked", is_flag=True, help="The client's name is no person's, though it may look like one.")
@click.option(
    "--label",
    default="",
    metavar="WORD",
    help="A word by which you know the key, such as reviewer-1; name no person in it.",
)
@click.option("--expires", type=Period(), metavar="PERIOD", help="Such as 24h or 90d. Default: never.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def create(
    scopes: tuple[str, ...],
    client: str,
    client_checked: bool,
    label: str,
    expires: timedelta | None,
    address: str | None,
    state_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Make a key and print it on standard output. It is shown only now."""
    for name, value in (("--client", client), ("--label", label)):
        if not re.fullmatch(r"[A-Za-z0-9._-]{0,64}", value):
            raise click.UsageError(f"{name} takes up to 64 letters, digits, dots, dashes and underscores.")
    if "app" in scopes and not client:
        raise click.UsageError("A key with the scope app needs --client NAME: the app or site that it is for.")
    if "operator" in scopes and client:
        raise click.UsageError("A key with the scope operator belongs to no client: leave --client out.")
    with opened_key_store(address, state_dir, data_dir) as store:
        made, key = store.create(client, tuple(dict.fromkeys(scopes)), label, expires, checked=client_checked)
    _show_new(made, key, as_json)
    if made.label != label:
        click.echo(
            f"The label may name a person, so it is stored as `{made.label}`. Note outside of Vestibule whose key "
            f"{made.id} is, or revoke it and make one with a label such as reviewer-1.",
            err=True,
        )


@keys.command("list")
@click.option("--all", "closed_too", is_flag=True, help="Also those that expired or were revoked.")
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def list_keys(
    closed_too: bool, address: str | None, state_dir: Path | None, data_dir: Path | None, as_json: bool
) -> None:
    """List the keys without their secrets, newest first."""
    with opened_key_store(address, state_dir, data_dir) as store:
        found = store.list_keys(include_closed=closed_too)
    if as_json:
        show_json([as_dict(key) for key in found])
        return
    columns = ("id", "client", "scopes", "label", "made", "expires", "revoked", "last used")
    show_table(columns, map(_row, found), empty="There are no API keys.")


@keys.command()
@click.argument("key_id", metavar="ID", type=KeyId())
@click.option(
    "--grace", type=Period(), default="0s", show_default=True, metavar="PERIOD", help="How long the old key lives on."
)
@address_option
@files_options
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def rotate(
    key_id: str,
    grace: timedelta,
    address: str | None,
    state_dir: Path | None,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Make another key with the same client, scopes, label and expiry, and print it. It is shown only now."""
    with opened_key_store(address, state_dir, data_dir) as store:
        made, key = store.rotate(key_id, grace)
    _show_new(made, key, as_json)
    if not as_json:
        click.echo(f"The old key {key_id} is refused {f'in {grace}' if grace else 'from now on'}.", err=True)


@keys.command()
@click.argument("key_id", metavar="ID", type=KeyId())
@address_option
@files_options
def revoke(key_id: str, address: str | None, state_dir: Path | None, data_dir: Path | None) -> None:
    """Refuse a key from now on. Safe to repeat."""
    with opened_key_store(address, state_dir, data_dir) as store:
        store.revoke(key_id)
    click.echo(f"{key_id}: revoked")


def _show_new(made: ApiKey, key: str, as_json: bool) -> None:
    if as_json:
        show_json(as_dict(made) | {"key": key})
        return
    until = f"until {time_text(made.expire_time)}" if made.HasField("expire_time") else "without an expiry"
    whose = made.client_id or "every client"
    click.echo(f"Key {made.id} for {whose}, with the scope {_scopes(made)}, {until}:", err=True)
    click.echo(key)
    click.echo("It is shown only now. Clients send it as `authorization: Bearer KEY`.", err=True)


def _row(key: ApiKey) -> tuple[str, ...]:
    return (
        key.id,
        key.client_id or "(every)",
        _scopes(key),
        key.label,
        time_text(key.create_time),
        time_text(key.expire_time) if key.HasField("expire_time") else "never",
        time_text(key.revoke_time) if key.HasField("revoke_time") else "",
        time_text(key.last_use_time) if key.HasField("last_use_time") else "never",
    )


def _scopes(key: ApiKey) -> str:
    from vestibule.v1.access_pb2 import Scope

    return " ".join(Scope.Name(scope).removeprefix("SCOPE_").lower() for scope in key.scopes)


keys.add_command(rotate_spool)
keys.add_command(dev_certificate)
