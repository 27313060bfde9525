"""Hardware addresses of network cards.

Must NOT match: times (``12:30:15``), six-digit groups of anything else.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer

MAC = PatternRecognizer(
    entity="MAC",
    name="mac",
    needs=":-.",
    patterns=(
        Pattern(re.compile(r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?:(?::[0-9A-Fa-f]{2}){2})?(?![\w:])"), 0.9),
        Pattern(re.compile(r"(?<![\w-])[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}(?![\w-])"), 0.8, name="dashes"),
        Pattern(re.compile(r"(?<![\w.])[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}(?![\w.])"), 0.7, name="cisco"),
    ),
)
