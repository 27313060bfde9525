"""The TLS certificates of the gRPC port and of the console: usable, fitting their keys, and for how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from models.errors import VestibuleError
from server.doctor.results import Finding, Situation, ok, refused, warning
from server.preflight import certificate_of_console, certificate_of_port
from server.settings import Settings
from server.tls.files import Expiry
from server.tls.reload import WARN_DAYS

PARTS: Final[tuple[tuple[str, Callable[[Settings], Expiry | None]], ...]] = (
    ("certificate (gRPC)", certificate_of_port),
    ("certificate (console)", certificate_of_console),
)


def check_certificates(situation: Situation) -> Iterator[Finding]:
    """Look at the files of each part that speaks TLS."""
    for subject, read in PARTS:
        try:
            expiry = read(situation.settings)
        except VestibuleError as error:
            yield refused(subject, error)
            continue
        if expiry is None:
            yield ok(subject, "TLS is off.")
            continue
        yield _until(subject, "It", expiry.certificate, situation.now)
        if expiry.client_ca is not None:
            yield _until(subject, "The last client CA", expiry.client_ca, situation.now)


def _until(subject: str, what: str, end: datetime, now: datetime) -> Finding:
    days = (end - now).days
    found = f"{what} is valid until {end:%Y-%m-%d}, {days} days."
    if days < WARN_DAYS:
        return warning(subject, found, "Renew it and put the new one in the same place: the server takes it by itself.")
    return ok(subject, found)
