"""Builds the web console."""

from __future__ import annotations

import time

from server.access.authenticator import Access
from server.console.app import Console
from server.console.calls import Calls
from server.console.http import ConsoleServer
from server.console.issuer_http import IssuerHttp
from server.console.issuer_login import IssuerLogin
from server.console.live import LiveStreams
from server.console.logins import Logins
from server.console.place import Place
from server.console.try_page import TryPages
from server.rpc.flood_guard import FloodGuard
from server.rpc.interceptors.authenticate import observer
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.rpc.port_sockets import SUPPORTED
from server.services import Services
from server.settings import Settings
from server.wiring.shared import Shared


def build_console(settings: Settings, services: Services, shared: Shared, access: Access) -> ConsoleServer | None:
    """The console, which does not listen yet; None if it is turned off."""
    if not settings.console.enabled:
        return None
    observe = observer(shared.metrics, shared.audit.access)
    calls = Calls(
        services,
        access.authenticator,
        observe,
        settings.limits,
        lifecycle=shared.lifecycle,
        metrics=shared.metrics,
        room=shared.room,
    )
    logins = Logins(settings.console.idle_s, settings.console.longest_s, time.monotonic)
    place = Place.of_settings(settings.console, tls=shared.console_certificate is not None)
    live = LiveStreams()
    issuer = _issuer_login(settings, place, shared, access)
    return ConsoleServer(
        Console(calls, logins, place, live, issuer, tried=TryPages(settings.limits.upload_bytes)).app,
        settings.console,
        settings.state_dir,
        shared.console_certificate,
        _flood_guard(settings, shared),
        live.close,
    )


def _issuer_login(
    settings: Settings, place: Place, shared: Shared, access: Access
) -> tuple[IssuerLogin, RefusalLimits] | None:
    """The login at the issuer, with bounds of its own on what fails there; None if it is turned off."""
    if not settings.console.oidc_client_id or access.tokens is None:
        return None
    http = IssuerHttp(settings.console.oidc_ca)
    login = IssuerLogin(settings.console, settings.auth, access.tokens, place, http, shared.clock)
    return login, RefusalLimits(settings.limits)


def _flood_guard(settings: Settings, shared: Shared) -> FloodGuard | None:
    """What bounds connections and bytes of one address before Python and TLS see them, as at the gRPC port."""
    if settings.console.on_loopback or not SUPPORTED or not settings.limits.flood_refused_s:
        return None
    return FloodGuard(settings.limits, shared.metrics, observe=shared.audit.access.at_port)
