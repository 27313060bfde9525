"""A declaration that tests share."""

from __future__ import annotations

from typing import Final

from server.flows.app_events import Declaration, DeclaredProperty, PropertyKind

NUMBER, BOOLEAN = DeclaredProperty(PropertyKind.NUMBER), DeclaredProperty(PropertyKind.BOOLEAN)
TIME, TEXT = DeclaredProperty(PropertyKind.TIME), DeclaredProperty(PropertyKind.TEXT)
CHANNEL = DeclaredProperty(PropertyKind.ENUMERATION, ("app", "web", "branch"))

LOAN: Final[Declaration] = {
    "form_opened": {},
    "form_sent": {"amount": NUMBER, "channel": CHANNEL, "returning": BOOLEAN, "begun": TIME, "note": TEXT},
}
