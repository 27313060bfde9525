"""Checks before the start. They need neither Ray nor the engines, whose import takes many seconds.

Nothing here imports them. A port that is free now may be taken later, so the code that listens reports that too.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import InvalidInput, Unavailable
from models.reasons import Reason
from models.weights.uses import check_uses
from ray_tasks.resources import check_fit, most_cpus, most_gpus
from server.experiments.loader import load_experiments
from server.funnel.texts import load_texts
from server.ledger.types import utc_now
from server.runtime.exclusive_file import require_locks
from server.runtime.folders import make_folder, make_private_folder, refuse_unfinished_restore
from server.runtime.installation import ID_FILE, load_or_create_installation_id
from server.settings import Settings, ray_token_is_turned_off
from server.tls.files import Expiry, certificates, check_files, files_of_console, read_file, read_files
from server.validators import host_and_port, is_loopback

LOOPBACK = "127.0.0.1"
OIDC_CA = "VESTIBULE_CONSOLE__OIDC_CA"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address that the server will listen on.

    Attributes:
        name: What it is for, a word or two.
        what: In the message, ``The port of the metrics``.
        hint: What to do when it is taken.
    """

    name: str
    host: str
    port: int
    what: str
    hint: str


def check_settings(settings: Settings) -> None:
    """Refuse settings that cannot work, whatever else runs on this machine; makes the folders.

    Raises:
        InvalidInput: PLAINTEXT_REFUSED, AUTH_SETTINGS_INVALID, ADDRESS_INVALID, RAY_WITHOUT_TOKEN, POLICY_INVALID,
            EXPERIMENTS_INVALID, REPORT_TEXTS_INVALID, WORKERS_DO_NOT_FIT, FOLDER_UNUSABLE, FOLDER_SHARED,
            INSTALLATION_ID_INVALID, LEDGER_NOT_SHARED, or a reason that begins with TLS.
        WeightsError: WEIGHTS_OF_ANOTHER_KIND, WEIGHTS_UNAVAILABLE, WEIGHTS_INVALID.
        Conflict: RESTORE_UNFINISHED.
    """
    for check in (*SETTINGS_CHECKS, certificate_of_port, certificate_of_console):
        check(settings)
    make_own_folders(settings)
    if settings.shared_dir is not None:
        make_private_folder(settings.shared_dir, "VESTIBULE_SHARED_DIR", ID_FILE)
        load_or_create_installation_id(settings.shared_dir)
        require_locks(settings.shared_dir, "VESTIBULE_SHARED_DIR")
    make_folder(settings.pictures_dir, "VESTIBULE_DATA_DIR" if settings.shared_dir is None else "VESTIBULE_SHARED_DIR")


def make_own_folders(settings: Settings) -> None:
    """Make the two folders that one process alone uses.

    Raises:
        InvalidInput: FOLDER_UNUSABLE, FOLDER_SHARED or INSTALLATION_ID_INVALID.
        Conflict: RESTORE_UNFINISHED.
    """
    refuse_unfinished_restore(settings.data_dir, settings.state_dir)
    make_private_folder(settings.data_dir, "VESTIBULE_DATA_DIR", settings.ledger_path.name)
    make_private_folder(settings.state_dir, "VESTIBULE_STATE_DIR", ID_FILE)
    load_or_create_installation_id(settings.state_dir)


def check_ports(settings: Settings, parts: Container[str] | None = None) -> None:
    """Refuse a start while another process, or another part of the server, has one of the ports.

    Args:
        settings: Have the ports.
        parts: Those that will listen, by ``ListenAddress.name``; None for all.

    Raises:
        Unavailable: ADDRESS_IN_USE.
        InvalidInput: ADDRESS_INVALID, this machine cannot listen there.
    """
    with ExitStack() as held:
        for wanted in listen_addresses(settings):
            if parts is None or wanted.name in parts:
                held.enter_context(bound(wanted))


def checked_policies(path: Path | None) -> str:
    """The policy file's text, which the workers get; they may run where the file is not.

    Raises:
        InvalidInput: POLICY_INVALID, with every place that is wrong.
    """
    if path is None:
        return ""
    from models.redaction.policy.loader import parse_policies, read_policy_text  # brings all recognizers along

    text = read_policy_text(path)
    parse_policies(text, str(path))
    return text


