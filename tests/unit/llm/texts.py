"""Redacted texts for tests, made the way the ledger restores them."""

from __future__ import annotations

import itertools

from models.text import RedactedText
from server.flows.catalogue import shipped_catalogue

FLOWS = shipped_catalogue()
SITE_VISIT = FLOWS.newest("site_visit")
INCIDENT = FLOWS.newest("incident_report")
STAFF = FLOWS.newest("staff_onboarding")


def redacted(value: str, *, safe: bool = True, **counts: int) -> RedactedText:
    return RedactedText.restore(value, counts, safe_for_llm=safe)


VISIT = redacted(
    "Hello, my name is [REDACTED_NAME]. I am at the Riverside site to read the water meter. You can call me on "
    "[REDACTED_PHONE]. Or write to [REDACTED_EMAIL]. The meter reads four eight two one seven cubic metres.",
    NAME=1,
    PHONE=1,
    EMAIL=1,
)
REGISTER = redacted(
    "VISITOR REGISTER\nPlease print clearly\nName\nPhone\nE-mail\nAddress\nTime\n"
    "[REDACTED_NAME]\n[REDACTED_PHONE]\n[REDACTED_EMAIL]\n[REDACTED_ADDRESS]\n08:15\n"
    "[REDACTED_NAME] [REDACTED_NAME]\n[REDACTED_PHONE]\n[REDACTED_EMAIL]\n[REDACTED_ADDRESS]\n09:40\n"
    "[REDACTED_NAME]\n[REDACTED_PHONE]\n[REDACTED_EMAIL]\n[REDACTED_ADDRESS]\n10:05\n"
    "[REDACTED_NAME]\n[REDACTED_PHONE]\n[REDACTED_EMAIL]\n[REDACTED_ADDRESS]\n11:30",
    NAME=5,
    PHONE=4,
    EMAIL=4,
    ADDRESS=4,
)
METER = redacted(
    "WATER METER\n04821 7\nm3\nQ3 2.5  DN 15\nNo. 7316 2048\n[REDACTED_NAME]\n[REDACTED_ADDRESS]", NAME=1, ADDRESS=1
)

_NUMBERS = itertools.count(1)


def said_anew() -> RedactedText:
    """What was not said before, as a turn of its own."""
    return redacted(f"I am at the Riverside site, gate {next(_NUMBERS)}")
