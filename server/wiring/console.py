"""Builds the web console."""

from __future__ import annotations

import time

from server.access.authenticator import Access
from server.console.app import Console
from server.console.calls import Calls
from server.console.http import ConsoleServer
from server.console.logins import Logins
from server.rpc.interceptors.authenticate import observer
from server.services import Services
from server.settings import Settings
from server.wiring.shared import Shared


def build_console(settings: Settings, services: Services, shared: Shared, access: Access) -> ConsoleServer | None:
    """The console, which does not listen yet; None if it is turned off."""
    if not settings.console.enabled:
        return None
    observe = observer(shared.metrics, shared.audit.access)
    calls = Calls(services, access.authenticator, observe, settings.limits)
    logins = Logins(settings.console.idle_s, settings.console.longest_s, time.monotonic)
    return ConsoleServer(Console(calls, logins).app, settings.console.port, settings.state_dir)