def check_address(address: str, *, allow_plaintext: bool) -> None:
    """Refuse to serve plain text where others could listen.

    Raises:
        InvalidInput: The address is not loopback, and plain text was not asked for; or it is no address.
    """
    host, _port = host_and_port(address)
    if not allow_plaintext and not is_loopback(host):
        raise InvalidInput(
            "Without TLS the server listens on loopback only.",
            reason=Reason.PLAINTEXT_REFUSED,
            hint="Set VESTIBULE_TLS__CERTIFICATE and VESTIBULE_TLS__KEY, which `vestibule keys dev-certificate` makes "
            "for development; or VESTIBULE_ALLOW_PLAINTEXT=true.",
        )


def check_development_secret(settings: Settings) -> None:
    """Refuse HS256 where others can connect: whoever checks a token with a shared secret could make one, too.

    Raises:
        InvalidInput: AUTH_SETTINGS_INVALID.
    """
    host, _port = host_and_port(settings.address)
    if settings.auth.hs256_key.get_secret_value() and not is_loopback(host):
        raise InvalidInput(
            "HS256 is for development: the server takes it on loopback only.",
            reason=Reason.AUTH_SETTINGS_INVALID,
            hint="Set VESTIBULE_AUTH__JWKS_URL or VESTIBULE_AUTH__JWKS_FILE instead of VESTIBULE_AUTH__HS256_KEY.",
        )


def check_console(settings: Settings) -> None:
    """Refuse a login at an issuer that is not known, and a console without TLS where others could listen.

    Plain text on purpose is for the gRPC port alone.

    Raises:
        InvalidInput: CONSOLE_SETTINGS_INVALID, PLAINTEXT_REFUSED or TLS_FILE_INVALID.
    """
    if not settings.console.enabled:
        return
    if settings.console.oidc_client_id and not (settings.auth.jwks_url or settings.auth.jwks_file):
        raise InvalidInput(
            "The console's login at the issuer needs an issuer whose keys are known.",
            reason=Reason.CONSOLE_SETTINGS_INVALID,
            hint="Set VESTIBULE_AUTH__ISSUER, VESTIBULE_AUTH__AUDIENCE and VESTIBULE_AUTH__JWKS_URL, or leave "
            "VESTIBULE_CONSOLE__OIDC_CLIENT_ID empty.",
        )
    if settings.console.oidc_ca is not None:
        certificates(read_file(settings.console.oidc_ca, OIDC_CA), OIDC_CA)
    if files_of_console(settings.console, settings.tls) is None and not settings.console.on_loopback:
        raise InvalidInput(
            "Without TLS the web console listens on loopback only.",
            reason=Reason.PLAINTEXT_REFUSED,
            hint="Set VESTIBULE_CONSOLE__TLS_CERTIFICATE and VESTIBULE_CONSOLE__TLS_KEY, or those of VESTIBULE_TLS__*; "
            "or leave VESTIBULE_CONSOLE__HOST at 127.0.0.1.",
        )


def check_token_of_ray(settings: Settings) -> None:
    """Refuse a cluster of our own whose token is turned off, and one that is joined unless that was asked for.

    Raises:
        InvalidInput: RAY_WITHOUT_TOKEN.
    """
    joined = settings.ray.address
    if ray_token_is_turned_off() and not (joined and settings.ray.allow_no_token):
        raise InvalidInput(
            "RAY_AUTH_MODE turns Ray's token off, so whoever reaches the cluster can run code in the workers.",
            reason=Reason.RAY_WITHOUT_TOKEN,
            hint="Unset RAY_AUTH_MODE."
            + (" VESTIBULE_RAY__ALLOW_NO_TOKEN=true joins a cluster that asks for no token." if joined else ""),
        )


def check_workers(settings: Settings) -> None:
    """Refuse workers that do not fit into a cluster of our own on this machine.

    Raises:
        InvalidInput: WORKERS_DO_NOT_FIT.
    """
    if not settings.ray.address:
        cpus, gpus = settings.ray.num_cpus, settings.ray.num_gpus
        check_fit(
            (settings.speech, settings.vision, settings.redaction),
            cpus=most_cpus() if cpus is None else cpus,
            gpus=most_gpus() if gpus is None else gpus,
        )


def certificate_of_port(settings: Settings) -> Expiry | None:
    """Until when the TLS files of the gRPC port can be used; None for plain text.

    Raises:
        InvalidInput: TLS_FILE_INVALID, TLS_KEY_EXPOSED, TLS_KEY_MISMATCH or TLS_CERTIFICATE_EXPIRED.
    """
    return check_files(read_files(settings.tls), utc_now()) if settings.tls.enabled else None


def certificate_of_console(settings: Settings) -> Expiry | None:
    """The same of the web console; None also where it is off.

    Raises:
        InvalidInput: As ``certificate_of_port``.
    """
    files = files_of_console(settings.console, settings.tls) if settings.console.enabled else None
    return None if files is None else check_files(read_files(*files), utc_now(), files[1])


