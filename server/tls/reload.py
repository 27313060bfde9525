"""The certificate of the gRPC port, exchanged while the server runs.

gRPC asks for it at each new connection; connections that are open keep theirs.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

import grpc

from models.errors import VestibuleError
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.records.status import Component
from server.setting_groups import TlsSettings
from server.tls.files import Expiry, TlsFiles, check_files, read_files

log = get_logger("tls")

READ_EVERY_S: Final = 5.0
"""How often the files are read; a new certificate is in use that soon."""
WARN_DAYS: Final = 14


class ServerCertificate:
    """The certificate of the settings as gRPC takes it.

    Args:
        settings: With TLS turned on.

    Raises:
        InvalidInput: The files are missing or not usable.

    Attributes:
        credentials: For ``add_secure_port``.
    """

    def __init__(self, settings: TlsSettings, clock: Clock, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._files = read_files(settings)
        self._expiry = check_files(self._files, clock())
        self._refused = ""
        self._warned_at: datetime | None = None
        self._lock = Lock()
        self._next: grpc.ServerCertificateConfiguration | None = None
        self.credentials = grpc.dynamic_ssl_server_credentials(
            _configuration(self._files),
            self._take_next,  # type: ignore[arg-type]  # the stubs forget that None means no change
            require_client_authentication=self._files.client_ca is not None,
        )
        self._report()

    async def watch(self) -> None:
        """Read the files again until cancelled."""
        while True:
            await asyncio.sleep(READ_EVERY_S)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Use the files as they are now. If they are not usable, the ones in use stay, and one warning is logged."""
        try:
            files = read_files(self._settings)
            if files != self._files:
                self._exchange(files, check_files(files, self._clock()))
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
        return Component("tls", days >= 0, " ".join(sentences))

    def _exchange(self, files: TlsFiles, expiry: Expiry) -> None:
        configuration = _configuration(files)
        with self._lock:
            self._files, self._expiry, self._next = files, expiry, configuration
        self._warned_at = None
        log.info("tls_files_reloaded", days_left=self._days(expiry.certificate))

    def _take_next(self) -> grpc.ServerCertificateConfiguration | None:
        """What gRPC is to use from now on, or None for what it has. Called in a thread of gRPC."""
        with self._lock:
            taken, self._next = self._next, None
        return taken

    def _report(self) -> None:
        days = self._days(self._expiry.certificate)
        self._metrics.certificate_days.labels("server").set(days)
        if self._expiry.client_ca is not None:
            self._metrics.certificate_days.labels("client_ca").set(self._days(self._expiry.client_ca))
        now = self._clock()
        if days < WARN_DAYS and (self._warned_at is None or now - self._warned_at >= timedelta(days=1)):
            log.warning("tls_certificate_expires", days_left=days)
            self._warned_at = now

    def _days(self, end: datetime) -> int:
        """Whole days that are left, below 0 when it has expired."""
        return (end - self._clock()).days


def _expires(what: str, days: int) -> str:
    sentence = f"The {what} expires in {days} day(s)." if days >= 0 else f"The {what} has expired."
    return sentence if days >= WARN_DAYS else f"Warning: {sentence}"


def _configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(files.key, files.certificate)], root_certificates=files.client_ca
    )
