"""`vestibule events`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import NotFound
from server.cli.events_file import events_text, in_file, kind_name, read_events_file, shortened
from server.cli.output import Failure, show_json, show_table
from server.cli.remote import address_option, connected

if TYPE_CHECKING:
    from vestibule.v1.funnel_pb2 import ClientDeclaration, DeclareEventsRequest

DECLARE_TIMEOUT_S = 60.0
"""The server reads each new word for names of persons."""
_client_option = click.option("--client", "client_id", metavar="ID", help="The client, as in `vestibule keys list`.")
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group(short_help="Declare the events that apps send, and list them.")
def events() -> None:
    """Events of apps: which a client may send, and what their properties are.

    Numbers, booleans, times, codes and enumerations are stored as they are; text is redacted. What becomes of what is
    not declared is the setting VESTIBULE_EVENTS__UNDECLARED. See docs/operating/events.md.

    \b
    Examples:
      vestibule events declare events.yaml --client my-app --dry-run
      vestibule events declare events.yaml --client my-app
      vestibule events list
      vestibule events show --client my-app > events.yaml
    """


@events.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--client", "client_id", required=True, metavar="ID", help="The client that sends the events.")
@click.option("--words-checked", is_flag=True, help="Names, keys and values name no person, though they may look so.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and store nothing.")
@address_option
@_json_option
def declare(file: Path, client_id: str, words_checked: bool, dry_run: bool, address: str | None, as_json: bool) -> None:
    """Declare all events of a client by FILE, and show what changes. Safe to repeat.

    An event that the file leaves out is no longer declared; what is stored of it stays.
    """
    from vestibule.v1 import funnel_pb2
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    request = funnel_pb2.DeclareEventsRequest(
        client_id=client_id, events=read_events_file(file), words_checked=words_checked, dry_run=dry_run
    )
    try:
        with connected(address) as channel:
            reply = FunnelServiceStub(channel).DeclareEvents(request, timeout=DECLARE_TIMEOUT_S)
    except Failure as failure:
        raise _with_names(failure, request) from None
    columns = ("event", "property", "before", "after")
    rows = [(change.name, change.key, change.before, change.after) for change in reply.changes]
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    show_table(columns, rows, empty="Nothing changes.")
    if dry_run and rows:
        click.echo("Nothing was stored, because of --dry-run.", err=True)


@events.command("list")
@_client_option
@address_option
@_json_option
def list_events(client_id: str | None, address: str | None, as_json: bool) -> None:
    """List the declared events, of all clients or of one."""
    found = _declarations(client_id or "", address)
    rows = [
        (declaration.client_id, event.name, {given.key: kind_name(given) for given in event.properties})
        for declaration in found
        for event in declaration.events
    ]
    if as_json:
        show_json([{"client": client, "event": name, "properties": kinds} for client, name, kinds in rows])
        return
    shown = [
        (client, name, key, shortened(kind))
        for client, name, kinds in rows
        for key, kind in (kinds or {"": ""}).items()
    ]
    show_table(("client", "event", "property", "kind"), shown, empty="No events are declared.")


@events.command()
@click.option("--client", "client_id", required=True, metavar="ID", help="The client that sends the events.")
@address_option
def show(client_id: str, address: str | None) -> None:
    """Print the declared events of a client as a file that `vestibule events declare` takes."""
    found = _declarations(client_id, address)
    if not found:
        raise NotFound("This client has declared no events.", hint="`vestibule events list` has every client.")
    click.echo(events_text(found[0].events))


def _declarations(client_id: str, address: str | None) -> list[ClientDeclaration]:
    from vestibule.v1 import funnel_pb2
    from vestibule.v1.funnel_pb2_grpc import FunnelServiceStub

    request = funnel_pb2.ListDeclaredEventsRequest(client_id=client_id)
    with connected(address) as channel:
        return list(FunnelServiceStub(channel).ListDeclaredEvents(request, timeout=DECLARE_TIMEOUT_S).declarations)


def _with_names(failure: Failure, request: DeclareEventsRequest) -> Failure:
    """The failure with the words of the file in place of the numbers of a request."""
    texts = (failure.message, failure.hint, *failure.details)
    message, hint, *details = (in_file(text, request.events) for text in texts)
    return Failure(message, reason=failure.reason, hint=hint, details=details)
