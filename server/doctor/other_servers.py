"""Servers of others that the settings name: whether they can be reached. Nothing is asked of them.

No prompt, no key, no mail and no alert is sent. A mail server alone gets the login that the settings have for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpx2

from models.errors import VestibuleError
from server.alerts.smtp import MailSender, MailServer, domain_of
from server.alerts.types import ALERT_REASONS
from server.doctor.results import Finding, Level, Situation, ok, problem, refused, warning
from server.runtime.daemon_thread import answer_of_thread
from server.setting_groups.sending import SendingSettings
from server.settings import Settings
from server.validators import is_private_url

CONNECT_S: Final = 5.0
LONGEST_S: Final = 10.0
"""Bound of one server, the look-up of its name included."""


@dataclass(frozen=True, slots=True)
class Service:
    """A server of others.

    Attributes:
        subject: What it is for.
        url: Its address. It may hold a password, so it is not shown.
        setting: Variable that has the address.
    """

    subject: str
    url: str
    setting: str


def check_other_servers(situation: Situation) -> list[Finding]:
    """Look at all of them at the same time."""
    settings = situation.settings
    looks = [(service.subject, partial(reach, service)) for service in services(settings)]
    looks += [(f"mail server ({name})", partial(log_in, name, group)) for name, group in mail_groups(settings)]
    found = asyncio.run(_at_once(looks))
    if not settings.upstream.in_order:
        found.insert(0, ok("remote LLM", "None is set; the local fallback answers."))
    return found


def services(settings: Settings) -> Iterator[Service]:
    """Those that are reached over HTTP."""
    llm, labels = settings.upstream, settings.vision_upstream
    for place, each in llm.in_order.items():
        number = "" if place == 1 else f"UPSTREAMS__{place}__"
        name = "remote LLM" if place == 1 else f"remote LLM {place}"
        yield Service(name, each.base_url, f"VESTIBULE_LLM__{number}BASE_URL")
    if llm.checker.base_url and llm.checker.mode == "on":
        yield Service("remote LLM (checker)", llm.checker.base_url, "VESTIBULE_LLM__CHECKER__BASE_URL")
    if labels.base_url:
        yield Service("vision upstream", labels.base_url, "VESTIBULE_LABELS__BASE_URL")
    if settings.traces.endpoint:
        yield Service("trace collector", settings.traces.endpoint, "VESTIBULE_TRACES__ENDPOINT")
    if settings.auth.jwks_url:
        yield Service("keys of the issuer", settings.auth.jwks_url, "VESTIBULE_AUTH__JWKS_URL")
    for name, group in (("alerts", settings.alerts), ("reports", settings.reports)):
        if group.webhook_url:
            yield Service(f"webhook ({name})", group.webhook_url, f"VESTIBULE_{name.upper()}__WEBHOOK_URL")


def mail_groups(settings: Settings) -> Iterator[tuple[str, SendingSettings]]:
    """The groups of settings that send mail."""
    for name, group in (("alerts", settings.alerts), ("reports", settings.reports)):
        if group.mail_to:
            yield name, group


async def _at_once(looks: Sequence[tuple[str, Callable[[], Finding]]]) -> list[Finding]:
    return list(await asyncio.gather(*(_bounded(subject, look) for subject, look in looks)))


async def _bounded(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return await answer_of_thread(look, f"doctor {subject}", LONGEST_S)
    except TimeoutError:
        return problem(subject, f"There was no answer within {LONGEST_S:g} s.", "Check the network and its DNS server.")


def reach(service: Service, context: ssl.SSLContext | None = None) -> Finding:
    """Connect to a server and shake hands, as the server's own client would; then hang up.

    Args:
        service: The server.
        context: Whom to trust; None trusts what the server's own client trusts.
    """
    parts = urlsplit(service.url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    try:
        with socket.create_connection((host, port), CONNECT_S) as connection:
            if tls:
                trusted = context or httpx2.create_ssl_context(trust_env=False)
                trusted.wrap_socket(connection, server_hostname=host).close()
    except OSError as error:
        hint = f"Correct {service.setting}, or wait until it can be reached."
        return problem(service.subject, f"{host}:{port} {_what_failed(error)}.", hint)
    if not is_private_url(service.url):
        found = f"{host}:{port} answers, but in plain text: others on the way can read what is sent, the key too."
        return warning(service.subject, found, f"Use https:// in {service.setting}.")
    return ok(service.subject, f"{host}:{port} answers{' with TLS' if tls else ''}.")


def _what_failed(error: OSError) -> str:
    match error:
        case socket.gaierror():
            return "has a name that cannot be resolved"
        case ssl.SSLCertVerificationError():
            return f"has a certificate that is not accepted ({error.verify_message})"
        case ssl.SSLError():
            return "does not speak TLS as it should"
        case TimeoutError():
            return f"does not answer within {CONNECT_S:g} s"
        case ConnectionRefusedError():
            return "has nobody who listens there"
        case _:
            return f"cannot be reached ({type(error).__name__})"


def log_in(name: str, group: SendingSettings) -> Finding:
    """Connect to the mail server of a group, with TLS and login as they are set, and say goodbye."""
    subject, where = f"mail server ({name})", f"{group.smtp_host}:{group.smtp_port}"
    password = group.smtp_password.get_secret_value()
    server = MailServer(group.smtp_host, group.smtp_port, group.smtp_security, group.smtp_user, password)
    try:
        asyncio.run(MailSender(server, domain_of(group.mail_from), ALERT_REASONS).check())
    except VestibuleError as error:
        hint = f"Check VESTIBULE_{name.upper()}__SMTP_HOST, ..._PORT, ..._SECURITY, ..._USER and ..._PASSWORD."
        return Finding(Level.PROBLEM, subject, f"{where}: {error.message}", hint, refused(subject, error).reason)
    taken = " and takes the login" if group.smtp_user else ""
    return ok(subject, f"{where} answers{taken}.")
