"""Every table macro that analysts may call."""

from __future__ import annotations

from server.ledger.funnel_macros import SHAPE_MACROS
from server.ledger.macros import FIRST_MACROS, SECOND_MACROS
from server.ledger.return_visits import RETENTION

ALL_MACROS = (*FIRST_MACROS, *SECOND_MACROS, RETENTION, *SHAPE_MACROS)
"""All macros, whichever migration made them; one that calls another comes after it."""
