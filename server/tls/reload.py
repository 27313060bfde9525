"""The certificates of the ports, exchanged while the server runs.

gRPC and Python's TLS ask for one at each new connection; connections that are open keep theirs.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import grpc
from cryptography.hazmat.primitives.hashes import SHA256

from models.errors import InvalidInput, VestibuleError
from models.reasons import Reason
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.records.status import Component
from server.setting_groups import TlsSettings
from server.tls.files import (
    OF_THE_GATE,
    Expiry,
    SettingNames,
    TlsFiles,
    certificates,
    check_files,
    read_files,
)

log = get_logger("tls")

READ_EVERY_S: Final = 5.0
"""How often the files are read; a new certificate is in use that soon."""
WARN_DAYS: Final = 14


class ReloadedFiles:
    """The files of a certificate, read again while the server runs.

    Args:
        settings: With TLS turned on.
        names: The variables that name the files.
        part: What health and the metrics call the certificate.

    Raises:
        InvalidInput: The files are missing or not usable.
    """

    def __init__(
        self, settings: TlsSettings, clock: Clock, metrics: Metrics, names: SettingNames, part: tuple[str, str]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._names = names
        self._component, self._label = part
        self._files = read_files(settings, names)
        self._expiry = check_files(self._files, clock(), names)
        self._refused = ""
        self._warned_at: datetime | None = None
        self._report()

    def take(self, files: TlsFiles) -> None:
        """Use files that were checked for new connections.

        Raises:
            VestibuleError: They cannot be used after all.
        """
        raise NotImplementedError

    async def watch(self) -> None:
        """Read the files again until cancelled."""
        while True:
            await asyncio.sleep(READ_EVERY_S)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Use the files as they are now. If they are not usable, the ones in use stay, and one warning is logged."""
        try:
            files = read_files(self._settings, self._names)
            if files != self._files:
                self._exchange(files, check_files(files, self._clock(), self._names))
            self._refused = ""
        except VestibuleError as error:
            problem = f"{error.message} {error.hint}".strip()
            if self._refused != problem:
                log.warning("tls_files_refused", **describe(error))
            self._refused = problem
        self._report()

    @property
    def component(self) -> Component:
        """The certificate's state."""
        days, client_ca = self._days(self._expiry.certificate), self._expiry.client_ca
        sentences = [_expires("certificate", days)]
        if client_ca is not None and (ca_days := self._days(client_ca)) < WARN_DAYS:
            sentences.append(_expires("last client CA", ca_days))
        if self._refused:
            sentences.append(f"Warning: The files on the disk are not used. {self._refused}")
        return Component(self._component, days >= 0, " ".join(sentences))

    def _exchange(self, files: TlsFiles, expiry: Expiry) -> None:
        self.take(files)
        self._files, self._expiry, self._warned_at = files, expiry, None
        log.info("tls_files_reloaded", part=self._component, days_left=self._days(expiry.certificate))

    def _report(self) -> None:
        days = self._days(self._expiry.certificate)
        self._metrics.certificate_days.labels(self._label).set(days)
        if self._expiry.client_ca is not None:
            self._metrics.certificate_days.labels("client_ca").set(self._days(self._expiry.client_ca))
        now = self._clock()
        if days < WARN_DAYS and (self._warned_at is None or now - self._warned_at >= timedelta(days=1)):
            log.warning("tls_certificate_expires", days_left=days)
            self._warned_at = now

    def _days(self, end: datetime) -> int:
        """Whole days that are left, below 0 when it has expired."""
        return (end - self._clock()).days


class ServerCertificate(ReloadedFiles):
    """The certificate of the gRPC port.

    Attributes:
        credentials: For ``add_secure_port``.
    """

    def __init__(self, settings: TlsSettings, clock: Clock, metrics: Metrics) -> None:
        super().__init__(settings, clock, metrics, OF_THE_GATE, ("tls", "server"))
        self._lock = Lock()
        self._next: grpc.ServerCertificateConfiguration | None = None
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(self._files),
            self._take_next,  # type: ignore[arg-type]  # the stubs forget that None means no change
            require_client_authentication=self._files.client_ca is not None,
        )

    def take(self, files: TlsFiles) -> None:
        """Hand the files to gRPC when it asks next."""
        configuration = _configuration(files)
        with self._lock:
            self._next = configuration

    def _take_next(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC is to use from now on, or None for what it has. Called in a thread of gRPC."""
        with self._lock:
            taken, self._next = self._next, None
        return taken


class ConsoleCertificate(ReloadedFiles):
    """The certificate of the web console.

    Attributes:
        context: For the listener. Each new connection gets the certificate that was read last.
    """

    def __init__(self, settings: TlsSettings, clock: Clock, metrics: Metrics, names: SettingNames) -> None:
        super().__init__(settings, clock, metrics, names, ("console_tls", "console"))
        self._current = self._loaded(self._files)
        self.context = self._loaded(self._files)
        self.context.sni_callback = self._choose

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate in use, as hexadecimal digits; `vestibule console` compares it."""
        leaf = certificates(self._files.certificate, self._names.certificate)[0]
        return leaf.fingerprint(SHA256()).hex()

    def take(self, files: TlsFiles) -> None:
        """Use them for new connections."""
        self._current = self._loaded(files)

    def _choose(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _loaded(self, files: TlsFiles) -> ssl.SSLContext:
        """A context with the files. Python's TLS reads them by their paths, so they are compared afterwards."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        assert self._settings.certificate is not None
        try:
            context.load_cert_chain(self._settings.certificate, self._settings.key)
        except (OSError, ssl.SSLError):  # the files were exchanged since they were checked
            raise _exchanged(self._names) from None
        if read_files(self._settings, self._names) != files:
            raise _exchanged(self._names)
        return context


def _exchanged(names: SettingNames) -> InvalidInput:
    return InvalidInput(
        "The TLS files changed while they were read.",
        reason=Reason.TLS_FILE_INVALID,
        hint=f"They are read again in some seconds; {names.key} must belong to {names.certificate}.",
    )


def _expires(what: str, days: int) -> str:
    sentence = f"The {what} expires in {days} day(s)." if days >= 0 else f"The {what} has expired."
    return sentence if days >= WARN_DAYS else f"Warning: {sentence}"


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.certificate)], root_certificates=files.client_ca
    )
