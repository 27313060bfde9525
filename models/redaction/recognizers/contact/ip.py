"""IP addresses, versions 4 and 6.

Must NOT match: versions (``1.2.3``), dates (``24.11.2026``), section numbers (``4.1.2.3`` without context scores low),
times (``12:30:15``).
"""

from __future__ import annotations

import ipaddress
import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words


def is_address(text: str) -> bool:
    """Whether the standard library accepts it."""
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


_CONTEXT = context_words("ip")

IPV4 = PatternRecognizer(
    entity="IP",
    name="ipv4",
    needs="0",
    patterns=(Pattern(re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?:/\d{1,2})?(?![\w]|\.\d)"), 0.6),),
    check=lambda text: is_address(text.partition("/")[0]) or None,
    context=_CONTEXT,
)

IPV6 = PatternRecognizer(
    entity="IP",
    name="ipv6",
    needs=":",
    patterns=(
        Pattern(
            re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4})(?![\w:])"),
            0.6,
        ),
    ),
    check=is_address,
    context=_CONTEXT,
    failed_factor=0.2,
)