def check_shared_folder(settings: Settings) -> None:
    """Refuse to share files while the ledger is not shared.

    Raises:
        InvalidInput: LEDGER_NOT_SHARED.
    """
    if settings.shared_dir is not None and not settings.ledger.database:
        raise InvalidInput(
            "VESTIBULE_SHARED_DIR is for several servers, and only one can use the embedded ledger.",
            reason=Reason.LEDGER_NOT_SHARED,
            hint="Set VESTIBULE_LEDGER__URL, or leave VESTIBULE_SHARED_DIR empty.",
        )


SETTINGS_CHECKS: Final[tuple[Callable[[Settings], object], ...]] = (
    lambda settings: check_address(settings.address, allow_plaintext=settings.allow_plaintext or settings.tls.enabled),
    check_development_secret,
    check_console,
    check_token_of_ray,
    lambda settings: checked_policies(settings.redaction.policy_file),
    lambda settings: check_uses(settings.speech.names, settings.redaction.ner_weights, settings.weights_dir),
    lambda settings: load_experiments(settings.experiments.file, settings.idle_session_s),
    lambda settings: load_texts(settings.funnel_report.texts),
    check_workers,
    check_shared_folder,
)
"""What must hold of the settings and of the files that they name, but those of TLS. Each raises what is wrong."""


def listen_addresses(settings: Settings) -> Iterator[ListenAddress]:
    """The addresses on which a server with these settings listens."""
    host, port = host_and_port(settings.address)
    yield ListenAddress("gRPC", host.strip("[]"), port, f"The address {settings.address}", "Set VESTIBULE_ADDRESS.")
    yield ListenAddress(
        "metrics",
        LOOPBACK,
        settings.metrics_port,
        f"The port {settings.metrics_port} of the metrics",
        "End the other process, or set VESTIBULE_METRICS_PORT: 0 turns the metrics off.",
    )
    if settings.quack.enabled and settings.ledger.has_views:
        yield ListenAddress(
            "analysts",
            LOOPBACK,
            settings.quack.port,
            f"The port {settings.quack.port} for analysts",
            "End the other process, or set VESTIBULE_QUACK__PORT; VESTIBULE_QUACK__ENABLED=false turns analysts off.",
        )
    if settings.console.enabled:
        yield ListenAddress(
            "console",
            settings.console.host,
            settings.console.port,
            f"The port {settings.console.port} of the console",
            "End the other process, or set VESTIBULE_CONSOLE__PORT; VESTIBULE_CONSOLE__ENABLED=false turns it off.",
        )
    if settings.ray.dashboard and not settings.ray.address:
        yield ListenAddress(
            "Ray dashboard",
            LOOPBACK,
            settings.ray.dashboard_port,
            f"The port {settings.ray.dashboard_port} of the Ray dashboard",
            "End the other process, or set VESTIBULE_RAY__DASHBOARD_PORT: 0 picks a free port.",
        )
    if settings.ray.metrics_port and not settings.ray.address:
        yield ListenAddress(
            "Ray metrics",
            LOOPBACK,
            settings.ray.metrics_port,
            f"The port {settings.ray.metrics_port} of Ray's metrics",
            "End the other process, or set VESTIBULE_RAY__METRICS_PORT: 0 turns them off.",
        )


def bound(wanted: ListenAddress) -> socket.socket:
    """A socket that listens at an address, which shows that it is free. The caller closes it.

    Raises:
        Unavailable: ADDRESS_IN_USE.
        InvalidInput: ADDRESS_INVALID, this machine cannot listen there.
    """
    try:
        family, _type, _protocol, _name, address = socket.getaddrinfo(
            wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        probe = socket.socket(family, socket.SOCK_STREAM)
    except OSError as exc:
        raise _cannot_listen(wanted, exc) from exc
    try:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()  # two sockets with SO_REUSEADDR may be bound to one address as long as neither listens
    except OSError as exc:
        probe.close()
        raise _cannot_listen(wanted, exc) from exc
    return probe


def _cannot_listen(wanted: ListenAddress, exc: OSError) -> Unavailable | InvalidInput:
    if exc.errno == errno.EADDRINUSE:
        return Unavailable(f"{wanted.what} is in use.", reason=Reason.ADDRESS_IN_USE, hint=wanted.hint)
    return InvalidInput(
        f"{wanted.what} is not one that this machine can listen on ({exc.strerror}).",
        reason=Reason.ADDRESS_INVALID,
        hint=wanted.hint,
    )
