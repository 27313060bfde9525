"""`vestibule sealed`: for those who run the system that sealed values are for."""

from __future__ import annotations

import base64
import binascii
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict
from uuid import UUID, uuid4

import click

from server.cli.messages import as_dict
from server.cli.output import show_json, show_table, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from vestibule.v1 import sealed_pb2 as pb

    from models.errors import InvalidInput

LIST_COLUMNS = ("field", "type", "key", "sealed", "released", "to")
OPEN_COLUMNS = ("field", "type", "written", "as said", "source")

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


class OpenValue(TypedDict):
    """A value in the clear, with where it belongs."""

    session_id: str
    field: str
    type: str
    source_id: str
    said: str
    written: str


@click.group(short_help="Make a key pair, get sealed values and open them.")
def sealed() -> None:
    """Values that are sealed for another system: its keys, and what it gets. See docs/operating/sealed-values.md.

    The server has the public key alone. `keygen` and `open` need no server; the private key never goes to one.

    \b
    Examples:
      vestibule sealed keygen crm.pem
      vestibule sealed list 6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f
      vestibule sealed release 6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f --field contact_phone > released.json
      vestibule sealed open crm.pem released.json
    """


@sealed.command()
@click.argument("key_file", metavar="FILE", type=click.Path(path_type=Path))
def keygen(key_file: Path) -> None:
    """Make a key pair: the private key in the new FILE, which only you can read, the public key on standard output.

    The public key goes into VESTIBULE_SEALED__KEYS of the server, with an id of your choice. Keep a copy of FILE:
    without it nobody can open what is sealed to its public key.
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from models.private_files import open_private
    from models.sealed_values import written_public_key

    private = X25519PrivateKey.generate()
    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        with open(key_file, "xb", opener=open_private) as file:
            file.write(content)
    except FileExistsError:
        raise click.UsageError(f"{key_file} is there already, and a key is never replaced.") from None
    except OSError as error:
        raise click.UsageError(f"{key_file} cannot be written ({error.strerror}).") from None
    click.echo(f"The private key is in {key_file}. For the server, with an id in place of my-system:", err=True)
    click.echo(f"""VESTIBULE_SEALED__KEYS='{{"my-system": "{written_public_key(private)}"}}'""", err=True)
    click.echo(written_public_key(private))


@sealed.command("list")
@click.argument("session_id", metavar="SESSION", type=click.UUID)
@address_option
@as_json_option
def list_values(session_id: UUID, address: str | None, as_json: bool) -> None:
    """List which sealed values a session has, and whether they were released; never the values."""
    from vestibule.v1.sealed_pb2 import ListSealedValuesRequest
    from vestibule.v1.sealed_pb2_grpc import SealedValueServiceStub

    request = ListSealedValuesRequest(session_id=str(session_id))
    with connected(address) as channel:
        answer = SealedValueServiceStub(channel).ListSealedValues(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json([as_dict(value) for value in answer.values])
    else:
        show_table(LIST_COLUMNS, map(_row, answer.values), empty="The session has no sealed values.")


@sealed.command()
@click.argument("session_id", metavar="SESSION", type=click.UUID)
@click.option("--field", "fields", multiple=True, required=True, metavar="NAME", help="Field; can be repeated.")
@click.option("--request-id", type=click.UUID, metavar="UUID", help="Of a release whose answer was lost.")
@address_option
def release(session_id: UUID, fields: tuple[str, ...], request_id: UUID | None, address: str | None) -> None:
    """Get the sealed values of some fields, once, after the record was approved; prints one JSON document.

    It needs an API key with the scope sealed_release in VESTIBULE_API_KEY.
    """
    from vestibule.v1.sealed_pb2 import ReleaseSealedValuesRequest
    from vestibule.v1.sealed_pb2_grpc import SealedValueServiceStub

    made = str(request_id or uuid4())
    request = ReleaseSealedValuesRequest(session_id=str(session_id), fields=dict.fromkeys(fields), request_id=made)
    click.echo(f"If the answer is lost, ask again with --request-id {made}", err=True)
    with connected(address) as channel:
        answer = SealedValueServiceStub(channel).ReleaseSealedValues(request, timeout=CALL_TIMEOUT_S)
    show_json({"values": [_released(each) for each in answer.values]})


@sealed.command("open")
@click.argument("key_file", metavar="FILE", type=click.Path(path_type=Path))
@click.argument("released", required=False, type=click.Path(path_type=Path, allow_dash=True))
@as_json_option
def open_values(key_file: Path, released: Path | None, as_json: bool) -> None:
    """Open what `sealed release` printed, with the private key in FILE, and print the values in the clear.

    RELEASED is the JSON document; without it, or with -, standard input is read.
    """
    private = _private_key(key_file)
    text = sys.stdin.read() if released in (None, Path("-")) else _text_of(released)
    values = [_opened(value, private) for value in _values_of(text)]
    if as_json:
        show_json(values)
        return
    rows = [(v["field"], v["type"], v["written"], v["said"], v["source_id"]) for v in values]
    show_table(OPEN_COLUMNS, rows, empty="Nothing was released.")


def _row(value: pb.SealedValue) -> tuple[object, ...]:
    when = time_text(value.release_time) if value.HasField("release_time") else ""
    return value.field, value.type, value.key_id, time_text(value.create_time), when, value.released_to


def _released(each: pb.ReleasedValue) -> dict[str, Any]:
    return as_dict(each.value) | {"ciphertext": base64.b64encode(each.ciphertext).decode("ascii")}


def _private_key(path: Path) -> X25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, TypeError):
        raise _no_key(path) from None
    if not isinstance(key, X25519PrivateKey):
        raise _no_key(path)
    return key


def _no_key(path: Path) -> InvalidInput:
    from models.errors import InvalidInput
    from models.reasons import Reason

    return InvalidInput(f"{path} holds no private key of `vestibule sealed keygen`.", reason=Reason.SEALED_KEY_INVALID)


def _text_of(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise click.UsageError(f"{path} cannot be read as text.") from None


def _values_of(text: str) -> list[dict[str, Any]]:
    try:
        values = json.loads(text)["values"]
        return [dict(value, ciphertext=base64.b64decode(value["ciphertext"], validate=True)) for value in values]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise click.UsageError("This is not what `vestibule sealed release` prints.") from None


def _opened(value: dict[str, Any], private: X25519PrivateKey) -> OpenValue:
    from models.sealed_values import Binding, open_value

    try:
        where = {name: str(value[name]) for name in ("session_id", "field", "type", "key_id", "source_id")}
    except KeyError:
        raise click.UsageError("This is not what `vestibule sealed release` prints.") from None
    binding = Binding(where["session_id"], where["field"], where["type"], where["key_id"])
    opened = open_value(value["ciphertext"], private, binding)
    return OpenValue(
        session_id=where["session_id"],
        field=where["field"],
        type=where["type"],
        source_id=where["source_id"],
        said=opened.said,
        written=opened.written,
    )
