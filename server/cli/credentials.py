"""The credential that our commands send to a server."""

from __future__ import annotations

from pathlib import Path

from server.cli.output import Failure
from server.validators import is_loopback


def configured_credential(target: str, state_dir: Path | None = None) -> str:
    """The credential for a server, or an empty string if there is none.

    ``VESTIBULE_API_KEY`` wins. On this machine the key that the server generated comes next, if this user may read it.

    Args:
        target: Host and port of the server.
        state_dir: The server's state folder; None takes the setting.
    """
    from server.cli.config import load_settings

    settings = load_settings()
    given = settings.api_key.get_secret_value().strip()
    if given or not is_loopback(host_of(target)):
        return given
    return operator_key(state_dir or settings.state_dir)


def operator_key(state_dir: Path) -> str:
    """The key that the server generated into its state folder; empty if there is none that this user may read."""
    from server.access.operator_key import OPERATOR_KEY_FILE

    try:
        return (state_dir / OPERATOR_KEY_FILE).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def given_key_hint(target: str) -> str:
    """What to do when a server refuses ``VESTIBULE_API_KEY``; empty when it is not set.

    Args:
        target: Host and port of the server.
    """
    from server.cli.config import load_settings

    settings = load_settings()
    if not settings.api_key.get_secret_value().strip():
        return ""
    if not is_loopback(host_of(target)):
        return "VESTIBULE_API_KEY must be a key that may do this; `vestibule keys create` makes one."
    way = "run `unset VESTIBULE_API_KEY`, or begin the command with `env -u VESTIBULE_API_KEY`"
    way += ", and see that its file is not in the folder of secrets." if settings.secrets_dir else "."
    return f"VESTIBULE_API_KEY is set, and wins over the generated key of this machine. To use that one, {way}"


def host_of(target: str) -> str:
    """The host of ``host:port``."""
    return target.rpartition(":")[0]


def metadata_of(credential: str) -> tuple[tuple[str, str], ...]:
    """The metadata that carries a credential; none for an empty one.

    Raises:
        Failure: It is no credential, and gRPC would refuse to send it.
    """
    if not credential:
        return ()
    if not credential.isascii() or not credential.isprintable() or " " in credential:
        raise Failure("VESTIBULE_API_KEY is no API key and no token.")
    return (("authorization", f"Bearer {credential}"),)
